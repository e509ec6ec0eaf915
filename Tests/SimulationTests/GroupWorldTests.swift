// SPDX-License-Identifier: Apache-2.0

import Testing
import Worlds

@Suite("Worlds of group nodes")
struct GroupWorldTests {
  private let campaign = Campaign(layer: .groups)

  @Test("No rule is broken", arguments: 1...16)
  func seeds(seed: Int) {
    let outcome = campaign.run(seed: UInt64(seed))
    #expect(
      outcome.violation == nil,
      "scripts/simulate --groups --seed \(seed) --seeds 1 --transcript seed-\(seed).txt"
    )
    #expect(outcome.counters.groupViews > 0)
    #expect(outcome.counters.delivered > 0)
  }

  @Test("The same seed is the same world", arguments: [5, 9])
  func determinism(seed: Int) {
    let first = campaign.run(seed: UInt64(seed))
    let second = campaign.run(seed: UInt64(seed), keepsTranscript: true)
    #expect(first.digest == second.digest)
    #expect(first.counters == second.counters)
    #expect(!second.transcript.isEmpty)
    #expect(campaign.run(seed: UInt64(seed + 1)).digest != first.digest)
  }
}
