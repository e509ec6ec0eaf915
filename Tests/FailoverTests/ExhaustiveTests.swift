// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

/// Three members and two VIFs, every interleaving to a depth.
///
/// `FAILOVER_DEPTH=N` goes deeper than the usual run, and prints how many states there are.
@Suite struct ExhaustiveTests {
  private static let depth = getenv("FAILOVER_DEPTH").flatMap { Int(String(cString: $0)) }

  @Test("Within a view nothing forbidden is reachable", arguments: [false, true])
  func everything(apart: Bool) {
    let budget = Exhaustive.Budget(changes: 1, crashes: 1, flips: 1, balances: 1)
    var exploration = Exhaustive(budget: budget, apart: apart)
    exploration.run(depth: Self.depth ?? 4, resting: Self.depth == nil ? 101 : 1_009)
    let result = exploration.result
    #expect(result.violation == nil)
    #expect(result.states > 1_000)
    #expect(result.rested > 0)
    if let depth = Self.depth {
      print(
        "depth \(depth), \(apart ? "apart" : "together"): \(result.states) states, "
          + "\(result.steps) steps, \(result.rested) let come to rest"
      )
    }
  }

  @Test("A backend that gives one member other bytes than the rest is found out")
  func planted() {
    let budget = Exhaustive.Budget(changes: 0, crashes: 0, flips: 1, balances: 0)
    var exploration = Exhaustive(budget: budget, apart: false, lying: true)
    exploration.run(depth: 7, resting: 1)
    #expect(exploration.result.violation != nil)
  }
}
