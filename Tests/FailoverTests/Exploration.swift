// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import FailoverWire
import GroupModel
import Machine

/// A seeded walk through what can happen to a cluster, and then its healing.
///
/// First everything goes wrong and nothing unsafe may happen (i, ii, iii); then all is well and
/// the cluster must come to rest with every VIF held once (iv).
struct Exploration {
  private(set) var cluster: Cluster
  /// Whether all members and VIFs are alike.
  private let isPlain: Bool
  private var random: SplitMix64
  private var links: [Bool]

  init(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let names: [NodeID] = ["a", "b", "c", "d", "e"]
    let count = Int.random(in: 2...5, using: &random)
    let vifs = Int.random(in: 1...6, using: &random)
    let weights = names.map { _ in UInt16.random(in: 1...3, using: &random) }
    let plain = Bool.random(using: &random)
    let prefers = names.map { _ in Int.random(in: 1...12, using: &random) }
    let apart = Bool.random(using: &random)
    let limit: UInt16? = Bool.random(using: &random) ? 1 : nil
    cluster = Cluster(nodes: Array(names.prefix(count)), vifs: vifs) { node, settings in
      let index = names.firstIndex(of: node) ?? 0
      settings.acquisitionsPerRound = limit
      settings.mature = .milliseconds(200)
      settings.balanceInterval = .milliseconds(400)
      settings.retryAfterFailure = .seconds(3)
      settings.flapping.rest = .seconds(2)
      settings.flapping.longestRest = .seconds(5)
      guard !plain else { return }
      settings.weight = weights[index]
      settings.prefers = [vif(prefers[index]).id]
      settings.apart = apart && vifs > 1 ? [[vif(1).id, vif(2).id]] : []
    }
    isPlain = plain
    links = Array(repeating: true, count: count)
    self.random = random
  }

  /// Runs the whole walk and returns what was violated.
  mutating func run(steps: Int) -> [String] {
    for _ in 0..<steps where cluster.violations.isEmpty {
      step()
      checkTables()
    }
    guard cluster.violations.isEmpty else { return cluster.violations }
    heal()
    return cluster.violations
  }

  private mutating func pick(_ candidates: [Int]) -> Int? {
    candidates.randomElement(using: &random)
  }

  private mutating func step() {
    let all = Array(cluster.nodes.indices)
    switch Int.random(in: 0..<1_000, using: &random) {
    case 0..<380: if let node = pick(all.filter(hasInput)) { cluster.deliver(node) }
    case 380..<590: if let node = pick(cluster.canOrder) { cluster.order(node) }
    case 590..<800: if let node = pick(all.filter(hasWork)) { cluster.completeKernel(node) }
    case 800..<905: pass(.milliseconds(Int.random(in: 0...60, using: &random)))
    case 905..<920: pass(.milliseconds(Int.random(in: 100...1_500, using: &random)))
    case 920..<930: cluster.run(for: .milliseconds(Int.random(in: 1...900, using: &random)))
    case 930..<958: partition()
    case 958..<972: if let node = pick(all) { flip(node) }
    case 972..<980: if let node = pick(all) { cluster.uninstall(node) }
    case 980..<986: if let node = pick(all) { cluster.crash(node) }
    case 986..<993: if let node = pick(all.filter(isDead)) { start(node) }
    case 993..<996: if let node = pick(all) { cluster.feed(.leave, to: node) }
    case 996..<998: if let node = pick(all) { refuse(node) }
    default: if let node = pick(all) { stall(node) }
    }
  }

  private func hasInput(_ index: Int) -> Bool { !cluster.nodes[index].inbox.isEmpty }
  private func hasWork(_ index: Int) -> Bool { !cluster.nodes[index].kernel.isEmpty }
  private func isDead(_ index: Int) -> Bool {
    cluster.nodes[index].engine == nil || cluster.nodes[index].departed
  }

  /// Time passes; some loops notice late.
  private mutating func pass(_ duration: Duration) {
    cluster.now += duration
    for index in cluster.nodes.indices where Int.random(in: 0..<10, using: &random) < 8 {
      cluster.wake(index)
    }
  }

