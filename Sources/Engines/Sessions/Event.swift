// SPDX-License-Identifier: Apache-2.0

package import GroupModel
package import SessionWire

extension SessionsEngine {
  /// One connection of a client; never used twice.
  package struct ID: Sendable, Hashable, Comparable {
    package let number: UInt64

    package init(_ number: UInt64) { self.number = number }

    package static func < (lhs: Self, rhs: Self) -> Bool { lhs.number < rhs.number }
  }

  /// What can happen to the sessions of a daemon.
  package enum Event: Sendable, Equatable {
    /// A client connected; it passes the method `IP` if its address is admitted.
    case opened(ID, Peer, isAdmitted: Bool)
    /// A client sent bytes, cut anywhere.
    case received(ID, [UInt8])
    /// A client's stream is over, orderly or not.
    case ended(ID)
    /// What was written last is with the kernel, or there is nothing unwritten: more may come.
    case flushed(ID)
    /// The kernel takes no more for now; so much of what was written last waits for it.
    case blocked(ID, messages: Int, bytes: Int)
    /// The group layer delivered something to local sessions, in its one order.
    case message(GroupMessage, to: [InlineName])
    case view(View, to: [InlineName])
    case transitional(GroupName, ending: ViewID, to: InlineName)
    case left(GroupName, to: InlineName)
    /// The disconnect of a name has had its place in the order: the name is free.
    case released(InlineName)
    /// The operator chose anew; what is the daemon's identity stays.
    case configured(Settings)
  }

  /// A view of a group as sessions that came to it together get it.
  package struct View: Sendable, Equatable {
    package let group: GroupName
    package let id: ViewID
    package let members: [MemberID]
    package let cause: ViewCause
    /// After a network change those who came together; otherwise of no meaning.
    package let sets: [[MemberID]]
    /// The place in `sets` of the one that the sessions came with.
    package let ownSet: Int

    package init(
      group: GroupName,
      id: ViewID,
      members: [MemberID],
      cause: ViewCause,
      sets: [[MemberID]],
      ownSet: Int
    ) {
      (self.group, self.id, self.members) = (group, id, members)
      (self.cause, self.sets, self.ownSet) = (cause, sets, ownSet)
    }
  }

  /// What is to be done; performed in order.
  package enum Effect: Sendable, Equatable {
    /// To the group layer.
    case connect(InlineName)
    case request(GroupRequest, from: InlineName)
    case crash(InlineName)
    /// There is something to write: say ``Event/flushed(_:)`` once the present input is done.
    case ready(ID)
    /// Write these, in order; say ``Event/flushed(_:)`` or ``Event/blocked(_:)``.
    case write(ID, [[UInt8]])
    /// End the own side of the stream; what the client still sends is read.
    case finish(ID)
    /// Close the connection at once; what is unwritten is lost. Nothing more is said of it.
    case close(ID)
    case note(Note)
  }

  /// Something an operator may want to read.
  package enum Note: Sendable, Equatable {
    case accepted(ID, MemberID, Peer, Version)
    case refused(ID, Peer, Refusal)
    /// A session is over that was accepted.
    case closed(ID, InlineName, CloseReason)
    /// Messages begin to be dropped for a slow session; said once for each spell.
    case dropping(ID, InlineName)
    /// A daemon sent what this version cannot read.
    case unreadable(from: MemberID)
  }
}
