// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Bytes
import DaemonKit
import GroupModel
import Reactor
import SessionClient
import SessionWire

/// Sends each line of standard input as a message.
struct LogLines: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "log",
    abstract: "Send each line of standard input as one message.",
    discussion: """
      Made for logs: a lost session is opened again, and reading waits meanwhile. Lines that were \
      on their way when it was lost may be lost too. The line feed is not sent.
      """
  )

  /// The longest line that is sent whole; what follows goes into further messages.
  private static let longestLine = 128 << 10

  @OptionGroup var options: SessionOptions

  @Option(help: "unreliable, reliable, fifo, causal, agreed or safe.")
  var service = Service.agreed

  @Flag(help: "Print a summary in JSON at the end.")
  var json = false

  @Argument(help: "The group.")
  var group: String

  func validate() throws { _ = try destination(group) }

  func run() throws {
    let name = try destination(group)
    var sender: LineSender?
    let conversation = try Conversation(options, wantsMembership: false, reconnects: true) {
      notice in
      switch notice {
      case .opened, .writable: sender?.go()
      case .message, .closed, .failed: break
      }
    }
    let made = LineSender(
      to: name,
      service: service,
      longest: Self.longestLine,
      over: conversation,
      from: try StandardInput(nil, on: conversation.loop)
    )
    sender = made
    try conversation.run()
    if json {
      let summary = JSONValue.object([
        .init("lines", .integer(Int64(made.lines))), .init("bytes", .integer(Int64(made.bytes))),
      ])
      Terminal.output(summary.compact)
    }
    try conversation.confirmSent()
  }
}

/// Cuts input into lines and sends them as fast as the session takes them.
private final class LineSender {
  private(set) var lines = 0
  private(set) var bytes = 0

  private let group: InlineName
  private let service: Service
  private let longest: Int
  private let conversation: Conversation
  private let input: StandardInput
  private var pending: [UInt8] = []
  /// How much of `pending` holds no line feed.
  private var searched = 0
  private var isReading = false
  private var isAtEnd = false

  init(
    to group: InlineName,
    service: Service,
    longest: Int,
    over conversation: Conversation,
    from input: StandardInput
  ) {
    (self.group, self.service, self.longest) = (group, service, longest)
    (self.conversation, self.input) = (conversation, input)
  }

  /// Goes on, if the session takes something.
  func go() {
    guard sendLines() else { return }
    if isAtEnd { return conversation.end() }
    guard !isReading else { return }
    isReading = true
    input.next { [weak self] in self?.take($0) }
  }

  private func take(_ piece: StandardInput.Piece) {
    isReading = false
    switch piece {
    case .bytes(let bytes): pending += bytes
    case .end: isAtEnd = true
    case .failed(let text): return conversation.fail("cannot read standard input: \(text)")
    }
    go()
  }

  /// Sends the whole lines that are there; `false` if the session takes no more for now.
  private func sendLines() -> Bool {
    var start = 0
    defer {
      pending.removeFirst(start)
      searched = max(0, searched - start)
    }
    while let line = nextLine(from: start) {
      let message = SessionMulticast(service: service, groups: [group], data: pending[line])
      do throws(GroupRefusal) {
        try conversation.send(.multicast(message))
      } catch {
        return false
      }
      lines += 1
      bytes += line.count
      let isTerminated = line.upperBound < pending.count && pending[line.upperBound] == 0x0A
      start = line.upperBound + (isTerminated ? 1 : 0)
      searched = start
    }
    return true
  }

  private func nextLine(from start: Int) -> Range<Int>? {
    let end = min(pending.count, start + longest)
    if let feed = pending[max(start, min(searched, end))..<end].firstIndex(of: 0x0A) {
      return start..<feed
    }
    // Whether a line so long ends there shows only with the next byte.
    if end - start == longest, end < pending.count { return start..<end }
    if isAtEnd, end > start { return start..<end }
    searched = end
    return nil
  }
}