  /// New configurations: of everybody, of parts, or of one node that is cut off.
  private mutating func partition() {
    var parts: [[Int]] = [[], [], []]
    let count = Int.random(in: 1...3, using: &random)
    for index in cluster.nodes.indices {
      parts[Int.random(in: 0..<count, using: &random)].append(index)
    }
    // Not every part gets to form one now.
    if Bool.random(using: &random) { parts.removeLast() }
    var random = random
    cluster.form(parts) { Int.random(in: $0...max($0, $1), using: &random) }
    self.random = random
  }

  private mutating func flip(_ index: Int) {
    links[index].toggle()
    let down: LinkState = Bool.random(using: &random) ? .noCarrier : .down
    cluster.feed(.link(eth0, links[index] ? .up : down), to: index)
  }

  private mutating func start(_ index: Int) {
    cluster.crash(index)
    cluster.start(index)
    links[index] = true
  }

  private mutating func refuse(_ index: Int) {
    let vif = cluster.vifs[Int.random(in: cluster.vifs.indices, using: &random)].id
    if Bool.random(using: &random) {
      cluster.nodes[index].refusesToAdd = [vif]
    } else {
      cluster.nodes[index].refusesToRemove = [vif]
    }
  }

  private mutating func stall(_ index: Int) {
    cluster.feed(.group(.liveness(.stalled(.seconds(1)))), to: index)
    if Bool.random(using: &random) { cluster.feed(.group(.liveness(.resumed)), to: index) }
  }

  // MARK: Checks

  /// Members at one place of one order have one table, and one that cannot hold does not.
  private mutating func checkTables() {
    for index in cluster.nodes.indices {
      let node = cluster.nodes[index]
      if !links[index], node.kernel.isEmpty, node.refusesToRemove.isEmpty, !node.present.isEmpty {
        cluster.violations.append("\(node.id) has no carrier, and has \(node.present)")
      }
      guard let table = node.engine?.replicated, let position = cluster.position(of: index) else {
        continue
      }
      for other in cluster.nodes.indices
      where other < index && cluster.position(of: other) == position {
        guard let theirs = cluster.nodes[other].engine?.replicated else { continue }
        if theirs != table {
          cluster.violations.append(
            "\(node.id) and \(cluster.nodes[other].id) differ in \(table.view)"
          )
        }
      }
    }
  }

  private mutating func heal() {
    for index in cluster.nodes.indices {
      if isDead(index) || cluster.nodes[index].engine?.status.phase == .leaving { start(index) }
      cluster.nodes[index].refusesToAdd = []
      cluster.nodes[index].refusesToRemove = []
      cluster.feed(.group(.liveness(.resumed)), to: index)
      if !links[index] { flip(index) }
    }
    cluster.run(for: .seconds(1))
    cluster.heal()
    cluster.run(for: .seconds(20))
    checkTables()
    for vif in cluster.vifs {
      let holders = cluster.holders(of: vif.id)
      if holders.count != 1 { cluster.violations.append("at rest \(vif.id) is held by \(holders)") }
    }
    checkBalance()
    for node in cluster.nodes {
      guard let status = node.engine?.status else { continue }
      if status.phase != .running { cluster.violations.append("at rest \(node.id) is \(status)") }
      if !node.kernel.isEmpty || !node.outbox.isEmpty {
        cluster.violations.append("at rest \(node.id) is busy")
      }
      for vif in status.vifs where vif.state == .moving || vif.state == .uncovered {
        cluster.violations.append("at rest \(node.id) says \(vif)")
      }
      for vif in status.vifs where (vif.state == .held) != node.present.contains(vif.id) {
        cluster.violations.append("at rest \(node.id) says \(vif), has \(node.present)")
      }
      if !status.degraded.isEmpty {
        cluster.violations.append("at rest \(node.id) is degraded: \(status.degraded)")
      }
    }
  }

  /// Without weights and preferences loads differ by one at most.
  private mutating func checkBalance() {
    guard isPlain else { return }
    let loads = cluster.nodes.map(\.present.count)
    if (loads.max() ?? 0) - (loads.min() ?? 0) > 1 {
      cluster.violations.append("at rest the loads are \(loads)")
    }
  }
}
