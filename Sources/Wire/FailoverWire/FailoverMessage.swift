// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import GroupModel

/// What fail-over members tell each other, all by agreed multicast to their group.
package enum FailoverMessage: Sendable, Hashable {
  case state(StateReport)
  case facts(FactsReport)
  /// The sender's maturity timer fired: every member of the view is mature.
  case mature
  /// The sender's kernel acknowledged that the VIF is off its interfaces.
  case released(VIFID, MoveID)
  /// The sender could not take the VIF off its interfaces.
  case moveFailed(VIFID, MoveID)
  /// The removal took too long: the member keeps what it was to give away.
  case cancel(VIFID, MoveID, MemberID)
  case balance(BalanceReport)
}

/// The table of one synced set at the delivery of a view, told by its lowest member.
package struct StateReport: Sendable, Hashable {
  package var view: ViewID
  /// The members it speaks for, in ascending order: holders and removers are among them.
  package var records: [MemberRecord]
  /// The highest number given to a removal.
  package var lastMove: MoveID
  /// In ascending order of VIF.
  package var claims: [Claim]

  package init(view: ViewID, records: [MemberRecord], lastMove: MoveID, claims: [Claim]) {
    (self.view, self.records, self.lastMove, self.claims) = (view, records, lastMove, claims)
  }
}

/// One member in the replicated table.
package struct MemberRecord: Sendable, Hashable {
  package var member: MemberID
  /// Immature members hold nothing.
  package var mature: Bool
  package var facts: Facts

  package init(member: MemberID, mature: Bool, facts: Facts) {
    (self.member, self.mature, self.facts) = (member, mature, facts)
  }
}

/// The sender's facts, and what it has taken off its interfaces by its own decision.
package struct FactsReport: Sendable, Hashable {
  package var facts: Facts
  /// VIFs that are not on the sender's interfaces, and that it does not add before this message is
  /// delivered; in ascending order.
  package var withdrawn: [VIFID]

  package init(facts: Facts, withdrawn: [VIFID]) {
    (self.facts, self.withdrawn) = (facts, withdrawn)
  }
}

/// One round of balance, decided by the representative of the view.
package struct BalanceReport: Sendable, Hashable {
  package var view: ViewID
  package var moves: [Move]

  package struct Move: Sendable, Hashable {
    package var vif: VIFID
    package var from: MemberID
    package var to: MemberID

    package init(vif: VIFID, from: MemberID, to: MemberID) {
      (self.vif, self.from, self.to) = (vif, from, to)
    }
  }

  package init(view: ViewID, moves: [Move]) { (self.view, self.moves) = (view, moves) }
}
