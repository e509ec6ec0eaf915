// SPDX-License-Identifier: Apache-2.0

/// The identity of one view of one group: equal exactly when the view is the same (Group.Id).
///
/// Opaque to its users, and of one size for every backend: the embedded engine fills it from the
/// ring id and a count of the group's views on that ring, a Spread session from the three words
/// of its group id, Corosync from its ring id and a count.
package struct ViewID: Sendable, Hashable, Comparable {
  /// The ring's sequence number, or what stands for it.
  package let epoch: UInt64
  /// Whoever chose the epoch, so that two sides of a partition never agree by chance.
  package let origin: UInt64
  /// The number of this view within the epoch.
  package let index: UInt32

  package init(epoch: UInt64, origin: UInt64, index: UInt32) {
    (self.epoch, self.origin, self.index) = (epoch, origin, index)
  }

  package init(ring: RingID, index: UInt32) {
    self.init(epoch: ring.sequence, origin: ring.representative.digest, index: index)
  }

  package static func < (lhs: Self, rhs: Self) -> Bool {
    (lhs.epoch, lhs.origin, lhs.index) < (rhs.epoch, rhs.origin, rhs.index)
  }
}

extension ViewID: CustomStringConvertible {
  package var description: String {
    "\(epoch).\(index)@\(String(UInt16(truncatingIfNeeded: origin), radix: 16))"
  }
}

extension NodeID {
  /// The digest of the name; configurations in which two names share one are refused.
  package var digest: UInt64 { name.digest }
}

extension InlineName {
  /// The FNV-1a hash of the bytes.
  package var digest: UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash
  }
}
