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
  /// Members whose state does not come are passed over.
  case without(WithoutReport)
  /// The sender's loop turns; the number is its own.
  case heartbeat(UInt64)
  /// The member has been silent for longer than its addresses can live.
  case suspect(ViewID, MemberID)
  /// An operator at the sender's node asks for something; the number is the sender's own.
  case order(UInt64, OperatorOrder)
}

/// What an operator asks of the whole group.
package enum OperatorOrder: Sendable, Hashable {
  /// The VIF is to be held by the node wherever it can; `nil`: as configured again.
  case prefer(VIFID, NodeID?)
  /// The same, and it moves at once.
  case move(VIFID, NodeID)
  /// A round of balance at once.
  case balance
  /// Its holder tells the neighbours again where the VIF is.
  case announce(VIFID)
}

/// Whom the exchange of a view goes on without.
package struct WithoutReport: Sendable, Hashable {
  package var view: ViewID
  /// Counts the exchanges of the view.
  package var round: UInt32
  /// In ascending order, each once.
  package var members: [MemberID]

  package init(view: ViewID, round: UInt32, members: [MemberID]) {
    (self.view, self.round, self.members) = (view, round, members)
  }
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
  /// Counts the exchanges of the view.
  package var round: UInt32 = 0
  /// Members of the view that are passed over until they speak, in ascending order.
  package var strangers: [MemberID] = []
  /// What operators asked for, in ascending order of VIF, each once.
  package var overrides: [Override] = []
  /// The highest counter given to an override.
  package var lastOverride: UInt64 = 0
  /// VIFs whose last holder may still have them, in ascending order.
  package var fences: [Fence] = []
  /// The latest changes, oldest first.
  package var history: [HistoryEntry] = []
  /// The number of the latest change.
  package var lastChange: UInt64 = 0

  package init(view: ViewID, records: [MemberRecord], lastMove: MoveID, claims: [Claim]) {
    (self.view, self.records, self.lastMove, self.claims) = (view, records, lastMove, claims)
  }
}

/// One member in the replicated table.
package struct MemberRecord: Sendable, Hashable {
  package var member: MemberID
  /// Immature members hold nothing.
  package var mature: Bool
  /// It has been silent for too long, and holds nothing until it speaks.
  package var suspected: Bool
  package var facts: Facts

  package init(member: MemberID, mature: Bool, suspected: Bool = false, facts: Facts) {
    (self.member, self.mature, self.suspected, self.facts) = (member, mature, suspected, facts)
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
