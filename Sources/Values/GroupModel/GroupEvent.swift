// SPDX-License-Identifier: Apache-2.0

package import Machine

/// What a ``GroupConnection`` tells its user, in the one order of all groups.
package enum GroupEvent: Sendable, Equatable {
  /// The connection is up, and this is its user's identity in every view.
  case connected(MemberID)
  /// A message to one or more of the user's groups, or to its private name.
  case message(GroupMessage)
  /// Membership of the group is about to shrink by a fault; what follows up to the next view has
  /// lost the guarantees towards members that do not come along.
  case transitional(GroupName)
  /// A new membership of a group the user is in.
  case view(GroupView)
  /// The user's own leave took effect: no further event of this group follows.
  case left(GroupName)
  /// The backend is gone; all memberships ended. `connected` follows when it is back.
  case disconnected(DisconnectReason)
  /// How well the loop below keeps time; says nothing of membership.
  case liveness(Liveness)
}

/// A message as it is delivered.
package struct GroupMessage: Sendable, Equatable {
  package let sender: MemberID
  /// All groups the message was sent to; never empty.
  package let groups: [GroupName]
  package let service: Service
  /// The sender's own mark, as in the Spread client protocol; 0 if unused.
  package let tag: Int16
  package let payload: ArraySlice<UInt8>

  package init(
    sender: MemberID,
    groups: [GroupName],
    service: Service,
    tag: Int16 = 0,
    payload: ArraySlice<UInt8>
  ) {
    self.sender = sender
    self.groups = groups
    self.service = service
    self.tag = tag
    self.payload = payload
  }
}

/// One agreed membership of a group.
package struct GroupView: Sendable, Equatable {
  package let group: GroupName
  package let id: ViewID
  /// In ascending order; the same at every member of the view.
  package let members: [MemberID]
  /// Those of `members` that came from the user's previous view together with it, the user among
  /// them; `nil` from a backend that cannot tell.
  package let cameTogether: [MemberID]?
  package let cause: ViewCause

  package init(
    group: GroupName,
    id: ViewID,
    members: [MemberID],
    cameTogether: [MemberID]?,
    cause: ViewCause
  ) {
    self.group = group
    self.id = id
    self.members = members
    self.cameTogether = cameTogether
    self.cause = cause
  }
}

/// Why a view came to be.
package enum ViewCause: Sendable, Equatable {
  case join(MemberID)
  case leave(MemberID)
  case disconnect(MemberID)
  /// Daemons failed, were cut off, or came back.
  case network
}

/// Why a backend was lost.
package enum DisconnectReason: Sendable, Equatable {
  /// The user asked for it.
  case requested
  /// The daemon could not be reached, or closed the connection.
  case unreachable(String)
  /// The daemon refused the connection.
  case refused(String)
  /// The daemon or this adapter met bytes it cannot understand.
  case protocolViolation(String)
}

/// What the engine below found out about its own schedule (self-stall detection).
package enum Liveness: Sendable, Equatable {
  /// The loop did not run for longer than the token time-out: nothing is known of the others until
  /// ``resumed``, whatever views come before.
  case stalled(Duration)
  /// After a stall the own ring's token came back, or another ring was formed, of which each group
  /// that changed has had its view: what is known of the others holds again.
  case resumed
  /// After a stall it turned out that the others formed a ring without this node.
  case votedOut
  /// A token of the installed ring that this node had passed on at `passed` came back.
  case rotation(passed: Instant)
}
