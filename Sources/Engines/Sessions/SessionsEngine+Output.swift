// SPDX-License-Identifier: Apache-2.0

import Bytes
import GroupModel
import Machine
import SessionWire

/// What clients are sent.
extension SessionsEngine {
  /// A message of a client, to each of the sessions; it is written once for all of them.
  mutating func deliver(
    _ message: GroupMessage,
    to receivers: [InlineName],
    into effects: inout EffectQueue<Effect>
  ) {
    let envelope: SessionEnvelope
    do {
      envelope = try SessionEnvelope(decoding: message.payload)
    } catch {
      statistics.unreadable += 1
      effects.append(.note(.unreadable(from: message.sender)))
      return
    }
    let groups = envelope.groups ?? NameField.bytes(of: message.groups.lazy.map(\.name))[...]
    let multicast = SessionMulticast(
      type: MessageType(message.service).union(envelope.options),
      hint: envelope.hint,
      groups: groups,
      data: envelope.data
    )
    let sender = message.sender
    let bytes = DaemonMessage.regular(sender: sender.privateName, multicast).bytes()
    let isDiscarded = envelope.options.contains(.selfDiscard) && sender.node == settings.me
    let item = newItem(bytes, isDroppable: true)
    for receiver in receivers where !(isDiscarded && receiver == sender.process) {
      guard case .session(let id) = names[receiver] else { continue }
      statistics.delivered += 1
      queue(item, for: id, into: &effects)
    }
  }

  /// A view of a group, to each of the sessions; it is written once for all of them.
  ///
  /// Members and sets are in the order of the daemons' configuration, then of names.
  mutating func deliver(
    _ view: View,
    to receivers: [InlineName],
    into effects: inout EffectQueue<Effect>
  ) {
    let receivers = receivers.filter { wantsMembership($0) }
    guard !receivers.isEmpty else { return }
    let (cause, sets, ownSet): (MembershipMessage.Cause, [[InlineName]], Int) =
      switch view.cause {
      case .join(let member): (.join, [[member.privateName]], 0)
      case .leave(let member): (.leave, [[member.privateName]], 0)
      case .disconnect(let member): (.disconnect, [[member.privateName]], 0)
      case .network: arrange(view.sets, own: view.ownSet)
      }
    let message = MembershipMessage(
      group: view.group.name,
      cause: cause,
      id: GroupID(view.id, addresses: addresses),
      members: sorted(view.members).map(\.privateName),
      sets: sets,
      ownSet: ownSet
    )
    let item = newItem(DaemonMessage.membership(message).bytes())
    for receiver in receivers { tell(item, to: receiver, into: &effects) }
  }

  /// The sets of a network view in the order of their first members, and the place of the own one.
  private func arrange(
    _ sets: [[MemberID]],
    own: Int
  ) -> (MembershipMessage.Cause, [[InlineName]], Int) {
    let order = sets.indices.map { (index: $0, members: sorted(sets[$0])) }
      .filter { !$0.members.isEmpty }
      .sorted { left, right in
        guard let first = left.members.first, let second = right.members.first else { return false }
        return precedes(first, second)
      }
    let ownSet = order.firstIndex { $0.index == own } ?? 0
    return (.network, order.map { $0.members.map(\.privateName) }, ownSet)
  }

  private func sorted(_ members: [MemberID]) -> [MemberID] { members.sorted(by: precedes) }

  private func precedes(_ left: MemberID, _ right: MemberID) -> Bool {
    // Daemons that are not configured come last, by name.
    let (first, second) = (places[left.node] ?? .max, places[right.node] ?? .max)
    return (first, left.node, left.process) < (second, right.node, right.process)
  }

  mutating func tellTransition(
    _ group: GroupName,
    ending: ViewID,
    to receiver: InlineName,
    into effects: inout EffectQueue<Effect>
  ) {
    let id = GroupID(ending, addresses: addresses)
    tell(.transition(group: group.name, ending: id), to: receiver, into: &effects)
  }

  /// Says something of membership to a session, if it wants to hear of that.
  mutating func tell(
    _ message: DaemonMessage,
    to receiver: InlineName,
    into effects: inout EffectQueue<Effect>
  ) {
    guard wantsMembership(receiver) else { return }
    tell(newItem(message.bytes()), to: receiver, into: &effects)
  }

  private mutating func tell(
    _ item: Output.Item,
    to receiver: InlineName,
    into effects: inout EffectQueue<Effect>
  ) {
    guard case .session(let id) = names[receiver] else { return }
    statistics.memberships += 1
    queue(item, for: id, into: &effects)
  }

  private func wantsMembership(_ name: InlineName) -> Bool {
    guard case .session(let id) = names[name], case .open(let client) = sessions[id]?.phase else {
      return false
    }
    return client.wantsMembership
  }

  // MARK: - Queues

  /// What is to be sent to one session, or to several.
  mutating func newItem(_ bytes: [UInt8], isDroppable: Bool = false) -> Output.Item {
    parcels &+= 1
    return Output.Item(bytes: bytes, isDroppable: isDroppable, parcel: parcels)
  }

