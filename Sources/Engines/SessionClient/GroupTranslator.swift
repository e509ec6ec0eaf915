// SPDX-License-Identifier: Apache-2.0

package import GroupModel
package import SessionWire

/// Turns what a daemon says in a session into the events of the port to group communication.
///
/// Names of daemons must be such as a ``NodeID`` can have.
package struct GroupTranslator: Sendable, Equatable {
  /// A word of the daemon that the port has no event for.
  package struct Failure: Error, Sendable, Equatable {
    package let text: String
  }

  package let me: MemberID
  private let privateName: InlineName

  /// - Throws: that the private name is none the port can express.
  package init(privateName: InlineName) throws(Failure) {
    me = try Self.member(privateName)
    self.privateName = privateName
  }

  /// The event that the message is; `nil` if it concerns nobody here.
  ///
  /// - Throws: what the port cannot express; the session is then of no use.
  package func event(_ message: DaemonMessage) throws(Failure) -> GroupEvent? {
    switch message {
    case .regular(let sender, let multicast):
      // More than a name of a group may stand among the destinations.
      let groups = multicast.destinations.compactMap { GroupName(destination: $0.bytes) }
      guard let service = multicast.type.service, !groups.isEmpty else { return nil }
      return .message(
        GroupMessage(
          sender: try Self.member(sender),
          groups: groups,
          service: service,
          tag: multicast.hint.tag ?? 0,
          payload: multicast.data
        )
      )
    case .membership(let message): return .view(try view(message))
    case .transition(let group, _): return .transitional(try Self.group(group))
    case .selfLeave(let group): return .left(try Self.group(group))
    case .rejected: return nil
    }
  }

  private func view(_ message: MembershipMessage) throws(Failure) -> GroupView {
    let members = try Self.members(message.members)
    let cause: ViewCause =
      switch message.cause {
      case .join: .join(try changed(message))
      case .leave: .leave(try changed(message))
      case .disconnect: .disconnect(try changed(message))
      case .network: .network
      }
    let together = try Self.members(message.cameTogether(with: privateName))
    return GroupView(
      group: try Self.group(message.group),
      id: ViewID(
        epoch: UInt64(message.id.time),
        origin: UInt64(message.id.process),
        index: message.id.index
      ),
      members: members,
      cameTogether: together,
      cause: cause
    )
  }

  private func changed(_ message: MembershipMessage) throws(Failure) -> MemberID {
    guard let name = message.changed else {
      throw Failure(text: "a view of \(message.group.text) does not say who changed")
    }
    return try Self.member(name)
  }

  private static func members(_ names: [InlineName]) throws(Failure) -> [MemberID] {
    var members: [MemberID] = []
    members.reserveCapacity(names.count)
    for name in names { members.append(try member(name)) }
    return members.sorted()
  }

  private static func member(_ name: InlineName) throws(Failure) -> MemberID {
    guard let member = GroupName(destination: name.bytes)?.member else {
      throw Failure(text: "'\(name.text)' is not the private name of a client")
    }
    return member
  }

  private static func group(_ name: InlineName) throws(Failure) -> GroupName {
    guard let group = GroupName(name.bytes) else {
      throw Failure(text: "'\(name.text)' is not the name of a group")
    }
    return group
  }
}

extension MembershipMessage {
  /// Those of the members who came from the former view together with one of them, itself included.
  package func cameTogether(with own: InlineName) -> [InlineName] {
    switch cause {
    case .join: changed == own ? [own] : members.filter { $0 != changed }
    case .leave, .disconnect: members
    case .network:
      // Somebody new to the group is in no former set.
      sets.indices.contains(ownSet) && sets[ownSet].contains(own)
        ? sets[ownSet].filter(members.contains) : [own]
    }
  }
}
