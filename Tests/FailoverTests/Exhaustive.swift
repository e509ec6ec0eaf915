// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import FailoverWire
import GroupModel
import Machine

/// Every interleaving, up to a depth, of what can happen to three members with two VIFs.
///
/// A step orders a message, delivers one, ends a kernel request, changes a link, begins a round of
/// balance, crashes a member, or makes the members form new configurations. Steps that are the
/// world's doing are limited in number, the others are not. States that are equal are visited once.
struct Exhaustive {
  /// How often the world may do something to the cluster.
  struct Budget: Hashable {
    var changes: Int
    var crashes: Int
    var flips: Int
    var balances: Int
  }

  struct Result {
    var states = 0
    var steps = 0
    /// States from which the cluster was let come to rest.
    var rested = 0
    /// The first thing that went wrong, and how.
    var violation: String?
  }

  private struct State {
    var cluster: Cluster
    var budget: Budget
    var down: [Bool]
    var path: [Step]
  }

  private enum Step {
    case order(Int)
    case deliver(Int)
    case kernel(Int)
    case flip(Int)
    case balance(Int)
    case crash(Int)
    /// New configurations, keeping all or as little as may be of the old log.
    case form([[Int]], all: Bool)
  }

  private static let partitions: [[[Int]]] = [
    [[0, 1, 2]], [[0, 1], [2]], [[0, 2], [1]], [[1, 2], [0]], [[0], [1], [2]],
  ]

  private let start: State
  private var seen: Set<Int> = []
  private(set) var result = Result()

  /// Begins with three mature members in one view, or apart and each holding everything.
  init(budget: Budget, apart: Bool, lying: Bool = false) {
    var cluster = Cluster(nodes: ["a", "b", "c"], vifs: 2)
    if apart { cluster.partition(["a"], ["b"], ["c"]) } else { cluster.heal() }
    cluster.run(for: .seconds(apart ? 6 : 30))
    cluster.isLying = lying
    if apart { cluster.heal() }
    start = State(cluster: cluster, budget: budget, down: [false, false, false], path: [])
  }

  /// Visits everything within so many steps, breadth first; of the states at the end one in
  /// `stride` is let come to rest.
  mutating func run(depth: Int, resting stride: Int) {
    var layer = [start]
    for _ in 0..<depth where result.violation == nil {
      var next: [State] = []
      for state in layer {
        for step in steps(from: state) {
          result.steps += 1
          guard let child = take(step, from: state) else { return }
          guard seen.insert(fingerprint(of: child)).inserted else { continue }
          result.states += 1
          next.append(child)
        }
      }
      layer = next
    }
    for (index, state) in layer.enumerated() where index.isMultiple(of: stride) {
      rest(state)
      if result.violation != nil { return }
    }
  }

  private func steps(from state: State) -> [Step] {
    var steps: [Step] = state.cluster.canOrder.map { .order($0) }
    for index in state.cluster.nodes.indices {
      let node = state.cluster.nodes[index]
      guard node.engine != nil else { continue }
      if !node.inbox.isEmpty { steps.append(.deliver(index)) }
      if !node.kernel.isEmpty { steps.append(.kernel(index)) }
      if state.budget.flips > 0 { steps.append(.flip(index)) }
      if state.budget.crashes > 0 { steps.append(.crash(index)) }
      if state.budget.balances > 0 { steps.append(.balance(index)) }
    }
    if state.budget.changes > 0 {
      for parts in Self.partitions {
        steps.append(.form(parts, all: true))
        steps.append(.form(parts, all: false))
      }
    }
    return steps
  }

  /// The state after a step; `nil` if the step broke a rule.
  private mutating func take(_ step: Step, from state: State) -> State? {
    var state = state
    state.path.append(step)
    switch step {
    case .order(let index): state.cluster.order(index)
    case .deliver(let index): state.cluster.deliver(index)
    case .kernel(let index): state.cluster.completeKernel(index)
    case .flip(let index):
      state.budget.flips -= 1
      state.down[index].toggle()
      state.cluster.feed(.link(eth0, state.down[index] ? .noCarrier : .up), to: index)
    case .balance(let index):
      state.budget.balances -= 1
      state.cluster.command(.balance, 1, at: index)
    case .crash(let index):
      state.budget.crashes -= 1
      state.cluster.crash(index)
    case .form(let parts, let all):
      state.budget.changes -= 1
      state.cluster.form(parts) { all ? $1 : $0 }
    }
    if let violation = state.cluster.violations.first ?? state.cluster.differingTables() {
      result.violation = "\(violation)\nafter \(state.path.map { "\($0)" }.joined(separator: ", "))"
      return nil
    }
    return state
  }

  /// All is well from here on: every VIF must come to be held once.
  private mutating func rest(_ state: State) {
    var cluster = state.cluster
    for index in cluster.nodes.indices {
      if cluster.nodes[index].engine == nil { cluster.start(index) }
      if state.down[index] { cluster.feed(.link(eth0, .up), to: index) }
    }
    cluster.isLying = false
    cluster.heal()
    cluster.run(for: .seconds(14))
    result.rested += 1
    let uncovered = cluster.vifs.first { cluster.holders(of: $0.id).count != 1 }
    if let text = cluster.violations.first ?? uncovered.map({ "\($0.id) is not held once" }) {
      result.violation = "\(text) at rest after \(state.path.map { "\($0)" })"
    }
  }

  private func fingerprint(of state: State) -> Int {
    var hasher = Hasher()
    hasher.combine(state.budget)
    hasher.combine(state.down)
    state.cluster.hash(into: &hasher)
    return hasher.finalize()
  }
}

extension Cluster {
  /// Two members at one place of one order that have different tables, in words.
  func differingTables() -> String? {
    for index in nodes.indices {
      guard let table = nodes[index].engine?.replicated, let place = position(of: index) else {
        continue
      }
      for other in nodes.indices where other < index && position(of: other) == place {
        if let theirs = nodes[other].engine?.replicated, theirs != table {
          return "\(nodes[index].id) and \(nodes[other].id) differ in \(table.view)"
        }
      }
    }
    return nil
  }

  /// Everything that the future depends on.
  func hash(into hasher: inout Hasher) {
    hasher.combine(now)
    for node in nodes {
      hasher.combine(node.engine)
      hasher.combine(node.outbox)
      hasher.combine(node.claimed)
      hasher.combine(node.present)
      hasher.combine(node.configuration)
      hasher.combine(node.installed)
      hasher.combine(node.delivered)
      hasher.combine(node.lineage)
      for operation in node.kernel {
        switch operation {
        case .add(let vif): hasher.combine(vif)
        case .remove(let vif): hasher.combine(vif.id)
        }
      }
      for item in node.inbox {
        switch item {
        case .message(let position, let message):
          hasher.combine(position)
          hasher.combine(message.sender)
          hasher.combine(message.payload)
        case .view(let view, let number, let lineage):
          hasher.combine(view.id)
          hasher.combine(view.cameTogether)
          hasher.combine(number)
          hasher.combine(lineage)
        }
      }
    }
  }
}
