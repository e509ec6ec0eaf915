// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Groups

/// What can be judged only when two processes are compared.
extension GroupChecker {
  /// One view of one group in a process's history.
  private struct Stop {
    let view: GroupsEngine.View
    /// Who came to the view together with the process.
    let together: [MemberID]
    let path: Int
    /// The messages of the group heard from here to the next view, or the end.
    var messages: [Int] = []
    /// Whether another view of the group followed.
    var isClosed = false
    /// Whether the process left the group.
    var isLeft = false
  }

  package mutating func compareHistories() {
    let stops = processes.map { Self.stops(of: $0) }
    // Only processes that shared a view have more to compare than the order of what they heard.
    var meetings: [ViewID: [Visit]] = [:]
    var ids: [ViewID] = []
    for process in processes.indices {
      for group in stops[process].keys.sorted() {
        for (place, stop) in (stops[process][group] ?? []).enumerated() {
          let visit = Visit(process: process, group: group, place: place)
          if meetings[stop.view.id]?.append(visit) == nil {
            meetings[stop.view.id] = [visit]
            ids.append(stop.view.id)
          }
        }
      }
    }
    for id in ids {
      let visits = meetings[id] ?? []
      for (number, first) in visits.enumerated() {
        for second in visits[(number + 1)...]
        where second.process != first.process && second.group == first.group {
          compare(
            (stops[first.process][first.group] ?? [], first.place),
            (stops[second.process][second.group] ?? [], second.place),
            of: (first.process, second.process)
          )
        }
      }
    }
    checkOrder()
  }

  /// One process in one view.
  private struct Visit {
    let process: Int
    let group: GroupName
    /// The place among the process's views of the group.
    let place: Int
  }

  // MARK: - One order

  /// Group.OneOrder: there is one order of all messages and views with which what each process was
  /// told agrees; so what comes before what must nowhere lead in a circle.
  private mutating func checkOrder() {
    var numbers: [Token: Int] = [:]
    var after: [[Int]] = []
    var before: [Int] = []
    for process in processes {
      var last: Int?
      for told in process.told {
        guard let token = Token(told) else { continue }
        let number = numbers[token] ?? after.count
        if number == after.count {
          numbers[token] = number
          after.append([])
          before.append(0)
        }
        if let last {
          after[last].append(number)
          before[number] += 1
        }
        last = number
      }
    }
    var ready = before.indices.filter { before[$0] == 0 }
    var placed = 0
    while let next = ready.popLast() {
      placed += 1
      for number in after[next] {
        before[number] -= 1
        if before[number] == 0 { ready.append(number) }
      }
    }
    guard placed < after.count else { return }
    let known = violations.count
    for first in processes.indices {
      for second in processes.indices where second > first { compareOrder(first, second) }
    }
    guard violations.count == known else { return }
    report(.oneOrder, "\(after.count - placed) messages and views stand in no one order")
  }

  /// What stands in the one order.
  private enum Token: Hashable {
    case message(Int)
    case view(ViewID)

    init?(_ told: ProcessHistory.Told) {
      switch told {
      case .message(let number, _): self = .message(number)
      case .view(let view, _): self = .view(view.id)
      case .signal, .left: return nil
      }
    }
  }

  private static func stops(of process: ProcessHistory) -> [GroupName: [Stop]] {
    var stops: [GroupName: [Stop]] = [:]
    for told in process.told {
      switch told {
      case .view(let view, let path):
        let last = (stops[view.group]?.count ?? 0) - 1
        if last >= 0, stops[view.group]?[last].isLeft == false {
          stops[view.group]?[last].isClosed = true
        }
        stops[view.group, default: []].append(
          Stop(view: view, together: view.groupView.cameTogether ?? [], path: path)
        )
      case .message(let number, let groups):
        for group in Set(groups) {
          let last = (stops[group]?.count ?? 0) - 1
          if last >= 0 { stops[group]?[last].messages.append(number) }
        }
      case .left(let group):
        // What follows a later join starts anew.
        let last = (stops[group]?.count ?? 0) - 1
        if last >= 0 { stops[group]?[last].isLeft = true }
      case .signal: break
      }
    }
    return stops
  }

  /// Names what two processes were told in different order.
  private mutating func compareOrder(_ first: Int, _ second: Int) {
    func tokens(_ process: ProcessHistory) -> [Token] { process.told.compactMap(Token.init) }
    let (ours, theirs) = (tokens(processes[first]), tokens(processes[second]))
    let common = Set(ours).intersection(theirs)
    let (left, right) = (ours.filter(common.contains), theirs.filter(common.contains))
    guard left != right, let place = zip(left, right).enumerated().first(where: { $1.0 != $1.1 })
    else { return }
    report(
      .oneOrder,
      "\(processes[first].member) has \(place.element.0) before \(place.element.1), "
        + "\(processes[second].member) the other way round"
    )
  }

  /// Two members' views of one group: Group.View, Group.CameTogether, Group.Id.
  ///
  /// Each comes with its stops in the group, and the place of the view that both share.
  private mutating func compare(
    _ left: (stops: [Stop], place: Int),
    _ right: (stops: [Stop], place: Int),
    of pair: (Int, Int)
  ) {
    let (first, second) = (processes[pair.0], processes[pair.1])
    let (ours, mine, theirs, other) = (left.stops, left.place, right.stops, right.place)
    let stop = ours[mine]
    let isTogether = stop.together.contains(second.member)
    let isMutual = theirs[other].together.contains(first.member)
    if isTogether != isMutual {
      report(.cameTogether, "\(first.member) and \(second.member) differ on \(stop.view)")
    }
    if isTogether {
      guard mine > 0, other > 0 else {
        report(.cameTogether, "\(first.member) or \(second.member) came from nowhere")
        return
      }
      let (before, theirBefore) = (ours[mine - 1], theirs[other - 1])
      if before.view.id != theirBefore.view.id || before.messages != theirBefore.messages {
        report(
          .cameTogether,
          "\(first.member) and \(second.member) came together to \(stop.view.id), but from "
            + "\(before.view.id) with \(before.messages) and \(theirBefore.view.id) with "
            + "\(theirBefore.messages)"
        )
      }
    }
    guard stop.isClosed, theirs[other].isClosed, mine + 1 < ours.count,
      other + 1 < theirs.count
    else { return }
    // Whoever stays together has the same next view, and is said to have come together.
    let (next, theirNext) = (ours[mine + 1], theirs[other + 1])
    guard
      Array(first.path[stop.path..<next.path])
        == Array(second.path[theirs[other].path..<theirNext.path])
    else { return }
    if next.view.id != theirNext.view.id {
      report(
        .groupID,
        "\(first.member) and \(second.member) stay together after \(stop.view.id), and get "
          + "\(next.view) and \(theirNext.view)"
      )
    } else if !next.together.contains(second.member) {
      report(.cameTogether, "\(first.member) is not told that \(second.member) came along")
    }
  }
}
