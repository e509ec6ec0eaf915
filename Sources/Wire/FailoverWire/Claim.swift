// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import GroupModel

/// The number of one removal; together with the member that is to remove, never used twice.
package struct MoveID: Sendable, Hashable, Comparable {
  package let rawValue: UInt64

  package init(_ rawValue: UInt64) { self.rawValue = rawValue }

  package static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

extension MoveID: CustomStringConvertible {
  package var description: String { String(rawValue) }
}

/// Who is to hold a VIF, and who must remove it first: one row of the replicated table.
package struct Claim: Sendable, Hashable {
  package var vif: VIFID
  /// The one that holds it, or acquires it as soon as ``removals`` is empty.
  package var holder: MemberID?
  /// The holder cannot have it yet: it is to acquire it when ``removals`` is empty.
  package var pending: Bool
  /// A removal at the holder failed or was cancelled: it stays until something changes.
  package var stuck: Bool
  /// Members whose *released* has not been ordered yet, in ascending order, each once; the holder
  /// is not among them.
  package var removals: [Removal]

  package init(
    vif: VIFID,
    holder: MemberID? = nil,
    pending: Bool = false,
    stuck: Bool = false,
    removals: [Removal] = []
  ) {
    self.vif = vif
    self.holder = holder
    self.pending = pending
    self.stuck = stuck
    self.removals = removals
  }
}

/// A member that was told to take a VIF off its interfaces.
package struct Removal: Sendable, Hashable {
  package var member: MemberID
  package var id: MoveID
  package var cause: Cause

  /// Why it is to remove.
  package enum Cause: UInt8, Sendable, Hashable, CaseIterable {
    /// The VIF goes to another member: a pending move, which can be cancelled.
    case move = 0
    /// Another member kept it at a merge.
    case conflict = 1
  }

  package init(member: MemberID, id: MoveID, cause: Cause) {
    (self.member, self.id, self.cause) = (member, id, cause)
  }
}
