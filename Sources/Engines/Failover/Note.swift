// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import FailoverWire
package import GroupModel

extension FailoverEngine {
  /// One transition, for the log: what happened, in which view, and why.
  package enum Note: Sendable, Equatable {
    /// A view that holds only members whose tables are the same: the table stays.
    case departure(ViewID, members: [MemberID], gone: [MemberID])
    /// A view with members from elsewhere: tables are exchanged first.
    case exchange(ViewID, members: [MemberID], mine: [MemberID])
    /// All tables are known, and one came of them.
    case merged(ViewID, sets: Int, conflicts: Int)
    /// All members of the view may hold VIFs.
    case matured(ViewID, by: MemberID?)
    /// A VIF got another holder, or none.
    case assigned(VIFID, from: MemberID?, to: MemberID?, ViewID, Reason)
    /// A removal was asked of a member.
    case removing(VIFID, by: MemberID, MoveID, ViewID, Reason)
    /// A removal ended.
    case removed(VIFID, by: MemberID, MoveID, ViewID, Ending)
    /// This node puts a VIF on its interfaces.
    case acquiring(VIFID, ViewID)
    /// The kernel has it.
    case acquired(VIFID, ViewID?)
    /// This node takes a VIF off its interfaces.
    case releasing(VIFID, ViewID?, Reason)
    /// The kernel removed it.
    case released(VIFID, ViewID?)
    /// The kernel refused.
    case refused(VIFID, operation: Operation, text: String)
    /// An interface changed.
    case link(InterfaceName, LinkState)
    /// Member facts other than this node's took effect.
    case facts(MemberID, VIFID, Readiness, ViewID)
    case connected(MemberID)
    case disconnected(DisconnectReason)
    /// The port refuses a message for good.
    case notSent(GroupRefusal)
    case stalled
    case resumed
    /// A health check began to fail, or passes again.
    case check(FailingCheck, isFailing: Bool)
    /// This node changed too often, and declares itself ineligible for so long.
    case flapping(Duration)
    /// This node is drained, or is no longer.
    case drained(Bool)
    /// Members that did not say what they know are passed over until they speak.
    case passedOver(ViewID, [MemberID])
    /// A member that was passed over speaks: tables are exchanged again.
    case spoke(ViewID, MemberID)
    /// A member has been silent for too long, or speaks again.
    case silence(MemberID, isSilent: Bool, ViewID)
    /// An operator's decision took effect.
    case override(VIFID, NodeID?, by: NodeID, ViewID)
    /// The component has as many members as it needs, or has not.
    case quorum(has: Int, needs: Int, ViewID)
    /// What a dead member held waits until its lease has run out.
    case fenced(VIFID, Duration, ViewID)
    /// New settings are in force.
    case reloaded
    case leaving
    case departed
  }

  package enum Operation: String, Sendable, Equatable {
    case acquire
    case release
    case keep
  }

  /// How a removal ended.
  package enum Ending: String, Sendable, Equatable {
    case released
    case failed
    case cancelled
  }

  /// Why a holder changed, or a VIF leaves the interfaces.
  package typealias Reason = ChangeReason
}

extension FailoverEngine.Note: CustomStringConvertible {
  package var description: String {
    switch self {
    case .departure(let view, let members, let gone):
      "view \(view): \(Self.text(members))"
        + (gone.isEmpty ? "" : ", gone: \(Self.text(gone))")
    case .exchange(let view, let members, let mine):
      "view \(view): \(Self.text(members)), exchanging tables; same table: \(Self.text(mine))"
    case .merged(let view, let sets, let conflicts):
      "view \(view): one table of \(sets), \(conflicts) held more than once"
    case .matured(let view, let member):
      "view \(view): mature" + (member.map { ", by \($0)" } ?? "")
    case .assigned(let vif, let from, let to, let view, let reason):
      "\(vif): \(from.map(\.description) ?? "nobody") -> \(to.map(\.description) ?? "nobody"), "
        + "view \(view): \(reason)"
    case .removing(let vif, let member, let id, let view, let reason):
      "\(vif): \(member) is to remove it (move \(id)), view \(view): \(reason)"
    case .removed(let vif, let member, let id, let view, let ending):
      "\(vif): removal by \(member) \(ending.rawValue) (move \(id)), view \(view)"
    case .acquiring(let vif, let view): "\(vif): acquiring, view \(view)"
    case .acquired(let vif, let view): "\(vif): held" + Self.text(view)
    case .releasing(let vif, let view, let reason):
      "\(vif): releasing" + Self.text(view) + ": \(reason)"
    case .released(let vif, let view): "\(vif): released" + Self.text(view)
    case .refused(let vif, let operation, let text):
      "\(vif): the kernel refused to \(operation.rawValue) it: \(text)"
    case .link(let interface, let state): "interface \(interface): \(state)"
    case .facts(let member, let vif, let readiness, let view):
      "\(vif): \(member) is \(readiness), view \(view)"
    case .connected(let me): "connected as \(me)"
    case .disconnected(let reason): "disconnected: \(Self.text(reason))"
    case .notSent(let refusal): "the group refuses a message: \(refusal)"
    case .stalled: "the loop stalled: nothing is acquired until the ring is known to stand"
    case .resumed: "the ring stands: acting again"
    case .check(let check, let isFailing):
      "health check \(check.name.text) \(isFailing ? "fails" : "passes again")"
        + (check.vifs.map { ", for " + $0.map(\.description).joined(separator: " ") } ?? "")
    case .flapping(let duration): "changed too often: holds nothing for \(duration)"
    case .drained(let isDrained): isDrained ? "drained: handing over" : "no longer drained"
    case .passedOver(let view, let members):
      "view \(view): nothing heard from \(Self.text(members)); going on without"
    case .spoke(let view, let member): "view \(view): \(member) speaks; exchanging tables again"
    case .silence(let member, let isSilent, let view):
      "view \(view): \(member) \(isSilent ? "is silent: it counts as holding nothing" : "speaks")"
    case .override(let vif, let node, let author, let view):
      "\(vif): an operator at \(author) wants it \(node.map { "at \($0)" } ?? "as configured"), "
        + "view \(view)"
    case .quorum(let has, let needs, let view):
      "view \(view): \(has) members of \(needs) needed"
    case .fenced(let vif, let duration, let view):
      "\(vif): waits \(duration) for the lease of its last holder, view \(view)"
    case .reloaded: "new settings are in force"
    case .leaving: "leaving: releasing everything"
    case .departed: "departed: nothing is held"
    }
  }

  private static func text(_ members: [MemberID]) -> String {
    members.map(\.description).joined(separator: " ")
  }

  private static func text(_ view: ViewID?) -> String { view.map { ", view \($0)" } ?? "" }

  private static func text(_ reason: DisconnectReason) -> String {
    switch reason {
    case .requested: "as requested"
    case .unreachable(let text): "unreachable: \(text)"
    case .refused(let text): "refused: \(text)"
    case .protocolViolation(let text): "protocol violation: \(text)"
    }
  }
}
