// SPDX-License-Identifier: Apache-2.0

/// What the sender of a message asks of its delivery (spec names: evs rules A).
package enum Service: UInt8, Sendable, Hashable, CaseIterable {
  /// At most once, perhaps never.
  case unreliable = 0
  /// Without loss within the configuration, in no promised order.
  case reliable = 1
  /// In the order of each sender.
  case fifo = 2
  /// After everything its sender had delivered or sent.
  case causal = 3
  /// In one total order of all messages of the ring.
  case agreed = 4
  /// Agreed, and only once every member of the configuration is known to hold it.
  case safe = 5
}
