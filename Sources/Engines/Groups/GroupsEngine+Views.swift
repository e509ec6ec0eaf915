// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine

/// What local members are told of their groups.
extension GroupsEngine {
  /// A change of membership that has its place in the order.
  ///
  /// In a group that has lost members since its last view, what is told is a network view. Where it
  /// still names members that are lost, the signal follows again: the promise towards them is gone.
  mutating func announce(
    _ group: Int,
    _ cause: ViewCause,
    into effects: inout EffectQueue<Effect>
  ) {
    if !isSettled { statistics.transitionalChanges += 1 }
    guard directory.memberCount(of: group) > 0 else { return }
    let id = ids.next()
    let wasChanged = directory.groups[group].isChanged
    let isLosing = !isSettled && directory.hasMembers(outside: reachable, group: group)
    directory.update(group) {
      $0.id = id
      $0.isChanged = isLosing
    }
    if wasChanged {
      tellView(of: group, .network, sets: .parting(joiner: cause.joiner), into: &effects)
    } else {
      tellView(of: group, cause, sets: .byCause, into: &effects)
    }
    if isLosing { signal(group, into: &effects) }
  }

  /// The view that follows a ring change.
  mutating func announceNetwork(
    _ group: Int,
    sets: [Roster],
    into effects: inout EffectQueue<Effect>
  ) {
    let id = ids.next()
    directory.update(group) { $0.id = id }
    tellView(of: group, .network, sets: .meeting(sets), into: &effects)
  }

  /// The transitional signal to the local members of a group.
  mutating func signal(_ group: Int, into effects: inout EffectQueue<Effect>) {
    let (name, ending) = (directory.groups[group].name, directory.groups[group].id)
    for position in directory.positions(of: settings.me, in: group) {
      let process = directory.member(position, of: group).process
      statistics.signalsDelivered += 1
      tell(process, .transitional(name, ending: ending), into: &effects)
    }
  }

  /// How the sets of a view are told apart.
  private enum Numbering {
    /// They follow from the cause.
    case byCause
    /// By the synced sets that met.
    case meeting([Roster])
    /// By who goes on together.
    case parting(joiner: MemberID?)
  }

  private mutating func tellView(
    of group: Int,
    _ cause: ViewCause,
    sets: Numbering,
    into effects: inout EffectQueue<Effect>
  ) {
    let receivers = directory.positions(of: settings.me, in: group)
    if receivers.isEmpty { return }
    let (name, id) = (directory.groups[group].name, directory.groups[group].id)
    let members = directory.members(of: group)
    let numbers = numbers(of: members, by: sets)
    for position in receivers {
      let receiver = members[position]
      let plainSet = cause.joiner == receiver ? 1 : 0
      let view = View(
        group: name,
        id: id,
        members: members,
        cause: cause,
        setNumbers: numbers,
        ownSet: numbers.isEmpty ? plainSet : Int(numbers[position])
      )
      statistics.viewsDelivered += 1
      tell(receiver.process, .view(view), into: &effects)
    }
  }

  mutating func tell(
    _ process: InlineName,
    _ notice: Notice,
    into effects: inout EffectQueue<Effect>
  ) {
    guard locals.hears(process) else { return }
    if case .message = notice { statistics.messagesDelivered += 1 }
    effects.append(.deliver(notice, to: process))
  }

  private func numbers(of members: [MemberID], by sets: Numbering) -> [UInt16] {
    switch sets {
    case .byCause: []
    case .meeting(let sets): setsMeeting(members, sets: sets)
    case .parting(let joiner): setsOfParting(members, joiner: joiner)
    }
  }

  /// Numbers each member's synced set, in the order of their lowest members.
  private func setsMeeting(_ members: [MemberID], sets: [Roster]) -> [UInt16] {
    var numbers = [UInt16?](repeating: nil, count: sets.count)
    var next: UInt16 = 0
    return members.map { member in
      let set = sets.firstIndex { $0.contains(member.node) } ?? 0
      if let number = numbers[set] { return number }
      defer { next += 1 }
      numbers[set] = next
      return next
    }
  }

  /// Numbers first those that go on together, then each daemon left behind, last the joiner.
  private func setsOfParting(_ members: [MemberID], joiner: MemberID?) -> [UInt16] {
    let staying = members.contains { $0 != joiner && reachable.contains($0.node) }
    var next: UInt16 = staying ? 1 : 0
    var numbers: [UInt16] = []
    var last: NodeID?
    for member in members {
      if member == joiner || reachable.contains(member.node) {
        numbers.append(0)
        continue
      }
      if member.node != last { next += 1 }
      last = member.node
      numbers.append(next - 1)
    }
    if let position = members.firstIndex(where: { $0 == joiner }) { numbers[position] = next }
    return numbers
  }
}

extension ViewCause {
  /// Who joined; `nil` for other causes.
  fileprivate var joiner: MemberID? {
    switch self {
    case .join(let member): member
    case .leave, .disconnect, .network: nil
    }
  }
}
