// SPDX-License-Identifier: Apache-2.0

import Bytes
import GroupModel
import Machine
import SessionWire

/// What clients of open sessions say.
extension SessionsEngine {
  /// Reads what is whole; returns the rest, or nothing if the session is over.
  mutating func readMessages(
    _ input: ArraySlice<UInt8>,
    of client: Client,
    _ id: ID,
    into effects: inout EffectQueue<Effect>
  ) -> ArraySlice<UInt8> {
    let limits = MessageFrame.Limits(
      groups: ClientMessage.mostGroups,
      body: settings.longestMessage
    )
    var rest = input
    while true {
      let frame: MessageFrame
      do throws(WireError) {
        guard
          case .complete(let found, let length) = try MessageFrame.parse(
            rest,
            from: .client,
            limits: limits
          )
        else { return rest }
        frame = found
        rest = rest.dropFirst(length)
      } catch {
        close(id, CloseReason(error), into: &effects)
        return []
      }
      do throws(ClientMessage.Illegal) {
        switch try ClientMessage(frame, of: client.privateName) {
        case .join(let group): join(group, of: client, id, into: &effects)
        case .leave(let group): leave(group, of: client, id, into: &effects)
        case .multicast(let multicast): send(multicast, of: client, into: &effects)
        case .kill:
          statistics.commands += 1
          close(id, .requested, into: &effects)
          return []
        }
      } catch {
        close(id, CloseReason(error), into: &effects)
        return []
      }
    }
  }

  /// A join; of a name that no group can have it is without effect, beyond the limit it is rejected.
  ///
  /// The limit is there because each group costs every daemon of the ring memory, and time when the
  /// session ends.
  private mutating func join(
    _ name: InlineName,
    of client: Client,
    _ id: ID,
    into effects: inout EffectQueue<Effect>
  ) {
    guard let group = commanded(name) else { return }
    let isFull = (sessions[id]?.groups.count ?? 0) >= settings.sessionGroups
    if isFull, sessions[id]?.groups.contains(group) == false {
      return reject(name, of: client, id, into: &effects)
    }
    sessions[id]?.groups.insert(group)
    effects.append(.request(.join(group), from: client.name))
  }

  /// A leave; of a name that no group can have it is without effect.
  private mutating func leave(
    _ name: InlineName,
    of client: Client,
    _ id: ID,
    into effects: inout EffectQueue<Effect>
  ) {
    guard let group = commanded(name) else { return }
    sessions[id]?.groups.remove(group)
    effects.append(.request(.leave(group), from: client.name))
  }

  /// The group of a join or a leave; `nil` if none can have that name.
  private mutating func commanded(_ name: InlineName) -> GroupName? {
    statistics.commands += 1
    let group = GroupName(name.bytes)
    if group == nil { statistics.withoutEffect += 1 }
    return group
  }

  /// Tells a session that its join is not done.
  private mutating func reject(
    _ group: InlineName,
    of client: Client,
    _ id: ID,
    into effects: inout EffectQueue<Effect>
  ) {
    statistics.rejected += 1
    let original = SessionMulticast(
      type: .join,
      hint: .none,
      groups: NameField.bytes(of: [group])[...],
      data: []
    )
    // A refused join is shown by the bit of the view that it would have caused.
    let message = DaemonMessage.rejected(
      sender: client.privateName,
      original: .causedByJoin,
      original
    )
    queue(newItem(message.bytes()), for: id, into: &effects)
  }

  /// A message to groups and private names; to nobody it goes nowhere.
  private mutating func send(
    _ multicast: SessionMulticast,
    of client: Client,
    into effects: inout EffectQueue<Effect>
  ) {
    statistics.multicasts += 1
    guard let service = multicast.type.service, let tag = multicast.hint.tag else { return }
    var destinations: [GroupName] = []
    // Whether receivers can make the fields from the names alone.
    var isPlain = true
    var start = multicast.groups.startIndex
    while start < multicast.groups.endIndex {
      let field = multicast.groups[start..<start + NameField.length]
      start += NameField.length
      let name = field.prefix(InlineName.capacity).prefix { $0 != 0 }
      if field[name.endIndex...].contains(where: { $0 != 0 }) { isPlain = false }
      if let destination = GroupName(destination: name) {
        destinations.append(destination)
      } else {
        isPlain = false
      }
    }
    guard !destinations.isEmpty else {
      statistics.withoutEffect += 1
      return
    }
    let envelope = SessionEnvelope(
      options: multicast.type.intersection(.passed),
      hint: multicast.hint,
      groups: isPlain ? nil : multicast.groups,
      data: multicast.data
    )
    let request = GroupRequest.multicast(
      groups: destinations,
      service: service,
      tag: tag,
      payload: envelope.bytes
    )
    effects.append(.request(request, from: client.name))
  }
}

extension SessionsEngine.CloseReason {
  fileprivate init(_ error: WireError) {
    switch error {
    case .excessive(field: "number of groups", _, _), .malformed(field: "number of groups"):
      self = .groups
    case .malformed(field: "type"): self = .illegalType
    case .truncated, .trailing, .unknown, .excessive, .malformed: self = .length
    }
  }

  fileprivate init(_ illegal: ClientMessage.Illegal) {
    switch illegal {
    case .type: self = .illegalType
    case .forged: self = .forged
    case .name: self = .foreignName
    case .noGroup: self = .groups
    case .hint: self = .hint
    }
  }
}
