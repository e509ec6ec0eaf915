// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Groups
import Machine
import Testing
import Worlds

/// A world told step by step: what a process was told since the last look, as text.
///
/// Each daemon `a`, `b`, … is known by its number from 0.
final class Story {
  var world: GroupWorld
  private var seen: [Int: Int] = [:]

  init(_ nodes: Int, settings: @escaping (NodeID) -> GroupsEngine.Settings = { .init(me: $0) }) {
    world = GroupWorld(nodes: nodes, seed: 1, settings: settings)
  }

  /// Puts daemons into rings and lets everything be heard.
  func rings(_ components: [Int]..., stranding stranded: Set<Int> = []) {
    world.ring.reconfigure(components, stranding: stranded)
    world.settle()
  }

  /// A process that is in groups.
  func process(_ name: String, at station: Int, in groups: GroupName...) -> Int {
    guard let name = InlineName(Array(name.utf8)) else { preconditionFailure("no name: \(name)") }
    let index = world.process(name, at: station)
    for group in groups { world.join(group, by: index) }
    world.settle()
    return index
  }

  func join(_ group: GroupName, by index: Int) {
    world.join(group, by: index)
    world.settle()
  }

  /// What the process was told since this was asked the last time.
  func hears(_ index: Int) -> [String] {
    let told = world.checker.processes[index].told
    defer { seen[index] = told.count }
    return told[(seen[index] ?? 0)...].map { told in
      switch told {
      case .message(let number, _): "message \(number)"
      case .signal(let group): "\(group) transitional"
      case .left(let group): "\(group) left"
      case .view(let view, _):
        "\(view.group) \(Self.text(view.cause)) \(Self.text(view.members)) came "
          + Self.text(view.groupView.cameTogether ?? [])
      }
    }
  }

  /// Forgets what everybody was told so far.
  func skip() {
    for index in world.checker.processes.indices { _ = hears(index) }
  }

  func view(_ group: GroupName, of index: Int) -> GroupsEngine.View? {
    world.checker.processes[index].views[group]
  }

  func id(_ group: GroupName, of index: Int) -> ViewID? { view(group, of: index)?.id }

  /// Holds all that happened against the rules.
  func judge(sourceLocation: SourceLocation = #_sourceLocation) {
    world.checker.compareHistories()
    for violation in world.checker.violations {
      Issue.record("\(violation)", sourceLocation: sourceLocation)
    }
  }

  static func text(_ members: [MemberID]) -> String {
    "{" + members.map { "\($0.process.text)@\($0.node)" }.joined(separator: " ") + "}"
  }

  private static func text(_ cause: ViewCause) -> String {
    switch cause {
    case .join(let member): "join \(member.process.text)@\(member.node)"
    case .leave(let member): "leave \(member.process.text)@\(member.node)"
    case .disconnect(let member): "disconnect \(member.process.text)@\(member.node)"
    case .network: "network"
    }
  }
}
