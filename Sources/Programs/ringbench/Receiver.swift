// SPDX-License-Identifier: Apache-2.0

import Bytes

/// What one member saw of one run, up to the last message of every sender.
struct Receiver {
  let run: UInt16
  private var messages: Int64 = 0
  private var own: Int64 = 0
  private var firstAt: UInt64
  private var ended: UInt8 = 0
  /// FNV-1a over senders and numbers in their order: equal at two members only if the order is.
  private var order: UInt64 = 0xcbf2_9ce4_8422_2325
  private var delays: [UInt64] = []

  init(run: UInt16, at now: UInt64) { (self.run, firstAt) = (run, now) }

  /// Takes one message; returns the result of the run with the last one of all.
  mutating func take(_ mark: Mark, isOwn: Bool, at now: UInt64) -> JSONValue? {
    order = (order ^ (UInt64(mark.sender) << 56 ^ mark.number)) &* 0x100_0000_01b3
    messages += 1
    if isOwn { own += 1 }
    switch mark.kind {
    case .data: return nil
    case .timed:
      delays.append(now > mark.sentAt ? now - mark.sentAt : 0)
      return nil
    case .last:
      ended += 1
      return ended == mark.senders ? result(at: now) : nil
    }
  }

  private func result(at now: UInt64) -> JSONValue {
    let sorted = delays.sorted()
    func quantile(_ share: Double) -> JSONValue {
      guard let longest = sorted.last else { return .null }
      let index = Int(share * Double(sorted.count))
      return .integer(Int64(index < sorted.count ? sorted[index] : longest))
    }
    return .object([
      .init("event", .string("done")),
      .init("run", .integer(Int64(run))),
      .init("messages", .integer(messages)),
      .init("own", .integer(own)),
      .init("nanoseconds", .integer(Int64(now - firstAt))),
      .init("order", .string(String(order, radix: 16))),
      .init("samples", .integer(Int64(sorted.count))),
      .init("median", quantile(0.5)),
      .init("p99", quantile(0.99)),
      .init("longest", quantile(1)),
    ])
  }
}
