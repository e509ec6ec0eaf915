// SPDX-License-Identifier: Apache-2.0

/// The identity of one ring, which is one regular configuration; never used twice.
///
/// Source: Totem (TOCS 1995), section 2: a sequence number larger than any known to a member, and
/// the representative that chose it.
package struct RingID: Sendable, Hashable, Comparable {
  package let sequence: UInt64
  package let representative: NodeID

  package init(sequence: UInt64, representative: NodeID) {
    (self.sequence, self.representative) = (sequence, representative)
  }

  package static func < (lhs: Self, rhs: Self) -> Bool {
    (lhs.sequence, lhs.representative) < (rhs.sequence, rhs.representative)
  }
}

extension RingID: CustomStringConvertible {
  package var description: String { "\(sequence).\(representative)" }
}
