// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

/// The guarantees of fail-over over many seeds.
///
/// `FAILOVER_SEEDS=FIRST-LAST` explores other seeds than the usual ones.
@Suite struct ExplorationTests {
  @Test("Nothing unsafe happens in any walk, and every walk comes to rest")
  func walks() {
    let seeds = Self.asked ?? 1...200
    var total = Cluster.Counters()
    for seed in seeds {
      var exploration = Exploration(seed: seed)
      let violations = exploration.run(steps: 400)
      #expect(violations.isEmpty, "seed \(seed): \(violations.first ?? "")")
      if !violations.isEmpty { return }
      total.add(exploration.cluster.counters)
    }
    // A tame world proves nothing.
    let count = seeds.count
    #expect(total.merges > count * 5, "\(total)")
    #expect(total.cutExchanges > count * 3, "\(total)")
    #expect(total.threeSets > count, "\(total)")
    #expect(total.conflicts > count, "\(total)")
    #expect(total.cutMoves > count, "\(total)")
    #expect(total.lost > count / 2, "\(total)")
    #expect(total.balances > count, "\(total)")
    #expect(total.refusals > count / 10, "\(total)")
    #expect(total.uninstalled > count / 10, "\(total)")
  }

  @Test("The same seed gives the same walk")
  func deterministic() {
    for seed: UInt64 in [3, 14, 15] {
      var (one, other) = (Exploration(seed: seed), Exploration(seed: seed))
      _ = one.run(steps: 200)
      _ = other.run(steps: 200)
      #expect(one.cluster.nodes.map(\.engine) == other.cluster.nodes.map(\.engine))
      #expect(one.cluster.nodes.map(\.notes) == other.cluster.nodes.map(\.notes))
    }
  }

  private static var asked: ClosedRange<UInt64>? {
    guard let text = getenv("FAILOVER_SEEDS") else { return nil }
    let bounds = String(cString: text).split(separator: "-").compactMap { UInt64($0) }
    guard bounds.count == 2, bounds[0] <= bounds[1] else { return nil }
    return bounds[0]...bounds[1]
  }
}
