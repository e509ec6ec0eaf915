// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Groups

/// The rules of process groups, by the names under which they are specified.
enum GroupRule: String, CaseIterable {
  case view = "Group.View"
  case selfInclusion = "Group.SelfInclusion"
  case cut = "Group.Cut"
  case cameTogether = "Group.CameTogether"
  case oneOrder = "Group.OneOrder"
  case open = "Group.Open"
  case id = "Group.Id"
  /// What was asked for comes true once the network heals.
  case eventually = "Group.Eventually"
}

/// A rule that was broken.
struct GroupViolation: Error, CustomStringConvertible {
  let rule: GroupRule
  let text: String
  var description: String { "\(rule.rawValue): \(text)" }
}

/// What one process was told, from its connection to its end.
struct ProcessHistory {
  enum Told {
    case message(Int, groups: [GroupName])
    /// `path` counts the transitional configurations its daemon has been through.
    case view(GroupsEngine.View, path: Int)
    case signal(GroupName)
    case left(GroupName)
  }

  let member: MemberID
  let station: Int
  var isHearing = true
  var told: [Told] = []
  var path: [String] = []
  /// The groups it is in, and the view it has of each.
  var views: [GroupName: GroupsEngine.View] = [:]
  /// Groups with a signal since the last view.
  var signalled: Set<GroupName> = []
  var messages: Set<Int> = []
  /// The groups it asked to be in.
  var wanted: Set<GroupName> = []
}

/// Watches what processes are told and holds it against the rules.
struct GroupChecker {
  struct Sent {
    let sender: MemberID
    let groups: [GroupName]
    let service: Service
  }

  private(set) var violations: [GroupViolation] = []
  var processes: [ProcessHistory] = []
  private(set) var sent: [Sent] = []
  /// What the first process to hear of a view heard, by its id.
  private var views: [ViewID: GroupsEngine.View] = [:]

  mutating func report(_ rule: GroupRule, _ text: String) {
    violations.append(GroupViolation(rule: rule, text: text))
  }

  mutating func newMessage(_ message: Sent) -> Int {
    sent.append(message)
    return sent.count - 1
  }

  /// Those at a daemon that must get a message to these groups, as far as they know themselves.
  func expected(_ groups: [GroupName], at station: Int) -> Set<Int> {
    var found: Set<Int> = []
    for (index, process) in processes.enumerated()
    where process.station == station && process.isHearing {
      let isMeant = groups.contains { process.views[$0] != nil || $0.member == process.member }
      if isMeant { found.insert(index) }
    }
    return found
  }

  mutating func message(_ message: GroupMessage, number: Int, to index: Int) {
    guard sent.indices.contains(number) else { return report(.open, "nobody sent \(number)") }
    let original = sent[number]
    if message.sender != original.sender || message.groups != original.groups
      || message.service != original.service
    {
      report(.open, "message \(number) was altered: \(message)")
    }
    if !processes[index].messages.insert(number).inserted {
      report(.open, "\(processes[index].member) gets message \(number) twice")
    }
    processes[index].told.append(.message(number, groups: message.groups))
  }

  mutating func signal(_ group: GroupName, ending: ViewID, losing: Roster, to index: Int) {
    let member = processes[index].member
    guard let view = processes[index].views[group] else {
      return report(.selfInclusion, "\(member) gets a signal of \(group), which it is not in")
    }
    if view.id != ending { report(.cut, "\(member) hears the end of \(ending), but is in \(view)") }
    if losing.isEmpty {
      report(.cut, "\(member) gets a signal of \(group), but no daemon was lost")
    }
    processes[index].signalled.insert(group)
    processes[index].told.append(.signal(group))
  }

  mutating func left(_ group: GroupName, to index: Int) {
    if processes[index].views.removeValue(forKey: group) == nil {
      report(.selfInclusion, "\(processes[index].member) left \(group), which it is not in")
    }
    processes[index].signalled.remove(group)
    processes[index].told.append(.left(group))
  }

  mutating func view(_ view: GroupsEngine.View, path: Int, to index: Int) {
    let member = processes[index].member
    let previous = processes[index].views[view.group]
    checkContent(view, of: member)
    checkStep(from: previous, to: view, at: index)
    processes[index].views[view.group] = view
    processes[index].signalled.remove(view.group)
    processes[index].told.append(.view(view, path: path))
  }

  private mutating func checkContent(_ view: GroupsEngine.View, of member: MemberID) {
    if !view.members.contains(member) {
      report(.selfInclusion, "\(member) gets a view without itself: \(view)")
    }
    if view.members != view.members.sorted() { report(.view, "members out of order: \(view)") }
    if let first = views[view.id] {
      if first.group != view.group || first.members != view.members {
        report(.view, "one id for \(first) and \(view)")
      } else if first.cause != view.cause {
        report(.id, "one id for views of different causes: \(first) and \(view)")
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
        report(.view, "\(member)'s first view has a wrong cause: \(view)")
      }
      return
    }
    if previous.id == view.id { report(.id, "\(member) gets a view twice: \(view)") }
    switch view.cause {
    case .join(let joiner):
      if view.members != (previous.members + [joiner]).sorted()
        || previous.members.contains(joiner)
      {
        report(.view, "a join of \(joiner) leads from \(previous) to \(view)")
      }
    case .leave(let leaver), .disconnect(let leaver):
      if view.members != previous.members.filter({ $0 != leaver })
        || !previous.members.contains(leaver)
      {
        report(.view, "\(leaver) goes, and \(previous) leads to \(view)")
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
