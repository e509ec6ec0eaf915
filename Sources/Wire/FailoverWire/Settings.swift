// SPDX-License-Identifier: Apache-2.0

package import Addresses

/// The settings that shape the allocation, and therefore must be the same at every member.
///
/// Those of the lowest mature member hold for the view; the function version is the lowest present.
package struct SharedSettings: Sendable, Hashable {
  /// The newest allocation function its owner has.
  package var functionVersion: UInt8
  /// The most VIFs moved in one round of balance; `nil` for all.
  package var acquisitionsPerRound: UInt16?
  /// Sets of VIFs to keep on different nodes where possible.
  package var apart: [[VIFID]]
  package var policy: Policy
  /// `nil`: a component of any size holds all VIFs.
  package var quorum: Quorum?

  /// The allocation function of this version of the program.
  ///
  /// 1: health, quorum and operator overrides do not count. 2: they do.
  package static let newestFunction: UInt8 = 2

  package init(
    functionVersion: UInt8 = Self.newestFunction,
    acquisitionsPerRound: UInt16? = nil,
    apart: [[VIFID]] = [],
    policy: Policy = .keep,
    quorum: Quorum? = nil
  ) {
    self.functionVersion = functionVersion
    self.acquisitionsPerRound = acquisitionsPerRound
    self.apart = apart
    self.policy = policy
    self.quorum = quorum
  }
}

/// Who holds a VIF when all members that could are unhealthy.
package enum Policy: UInt8, Sendable, Hashable, CaseIterable {
  /// The present holder, or else the least loaded live member.
  case keep = 0
  /// Nobody.
  case drop = 1
}

/// How many members a component needs to hold anything.
package struct Quorum: Sendable, Hashable {
  /// At least 1.
  package var members: UInt16
  /// What a member held that neither left nor is known to be dead is acquired only when its lease
  /// has run out.
  package var isStrict: Bool

  package init(members: UInt16, isStrict: Bool = false) {
    (self.members, self.isStrict) = (max(1, members), isStrict)
  }

  /// More than half of a static list of so many members.
  package static func majority(of count: Int, isStrict: Bool = false) -> Self {
    Self(members: UInt16(clamping: count / 2 + 1), isStrict: isStrict)
  }
}
