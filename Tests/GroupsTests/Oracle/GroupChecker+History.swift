// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Groups

/// What can be judged only when two processes are compared.
extension GroupChecker {
  /// One view of one group in a process's history.
  private struct Stop {
    let view: GroupsEngine.View
    let path: Int
    /// The messages of the group heard from here to the next view, or the end.
    var messages: [Int] = []
    /// Whether another view of the group followed.
    var isClosed = false
    /// Whether the process left the group.
    var isLeft = false
  }

  mutating func compareHistories() {
    let stops = processes.map { Self.stops(of: $0) }
    for first in processes.indices {
      for second in processes.indices where second > first {
        compareOrder(first, second)
        for (group, ours) in stops[first] {
          guard let theirs = stops[second][group] else { continue }
          compare(ours, theirs, of: (first, second))
        }
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
        stops[view.group, default: []].append(Stop(view: view, path: path))
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

  /// Group.OneOrder: what both were told, they were told in the same order.
  private mutating func compareOrder(_ first: Int, _ second: Int) {
    func tokens(_ process: ProcessHistory) -> [String] {
      process.told.compactMap { told in
        switch told {
        case .message(let number, _): "message \(number)"
        case .view(let view, _): "view \(view.id) of \(view.group)"
        case .signal, .left: nil
        }
      }
    }
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
  private mutating func compare(_ ours: [Stop], _ theirs: [Stop], of pair: (Int, Int)) {
    let (first, second) = (processes[pair.0], processes[pair.1])
    for (mine, stop) in ours.enumerated() {
      guard let other = theirs.firstIndex(where: { $0.view.id == stop.view.id }) else { continue }
      let isTogether = stop.view.groupView.cameTogether?.contains(second.member) ?? false
      let isMutual = theirs[other].view.groupView.cameTogether?.contains(first.member) ?? false
      if isTogether != isMutual {
        report(.cameTogether, "\(first.member) and \(second.member) differ on \(stop.view)")
      }
      if isTogether {
        guard mine > 0, other > 0 else {
          report(.cameTogether, "\(first.member) or \(second.member) came from nowhere")
          continue
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
      else { continue }
      // Whoever stays together has the same next view, and is said to have come together.
      let (next, theirNext) = (ours[mine + 1], theirs[other + 1])
      guard
        Array(first.path[stop.path..<next.path])
          == Array(second.path[theirs[other].path..<theirNext.path])
      else { continue }
      if next.view.id != theirNext.view.id {
        report(
          .id,
          "\(first.member) and \(second.member) stay together after \(stop.view.id), and get "
            + "\(next.view) and \(theirNext.view)"
        )
      } else if next.view.groupView.cameTogether?.contains(second.member) != true {
        report(.cameTogether, "\(first.member) is not told that \(second.member) came along")
      }
    }
  }
}
