// SPDX-License-Identifier: Apache-2.0

/// The head of every message of a benchmark, the same as in `scripts/bench/cpg.c`; the rest is zeros.
struct Mark {
  enum Kind: UInt8 {
    /// Counted, and hashed into the order.
    case data = 0
    /// As `data`; the time since it was sent is recorded too.
    case timed = 1
    /// The last message of one sender in this run.
    case last = 2
  }

  /// The length of the head in bytes: the shortest message.
  static let size = 24

  let kind: Kind
  /// The position of the sender among the members.
  let sender: UInt8
  let run: UInt16
  /// How many members send in this run, and so how many `last` messages end it.
  let senders: UInt8
  /// Counts the messages of one sender in one run.
  let number: UInt64
  /// CLOCK_MONOTONIC, nanoseconds.
  let sentAt: UInt64
}

extension Mark {
  init?(reading payload: ArraySlice<UInt8>) {
    guard payload.count >= Self.size else { return nil }
    let head = payload.withUnsafeBytes { bytes in
      (
        bytes[0], bytes[1], bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self), bytes[4],
        bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
        bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
      )
    }
    guard let kind = Kind(rawValue: head.0) else { return nil }
    (self.kind, sender, run, senders, number, sentAt) =
      (kind, head.1, head.2, head.3, head.4, head.5)
  }

  /// A message of `length` bytes, at least ``size``.
  func message(length: Int) -> [UInt8] {
    var message = [UInt8](repeating: 0, count: max(length, Self.size))
    message.withUnsafeMutableBytes { bytes in
      bytes[0] = kind.rawValue
      bytes[1] = sender
      bytes.storeBytes(of: run, toByteOffset: 2, as: UInt16.self)
      bytes[4] = senders
      bytes.storeBytes(of: number, toByteOffset: 8, as: UInt64.self)
      bytes.storeBytes(of: sentAt, toByteOffset: 16, as: UInt64.self)
    }
    return message
  }
}
