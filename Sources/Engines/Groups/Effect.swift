// SPDX-License-Identifier: Apache-2.0

package import GroupModel

extension GroupsEngine {
  /// What the layers around the group layer are to do; performed in order.
  package enum Effect: Sendable, Equatable {
    /// Give the ring a message to order.
    case submit(service: Service, payload: [UInt8])
    /// Tell a local process.
    case deliver(Notice, to: InlineName)
    /// Something an operator may want to read; already counted in the statistics.
    case note(Note)
  }

  /// What a local process is told; ``event`` says it in the words of the port.
  package enum Notice: Sendable, Equatable {
    /// The process is connected under this name.
    case connected(MemberID)
    case message(GroupMessage)
    /// The view named by `ending` is about to lose members by a fault.
    case transitional(GroupName, ending: ViewID)
    case view(View)
    /// The process's own leave took effect.
    case left(GroupName)
    /// The process's own disconnect took effect; its name is free again.
    case disconnected

    package var event: GroupEvent {
      switch self {
      case .connected(let member): .connected(member)
      case .message(let message): .message(message)
      case .transitional(let group, _): .transitional(group)
      case .view(let view): .view(view.groupView)
      case .left(let group): .left(group)
      case .disconnected: .disconnected(.requested)
      }
    }
  }

  /// Something an operator may want to read.
  package enum Note: Sendable, Equatable {
    /// A ring brought several synced sets together: their tables are being exchanged.
    case exchanging(RingID, own: Roster, members: Roster)
    /// The daemons of the ring hold the same table; so many groups owed a network view.
    case synced(RingID, members: Roster, changedGroups: Int)
    /// A ring change cut an exchange short.
    case exchangeCut(RingID)
    /// A request of a local process was not taken.
    case refused(InlineName, because: DropReason)
    /// A daemon sent what this version cannot read.
    case unreadable(from: NodeID)
    /// A daemon's share in an exchange cannot be used: the exchange goes on without it, and its
    /// processes are out of their groups.
    case brokenState(from: NodeID)
  }
}
