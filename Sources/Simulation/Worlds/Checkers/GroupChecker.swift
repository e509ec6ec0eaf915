// SPDX-License-Identifier: Apache-2.0

package import GroupModel
package import Groups

/// What one process was told, from its connection to its end.
package struct ProcessHistory: Sendable {
  package enum Told: Sendable {
    case message(Int, groups: [GroupName])
    /// `path` counts the transitional configurations its daemon has been through.
    case view(GroupsEngine.View, path: Int)
    case signal(GroupName)
    case left(GroupName)
  }

  package let member: MemberID
  package let station: Int
  package var isHearing = true
  package var told: [Told] = []
  /// The transitional configurations its daemon has been through since it is connected.
  package var path: [GroupChecker.Hop] = []
  /// The groups it is in, and the view it has of each.
  package var views: [GroupName: GroupsEngine.View] = [:]
  /// Groups with a signal since the last view.
  var signalled: Set<GroupName> = []
  package var messages: Set<Int> = []
  /// The last message with a promised order that it got of each sender.
  fileprivate var lastOf: [MemberID: Int] = [:]
  /// The groups it asked to be in.
  package var wanted: Set<GroupName> = []
  /// When it was connected, and when it got its first view of each group it is in, on its daemon's
  /// count of what the ring ordered.
  fileprivate let connectedAt: Int
  fileprivate var since: [GroupName: Int] = [:]
}

