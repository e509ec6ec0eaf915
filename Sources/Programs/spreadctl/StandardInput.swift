// SPDX-License-Identifier: Apache-2.0

import Glibc
import Reactor

/// Standard input or a file, read piece by piece on a thread of its own: a file cannot be waited
/// for, and a terminal or a pipe may take its time.
final class StandardInput {
  enum Piece: Sendable, Equatable {
    case bytes([UInt8])
    case end
    case failed(String)
  }

  private struct Nothing: Sendable {}

  private static let chunk = 64 << 10

  private let descriptor: CInt
  private let worker: Worker<Nothing>
  private let mailbox: Mailbox<Piece>
  private var waiting: ((Piece) -> Void)?

  /// Reads `path`; `nil` is standard input.
  init(_ path: String?, on loop: EventLoop) throws(SystemError) {
    if let path {
      descriptor = try SystemError.check(open(path, O_RDONLY | O_CLOEXEC), "open \(path)")
    } else {
      descriptor = STDIN_FILENO
    }
    worker = try Worker(name: "input", capacity: 1) { Nothing() }
    mailbox = try Mailbox()
    try mailbox.deliver(on: loop) { [weak self] piece in
      let waiting = self?.waiting
      self?.waiting = nil
      waiting?(piece)
    }
  }

  /// Reads the next piece, which `done` gets on the loop; one at a time.
  func next(_ done: @escaping (Piece) -> Void) {
    waiting = done
    let (descriptor, mailbox) = (descriptor, mailbox)
    let isTaken = worker.submit { _ in mailbox.post(Self.read(descriptor)) }
    if !isTaken { mailbox.post(.failed("the reader is busy")) }
  }

  private static func read(_ descriptor: CInt) -> Piece {
    while true {
      var count = 0
      let bytes = [UInt8](unsafeUninitializedCapacity: chunk) { buffer, used in
        count = Glibc.read(descriptor, buffer.baseAddress, chunk)
        used = max(0, count)
      }
      if count > 0 { return .bytes(bytes) }
      if count == 0 { return .end }
      if errno != EINTR { return .failed("\(Errno.last)") }
    }
  }
}
