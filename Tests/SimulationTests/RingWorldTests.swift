// SPDX-License-Identifier: Apache-2.0

import Testing
import Worlds

@Suite("Worlds of ring engines")
struct RingWorldTests {
  @Test("No rule is broken", arguments: 1...20)
  func seeds(seed: Int) {
    let outcome = Campaign().run(seed: UInt64(seed))
    #expect(
      outcome.violation == nil,
      "replay: scripts/simulate --seed \(seed) --seeds 1 --transcript seed-\(seed).txt"
    )
    #expect(outcome.counters.delivered > 0)
  }

  @Test("The same seed is the same world", arguments: [3, 8, 21])
  func determinism(seed: Int) {
    let first = Campaign().run(seed: UInt64(seed))
    let second = Campaign().run(seed: UInt64(seed), keepsTranscript: true)
    #expect(first.digest == second.digest)
    #expect(first.counters == second.counters)
    #expect(!second.transcript.isEmpty)
    #expect(Campaign().run(seed: UInt64(seed + 1)).digest != first.digest)
  }
}
