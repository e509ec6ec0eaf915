// SPDX-License-Identifier: Apache-2.0

import Testing
import Worlds

@Suite("Worlds of fail-over daemons")
struct FailoverWorldTests {
  private let campaign = Campaign(layer: .failover)

  // 11988: a ring of one formed anew after a stall, of which nobody was told that it stood.
  @Test("No rule is broken", arguments: [11_988] + Array(1001...1016))
  func seeds(seed: Int) {
    let outcome = campaign.run(seed: UInt64(seed))
    #expect(
      outcome.violation == nil,
      "scripts/simulate --failover --seed \(seed) --seeds 1 --transcript seed-\(seed).txt"
    )
    #expect(outcome.counters.views > 0)
  }

  @Test("The same seed is the same world", arguments: [1003, 1010])
  func determinism(seed: Int) {
    let first = campaign.run(seed: UInt64(seed))
    let second = campaign.run(seed: UInt64(seed), keepsTranscript: true)
    #expect(first.digest == second.digest)
    #expect(first.counters == second.counters)
    #expect(!second.transcript.isEmpty)
  }
}
