// SPDX-License-Identifier: Apache-2.0

import Bytes
import GroupModel
import GroupsWire
import Machine

/// What is said in the ring's order, applied to the table.
extension GroupsEngine {
  mutating func apply(_ message: OrderedMessage, into effects: inout EffectQueue<Effect>) {
    guard let content = decode(message, into: &effects) else { return }
    switch content {
    case .data(let multicast):
      statistics.messages += 1
      deliver(multicast, in: message, into: &effects)
    case .join(let process, let group):
      guard isOfOwnSet(message.sender) else { return }
      join(MemberID(node: message.sender, process: process), group, into: &effects)
    case .leave(let process, let group):
      guard isOfOwnSet(message.sender) else { return }
      leave(MemberID(node: message.sender, process: process), group, into: &effects)
    case .disconnect(let process):
      guard isOfOwnSet(message.sender) else { return }
      disconnect(MemberID(node: message.sender, process: process))
    case .state:
      drop(.pastExchange)
    }
  }

  /// Reads a message; counts and notes what cannot be read.
  mutating func decode(
    _ message: OrderedMessage,
    into effects: inout EffectQueue<Effect>
  ) -> GroupsMessage? {
    do throws(WireError) {
      return try GroupsMessage(decoding: message.payload)
    } catch {
      drop(.unreadable)
      effects.append(.note(.unreadable(from: message.sender)))
      return nil
    }
  }

  /// In a cut exchange each set applies the changes of its own daemons only: the others' are in
  /// the tables that the next exchange brings.
  private mutating func isOfOwnSet(_ node: NodeID) -> Bool {
    if synced.contains(node) { return true }
    drop(.otherSet)
    return false
  }

  private mutating func join(
    _ member: MemberID,
    _ name: GroupName,
    into effects: inout EffectQueue<Effect>
  ) {
    let group = directory.findOrMake(name)
    guard directory.add(member, to: group) else { return drop(.alreadyMember) }
    statistics.joins += 1
    announce(group, .join(member), into: &effects)
  }

  private mutating func leave(
    _ member: MemberID,
    _ name: GroupName,
    into effects: inout EffectQueue<Effect>
  ) {
    guard let group = directory.place(of: name), directory.remove(member, from: group) else {
      return drop(.notMember)
    }
    statistics.leaves += 1
    if member.node == settings.me { tell(member.process, .left(name), into: &effects) }
    announce(group, .leave(member), into: &effects)
  }

  private mutating func disconnect(_ member: MemberID) {
    chores.append(.remove(member, groups: directory.places(of: member), next: 0))
  }

  /// A member is in no group any more.
  mutating func finishRemoval(of member: MemberID, into effects: inout EffectQueue<Effect>) {
    statistics.disconnects += 1
    guard member.node == settings.me else { return }
    tell(member.process, .disconnected, into: &effects)
    locals.remove(member.process)
  }

  /// Gives a message to each local receiver once, whatever leads to it (Group.Open).
  private mutating func deliver(
    _ multicast: Multicast,
    in message: OrderedMessage,
    into effects: inout EffectQueue<Effect>
  ) {
    let receivers = locals.receivers(of: multicast.destinations, at: settings.me, in: directory)
    guard !receivers.isEmpty else { return drop(.noReceiver) }
    let delivered = GroupMessage(
      sender: MemberID(node: message.sender, process: multicast.sender),
      groups: multicast.destinations,
      service: message.service,
      tag: multicast.tag,
      payload: multicast.payload
    )
    for receiver in receivers { tell(receiver, .message(delivered), into: &effects) }
  }
}
