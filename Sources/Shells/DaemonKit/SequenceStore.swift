// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Reactor

/// The ring sequence bound on stable storage, written off the loop.
package final class SequenceStore {
  private struct Outcome: Sendable {
    let bound: UInt64
    let failure: SystemError?
  }

  /// The bound above which ring ids are new: what was stored, or the clock in milliseconds when that
  /// is higher, since a disk that was lost or full does not know what was used.
  package let bound: UInt64

  private let path: String?
  private let worker: Worker<Void>?
  private let outcomes: Mailbox<Outcome>
  private let told: (UInt64, SystemError?) -> Void

  /// Opens the store in a directory, which is made if it is missing.
  ///
  /// Without a directory nothing is kept, and a bound counts as stored at once. `told` is called on
  /// the loop for each bound, in order.
  ///
  /// - Throws: what failed; `EINVAL` when the file is there but holds no bound, since then it is not
  ///   known which ring ids were used.
  package init(
    directory: String?,
    loop: EventLoop,
    told: @escaping (UInt64, SystemError?) -> Void
  ) throws(SystemError) {
    self.told = told
    outcomes = try Mailbox()
    let clock = Self.clock
    if let directory {
      try SmallFile.makeDirectory(directory)
      let path = directory + "/ring-sequence"
      self.path = path
      bound = max(try Self.read(path), clock)
      worker = try Worker(name: "state", capacity: 64) { () }
    } else {
      (path, worker, bound) = (nil, nil, clock)
    }
    try outcomes.deliver(on: loop) { [unowned self] in self.told($0.bound, $0.failure) }
  }

  /// Writes the bound; `told` follows.
  package func store(_ bound: UInt64) {
    guard let path, let worker else { return outcomes.post(Outcome(bound: bound, failure: nil)) }
    let accepted = worker.submit { [outcomes] _ in
      do throws(SystemError) {
        try SmallFile.write(Array("\(bound)\n".utf8), to: path)
        outcomes.post(Outcome(bound: bound, failure: nil))
      } catch {
        outcomes.post(Outcome(bound: bound, failure: error))
      }
    }
    if !accepted {
      let failure = SystemError("queue the ring sequence for \(path)", Errno(EAGAIN))
      outcomes.post(Outcome(bound: bound, failure: failure))
    }
  }

  private static var clock: UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return UInt64(max(0, now.tv_sec)) * 1_000 + UInt64(max(0, now.tv_nsec)) / 1_000_000
  }

  private static func read(_ path: String) throws(SystemError) -> UInt64 {
    let bytes: [UInt8]
    do {
      bytes = try SmallFile.read(path, limit: 64)
    } catch {
      if error.errno == Errno(ENOENT) { return 0 }
      throw error
    }
    let digits = bytes.prefix { $0 != UInt8(ascii: "\n") }
    // Far below the limit of the wire, and far above every sequence that was ever in use.
    guard let bound = UInt64(String(decoding: digits, as: UTF8.self)), bound < 1 << 60 else {
      throw SystemError("find a ring sequence in \(path)", Errno(EINVAL))
    }
    return bound
  }
}
