// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import GroupModel

extension FailoverEngine {
  /// What an operator asks for; each gets exactly one ``Effect/answer(_:_:)``, unless the process
  /// ends first.
  ///
  /// What concerns others travels as an ordered message and is answered when it comes back and took
  /// effect; while members exchange their tables that is after the exchange.
  package enum Command: Sendable, Equatable {
    /// This node hands over everything that somebody else can hold. Survives a restart: the shell
    /// keeps it (``Effect/keep(drained:)``) and starts the next engine drained.
    case drain
    /// This node may hold VIFs again.
    case resume
    /// The VIF goes to the node at once, and is preferred there until told otherwise; lasts as long
    /// as some member that knows of it is up.
    case move(VIFID, to: NodeID)
    /// The VIF is preferred by the node, whatever is configured; `nil`: as configured again. It
    /// moves with the next round of balance.
    case prefer(VIFID, NodeID?)
    /// A round of balance now.
    case balance
    /// The holder, whoever it is, tells the neighbours again where the VIF is.
    case announce(VIFID)
    /// The configuration was read again. What is still wanted stays where it is; a VIF whose
    /// addresses changed is replaced in place. The shell then tells the state of every interface
    /// that a VIF names, as at start.
    case reload(Settings)
  }

  /// Names a command until it is answered; chosen by the shell.
  package struct Ticket: Sendable, Hashable {
    package var rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
  }

  /// What came of a command.
  package enum Answer: Sendable, Equatable {
    /// It took effect.
    case done
    case refused(Refusal)
  }

  /// Why a command has no effect; the description is for the operator.
  package enum Refusal: Sendable, Equatable {
    /// Not connected, or not in the group yet.
    case notInGroup
    /// The connection was lost before the command came back; it may have taken effect.
    case interrupted
    /// The process is about to end.
    case leaving
    case unknownVIF(VIFID)
    /// No member of the view is of that node.
    case unknownNode(NodeID)
    /// The node cannot hold the VIF.
    case notEligible(NodeID, String)
    /// Nobody holds it.
    case notHeld(VIFID)
    /// A member has an older version, which would not understand it.
    case olderMember(MemberID)
    /// The new settings are not acceptable; one line each.
    case settings([String])
    /// The group is too busy; to be tried again.
    case congested
  }
}

extension FailoverEngine.Refusal: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notInGroup: "this node is not in the group: there is nobody to tell"
    case .interrupted: "the group was lost before the command came back; look at the status"
    case .leaving: "this node is leaving"
    case .unknownVIF(let vif): "no member is configured with \(vif)"
    case .unknownNode(let node): "no member of the view is called \(node)"
    case .notEligible(let node, let reason): "\(node) cannot hold it: \(reason)"
    case .notHeld(let vif): "nobody holds \(vif)"
    case .olderMember(let member): "\(member) runs an older version, which does not know this"
    case .settings(let lines): lines.joined(separator: "; ")
    case .congested: "the group is too busy; try again"
    }
  }
}
