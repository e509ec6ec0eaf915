// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import Worlds

@Suite("Random worlds of groups over an oracle of the ring keep every rule")
struct ExplorationTests {
  /// How many seeds are tried; `GROUP_SEEDS` in the environment says otherwise.
  private static let count = getenv("GROUP_SEEDS").flatMap { Int(String(cString: $0)) } ?? 200

  @Test("Every seed keeps every rule, and together they try everything")
  func seeds() {
    var total = GroupCounters()
    for seed in 0..<Self.count {
      let world = GroupWorld.explore(seed: UInt64(seed))
      for violation in world.checker.violations.prefix(3) {
        Issue.record("seed \(seed): \(violation)")
      }
      total.add(world.counters)
    }
    // What 100 worlds do at least; a tame world proves nothing.
    let hundreds = Self.count / 100
    let least = GroupCounters(
      views: 5_000,
      networkViews: 1_000,
      signals: 500,
      messages: 5_000,
      transitionalChanges: 100,
      cuts: 400,
      deferred: 3_000,
      exchanges: 1_000,
      departures: 1_000,
      mergedGroups: 500
    )
    print("worlds of groups:", Self.count, total)
    for (name, path) in GroupCounters.all {
      #expect(total[keyPath: path] >= least[keyPath: path] * hundreds, "\(name)")
    }
  }

  @Test("A seed replays exactly")
  func replay() {
    let (first, second) = (GroupWorld.explore(seed: 11), GroupWorld.explore(seed: 11))
    #expect(first.counters == second.counters)
    #expect(first.engines == second.engines)
  }
}
