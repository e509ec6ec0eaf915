// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import FailoverWire
package import GroupModel
package import Machine

extension FailoverEngine {
  /// Everything an operator may ask about, as this member sees it.
  package struct Status: Sendable, Equatable {
    package var node: NodeID
    /// `nil` until the backend is connected.
    package var me: MemberID?
    package var phase: Phase
    /// `nil` outside the group.
    package var view: ViewID?
    /// The members of the view, in ascending order.
    package var members: [Member]
    /// This node's VIFs and those it knows only from others, in order.
    package var vifs: [VIF]
    package var interfaces: [Interface]
    /// The settings in force for the view, and whose they are; `nil` outside the group.
    package var shared: Shared?
    /// What operators decided and has not been taken back, in order of VIF.
    package var overrides: [Override]
    /// The latest changes of holder in the whole group, oldest first; at most
    /// ``HistoryEntry/limit``.
    package var history: [Change]
    /// Something is wrong that heals only by itself or by an operator; one line each.
    package var degraded: [String]
    /// Messages that were not acted on, and why.
    package var dropped: Drops

    /// What the member is doing.
    package enum Phase: String, Sendable, Equatable {
      /// The backend is not connected.
      case disconnected
      /// Connected, and not yet in the group.
      case joining
      /// In the group; waits until it may hold anything.
      case immature
      /// Agreeing with members from elsewhere on one table.
      case exchanging
      /// The table is agreed upon, and acted on.
      case running
      /// Handing over before the end.
      case leaving
      case departed
    }

    package struct Member: Sendable, Equatable {
      package var member: MemberID
      package var weight: UInt16
      package var mature: Bool
      package var drained: Bool
      /// How many VIFs it holds, or is about to.
      package var load: Int
      /// Whether the state it brought to this view is known.
      package var known: Bool
      /// Its health checks that fail.
      package var failing: [FailingCheck]
      /// It is about to leave.
      package var leaving: Bool
      /// It has been silent for too long, or has never spoken: it counts as no server.
      package var isSilent: Bool
      /// The version of messages and allocation that it uses; 0 if not known.
      package var version: UInt8
      /// Where its configuration differs from the one in force, a phrase each.
      package var differences: [String]
    }

    /// Settings that are the same for all, whatever each is configured with.
    package struct Shared: Sendable, Equatable {
      /// The lowest mature member, whose settings they are.
      package var owner: MemberID
      package var settings: SharedSettings
      /// The allocation function in force: the lowest of all members.
      package var functionVersion: UInt8
      /// Whether the component is large enough to hold anything.
      package var hasQuorum: Bool
    }

    /// One change of holder.
    package struct Change: Sendable, Equatable {
      package var view: ViewID
      package var vif: VIFID
      package var from: MemberID?
      package var to: MemberID?
      package var reason: String
      /// On this machine's clock; of what happened before this member came, as told by others.
      package var at: Instant
    }

    package struct VIF: Sendable, Equatable {
      package var id: VIFID
      /// As configured here; `nil` for a VIF that only others know.
      package var configured: VirtualInterface?
      package var holder: MemberID?
      package var state: Holding
      /// Why it is in this state: of the last change, or of what keeps it from being held.
      package var reason: String
      /// When the holder or the state last changed here.
      package var since: Instant
      /// Whether this node could hold it, or why not.
      package var readiness: Readiness?
      /// The members of the view that cannot hold it, and why, in order; drained ones included.
      package var prevented: [Prevented]
      /// It waits for the lease of its last holder until then.
      package var fencedUntil: Instant?
    }

    /// A member that cannot hold a VIF.
    package struct Prevented: Sendable, Equatable {
      package var member: MemberID
      package var reason: String
    }

    /// Where a VIF is.
    package enum Holding: String, Sendable, Equatable {
      /// On this node's interfaces.
      case held
      /// At another member.
      case elsewhere
      /// Nobody of the view holds it, nor can.
      case uncovered
      /// On its way: being added, or removed by the old holder.
      case moving
    }

    package struct Interface: Sendable, Equatable {
      package var name: InterfaceName
      /// `nil` until the kernel has been heard about it.
      package var state: LinkState?
      /// This node's VIFs on it that it holds.
      package var held: [VIFID]
    }
  }

  /// How many messages were not acted on, by reason.
  package struct Drops: Sendable, Hashable {
    /// Bytes that are no message.
    package var malformed: UInt64 = 0
    /// Kinds of a newer version.
    package var unknownKind: UInt64 = 0
    /// Of another group.
    package var foreignGroup: UInt64 = 0
    /// From a sender outside the view.
    package var stranger: UInt64 = 0
    /// A state or balance of another view.
    package var staleView: UInt64 = 0
    /// A state for members that have already been spoken for, or that are not in the view.
    package var contradiction: UInt64 = 0
    /// A balance while states are exchanged.
    package var balanceDuringExchange: UInt64 = 0
    /// About a move that is no longer pending.
    package var staleMove: UInt64 = 0
    /// From a member that may not decide it.
    package var notEntitled: UInt64 = 0
    /// A kernel completion that nothing was waiting for.
    package var unexpectedCompletion: UInt64 = 0
    /// A suspicion of a member that has spoken since, or a passing over of one.
    package var staleSuspicion: UInt64 = 0
    /// What a member that is passed over says before its state is known.
    package var unspoken: UInt64 = 0
    /// More messages during one exchange, or refused by a busy port, than are kept.
    package var queueFull: UInt64 = 0

    package init() {}
  }
}
