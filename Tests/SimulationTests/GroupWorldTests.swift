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

  /// All but the last three: views were numbered by the ring that is left, so that who was to come along
  /// and left it again, with others, gave the same ids.
  ///
  /// Then: the checker forgot whom a host that had left first was bound to; it took who had left a
  /// group and joined it again for a member while both were on their way; a member took the time that
  /// it stood still for the silence of its storage.
  @Test(
    "No world breaks a rule that did",
    arguments: [
      1_006_586, 1_012_159, 1_027_653, 1_026_942, 1_038_233, 1_044_422, 1_047_469, 2_001_327,
      4_000_098, 31_000_539,
    ]
  )
  func onceBroken(seed: Int) {
    #expect(campaign.run(seed: UInt64(seed)).violation == nil)
  }

  /// A datagram held up under trouble starts a Gather long after it.
  @Test("A world at rest has no ring in doubt", arguments: [1_014_152, 1_025_792])
  func lateDatagrams(seed: Int) {
    #expect(campaign.run(seed: UInt64(seed)).violation == nil)
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