  /// Sends a part of the handshake, to which no limit applies.
  mutating func send(_ bytes: [UInt8], to id: ID, into effects: inout EffectQueue<Effect>) {
    append(newItem(bytes), for: id, into: &effects)
  }

  /// Queues a message; a client that does not keep up loses it, another, or the session.
  mutating func queue(
    _ item: Output.Item,
    for id: ID,
    into effects: inout EffectQueue<Effect>
  ) {
    // As documented of the genuine daemon: without a queue the first delivery ends the session.
    guard settings.queuedMessages > 0 else { return close(id, .slow, into: &effects) }
    append(item, for: id, into: &effects)
    limit(id, into: &effects)
    relieve(into: &effects)
  }

  private mutating func append(
    _ item: Output.Item,
    for id: ID,
    into effects: inout EffectQueue<Effect>
  ) {
    sessions[id]?.output.append(item)
    if sessions[id]?.output.isHeld == true { backlog.hold(item) }
    guard sessions[id]?.output.flow == .idle else { return }
    setFlow(.ready, of: id)
    effects.append(.ready(id))
  }

  private mutating func setFlow(_ flow: Output.Flow, of id: ID) {
    guard let before = sessions[id]?.output.unsentBytes else { return }
    sessions[id]?.output.flow = flow
    backlog.changeBatch(from: before, to: sessions[id]?.output.unsentBytes ?? 0)
  }

  /// Applies the slow policy to a session whose client does not read.
  private mutating func limit(_ id: ID, into effects: inout EffectQueue<Effect>) {
    let (messages, bytes) = (settings.queuedMessages, settings.queuedBytes)
    while sessions[id]?.output.exceeds(messages: messages, bytes: bytes) == true {
      switch settings.slowPolicy {
      case .disconnect: return close(id, .slow, into: &effects)
      case .dropOldest:
        guard let item = sessions[id]?.output.dropOldest() else {
          // What is half written has to wait, however long it is.
          guard sessions[id]?.output.count == 0 else { return close(id, .slow, into: &effects) }
          return
        }
        backlog.release(item)
        statistics.dropped += 1
        if sessions[id]?.output.isDropping == false, case .open(let client) = sessions[id]?.phase {
          sessions[id]?.output.isDropping = true
          effects.append(.note(.dropping(id, client.name)))
        }
      }
    }
  }

  /// Where too much waits for all clients together, those go for which most waits.
  private mutating func relieve(into effects: inout EffectQueue<Effect>) {
    guard backlog.bytes > settings.waitingBytes else { return }
    let burdens = sessions.keys.map { (id: $0, bytes: sessions[$0]?.output.waiting.bytes ?? 0) }
      .filter { $0.bytes > 0 }
      .sorted { ($1.bytes, $0.id) < ($0.bytes, $1.id) }
    for (id, _) in burdens where backlog.bytes > settings.waitingBytes {
      close(id, .backlog, into: &effects)
    }
  }

  /// The connection takes more: hands out the next batch.
  mutating func flush(_ id: ID, into effects: inout EffectQueue<Effect>) {
    let (messages, bytes) = (settings.queuedMessages, settings.queuedBytes)
    guard let batch = sessions[id]?.output.takeBatch(messages: messages, bytes: bytes) else {
      return
    }
    if sessions[id]?.output.isHeld == true {
      for item in batch { backlog.release(item) }
    }
    guard batch.isEmpty else {
      setFlow(.writing, of: id)
      effects.append(.write(id, batch.map(\.bytes)))
      return
    }
    setFlow(.idle, of: id)
    sessions[id]?.output.isDropping = false
    sessions[id]?.output.isHeld = false
    if case .refused(isToldAll: false) = sessions[id]?.phase {
      sessions[id]?.phase = .refused(isToldAll: true)
      effects.append(.finish(id))
    }
  }

  /// The connection takes no more for now.
  mutating func block(
    _ id: ID,
    messages: Int,
    bytes: Int,
    into effects: inout EffectQueue<Effect>
  ) {
    setFlow(.blocked(messages: messages, bytes: bytes), of: id)
    if sessions[id]?.output.isHeld == false {
      sessions[id]?.output.isHeld = true
      for item in sessions[id]?.output.waitingItems ?? [] { backlog.hold(item) }
    }
    limit(id, into: &effects)
    relieve(into: &effects)
  }
}

extension GroupID {
  /// The id of a view: the address of the daemon that leads its ring, the ring's number, the view's.
  ///
  /// Clients compare ids for equality only. What has no address is told by a digest.
  fileprivate init(_ id: ViewID, addresses: [UInt64: UInt32]) {
    self.init(
      process: addresses[id.origin] ?? UInt32(truncatingIfNeeded: id.origin ^ id.origin >> 32),
      time: UInt32(truncatingIfNeeded: id.epoch),
      index: id.index
    )
  }
}
