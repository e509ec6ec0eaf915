// SPDX-License-Identifier: Apache-2.0

/// Which worlds a seed makes.
package struct Campaign: Sendable {
  /// The hosts of each world; `nil` for 3 to 7, drawn from the seed.
  package var nodes: Int?

  package init(nodes: Int? = nil) { self.nodes = nodes }

  /// How many hosts the world of a seed has.
  package func hosts(seed: UInt64) -> Int {
    var chance = Chance(seed: seed ^ 0x5EED)
    return nodes ?? chance.within(3...7)
  }

  /// Runs the world of a seed to its end.
  package func ring(seed: UInt64, keepsTranscript: Bool = false) -> Outcome {
    var world = World(
      seed: seed,
      hosts: hosts(seed: seed),
      keepsTranscript: keepsTranscript,
      scene: RingScene.init(cast:climate:drawing:)
    )
    return world.run()
  }
}