/// Watches what processes are told and holds it against the rules of process groups.
package struct GroupChecker: Sendable {
  package struct Sent: Sendable {
    package let sender: MemberID
    package let groups: [GroupName]
    package let service: Service
    package let tag: Int16

    package init(sender: MemberID, groups: [GroupName], service: Service, tag: Int16) {
      (self.sender, self.groups, self.service, self.tag) = (sender, groups, service, tag)
    }
  }

  /// A transitional configuration that a daemon went through.
  package struct Hop: Sendable, Equatable {
    let from: RingID
    let to: RingID
    let staying: Roster

    package init(from: RingID, to: RingID, staying: Roster) {
      (self.from, self.to, self.staying) = (from, to, staying)
    }
  }

  package private(set) var violations: [Violation] = []
  package var processes: [ProcessHistory] = []
  package private(set) var sent: [Sent] = []
  /// What the first process to hear of a view heard, by its id.
  private var views: [ViewID: GroupsEngine.View] = [:]
  /// Fold of everything observed, in order: equal for equal worlds.
  private(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325

  package init() {}

  /// A process is connected; returns its number.
  package mutating func add(_ member: MemberID, at station: Int, on clock: Int = 0) -> Int {
    processes.append(ProcessHistory(member: member, station: station, connectedAt: clock))
    return processes.count - 1
  }

  /// A daemon goes through a transitional configuration.
  package mutating func hop(_ hop: Hop, at station: Int) {
    for index in processes.indices
    where processes[index].station == station && processes[index].isHearing {
      processes[index].path.append(hop)
    }
  }

  /// Whether some process has heard of a view.
  func knows(_ id: ViewID) -> Bool { views[id] != nil }

  /// Whether a message was for a process when the ring ordered it, as far as it knew then, and the
  /// process has not got it.
  func wasMeant(_ index: Int, by number: Int, before clock: Int) -> Bool {
    let process = processes[index]
    guard !process.messages.contains(number) else { return false }
    return sent[number].groups.contains {
      (process.since[$0] ?? .max) < clock
        || $0.member == process.member && process.connectedAt < clock
    }
  }

  private mutating func fold(_ kind: Int, _ first: Int, _ second: Int) {
    for word in [kind, first, second] {
      digest = (digest ^ UInt64(truncatingIfNeeded: word)) &* 0x100_0000_01b3
    }
    digest ^= digest >> 31
  }

  package mutating func report(_ rule: Rule, _ text: String) {
    violations.append(Violation(rule, text))
  }

  package mutating func newMessage(_ message: Sent) -> Int {
    sent.append(message)
    return sent.count - 1
  }

  /// Those at a daemon that must get a message to these groups, as far as they know themselves.
  package func expected(_ groups: [GroupName], at station: Int) -> Set<Int> {
    var found: Set<Int> = []
    for (index, process) in processes.enumerated()
    where process.station == station && process.isHearing {
      let isMeant = groups.contains { process.views[$0] != nil || $0.member == process.member }
      if isMeant { found.insert(index) }
    }
    return found
  }

  package mutating func message(_ message: GroupMessage, number: Int, to index: Int) {
    guard sent.indices.contains(number) else { return report(.open, "nobody sent \(number)") }
    let original = sent[number]
    if message.sender != original.sender || message.groups != original.groups
      || message.service != original.service || message.tag != original.tag
    {
      report(.open, "message \(number) was altered: \(message)")
    }
    if !processes[index].messages.insert(number).inserted {
      report(.open, "\(processes[index].member) gets message \(number) twice")
    }
    checkSender(of: number, to: index)
    processes[index].told.append(.message(number, groups: message.groups))
    fold(2, index, number)
  }

  /// FIFO: what one sender sends with a promised order comes in the order in which it was sent.
  private mutating func checkSender(of number: Int, to index: Int) {
    let original = sent[number]
    guard original.service.rawValue >= Service.fifo.rawValue else { return }
    if let last = processes[index].lastOf[original.sender], last > number {
      report(
        .fifo,
        "\(processes[index].member) gets message \(number) of \(original.sender) after \(last)"
      )
    }
    processes[index].lastOf[original.sender] = number
  }

  package mutating func signal(_ group: GroupName, ending: ViewID, losing: Roster, to index: Int) {
    let member = processes[index].member
    guard let view = processes[index].views[group] else {
      return report(.selfInclusion, "\(member) gets a signal of \(group), which it is not in")
    }
    if view.id != ending { report(.cut, "\(member) hears the end of \(ending), but is in \(view)") }
    if !view.members.contains(where: { losing.contains($0.node) }) {
      report(.cut, "\(member) gets a signal of \(group), but nobody of \(view) was lost")
    }
    processes[index].signalled.insert(group)
    processes[index].told.append(.signal(group))
    fold(4, index, ending.hashed)
  }

  package mutating func left(_ group: GroupName, to index: Int) {
    if processes[index].views.removeValue(forKey: group) == nil {
      report(.selfInclusion, "\(processes[index].member) left \(group), which it is not in")
    }
    processes[index].signalled.remove(group)
    processes[index].since[group] = nil
    processes[index].told.append(.left(group))
    fold(3, index, 0)
  }

  package mutating func view(_ view: GroupsEngine.View, on clock: Int = 0, to index: Int) {
    let member = processes[index].member
    let previous = processes[index].views[view.group]
    if previous == nil { processes[index].since[view.group] = clock }
    fold(1, index, view.id.hashed)
    checkContent(view, of: member)
    checkStep(from: previous, to: view, at: index)
    processes[index].views[view.group] = view
    processes[index].signalled.remove(view.group)
    processes[index].told.append(.view(view, path: processes[index].path.count))
  }

  private mutating func checkContent(_ view: GroupsEngine.View, of member: MemberID) {
    if !view.members.contains(member) {
      report(.selfInclusion, "\(member) gets a view without itself: \(view)")
    }
    if view.members != view.members.sorted() { report(.groupView, "members out of order: \(view)") }
    if let first = views[view.id] {
      if first.group != view.group || first.members != view.members {
        report(.groupView, "one id for \(first) and \(view)")
      } else if first.cause != view.cause {
        report(.groupID, "one id for views of different causes: \(first) and \(view)")
      } else if first.virtualSynchronySets != view.virtualSynchronySets {
        report(
          .cameTogether,
          "one view with sets \(first.virtualSynchronySets) and \(view.virtualSynchronySets): \(view)"
        )
      }
    }
    views[view.id] = views[view.id] ?? view
    let sets = view.virtualSynchronySets
    if sets.flatMap({ $0 }).sorted() != view.members {
      report(.cameTogether, "the sets do not make up the view: \(sets) in \(view)")
    }
    if view.cause == .network, sets.contains([]) {
      report(.cameTogether, "an empty set: \(sets) in \(view)")
    }
    guard let own = view.groupView.cameTogether, own.contains(member) else {
      return report(.cameTogether, "\(member) did not come with itself: \(view)")
    }
  }

  private mutating func checkStep(
    from previous: GroupsEngine.View?,
    to view: GroupsEngine.View,
    at index: Int
  ) {
    let member = processes[index].member
    guard let previous else {
      if view.groupView.cameTogether != [member] {
        report(.cameTogether, "\(member) joins and came with others: \(view)")
      }
      if view.cause != .join(member), view.cause != .network {
        report(.groupView, "\(member)'s first view has a wrong cause: \(view)")
      }
      return
    }
    if previous.id == view.id { report(.groupID, "\(member) gets a view twice: \(view)") }
    switch view.cause {
    case .join(let joiner):
      if view.members != (previous.members + [joiner]).sorted()
        || previous.members.contains(joiner)
      {
        report(.groupView, "a join of \(joiner) leads from \(previous) to \(view)")
      }
    case .leave(let leaver), .disconnect(let leaver):
      if view.members != previous.members.filter({ $0 != leaver })
        || !previous.members.contains(leaver)
      {
        report(.groupView, "\(leaver) goes, and \(previous) leads to \(view)")
      }
    case .network:
      let isLosing = previous.members.contains { !view.members.contains($0) }
      if isLosing, !processes[index].signalled.contains(view.group) {
        report(.cut, "\(member) gets no signal between \(previous) and \(view)")
      }
      let together = view.groupView.cameTogether ?? []
      for other in together where !previous.members.contains(other) {
        report(.cameTogether, "\(other) is not of \(previous), yet came to \(view) from it")
      }
    }
  }
}

extension ViewID {
  fileprivate var hashed: Int { Int(truncatingIfNeeded: epoch &* 31 &+ origin &* 17) &+ Int(index) }
}
