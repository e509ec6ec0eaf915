// SPDX-License-Identifier: Apache-2.0

/// Which worlds a seed makes.
package struct Campaign: Sendable {
  /// The hosts of each world; `nil` for 3 to 7, drawn from the seed.
  package var nodes: Int?

  package var layer: Counters.Layer

  package init(nodes: Int? = nil, layer: Counters.Layer = .ring) {
    (self.nodes, self.layer) = (nodes, layer)
  }

  /// How many hosts the world of a seed has.
  package func hosts(seed: UInt64) -> Int {
    var chance = Chance(seed: seed ^ 0x5EED)
    return nodes ?? chance.within(3...7)
  }

  /// Runs the world of a seed to its end.
  package func run(seed: UInt64, keepsTranscript: Bool = false) -> Outcome {
    switch layer {
    case .ring:
      outcome(seed, keepsTranscript, RingScene.init(cast:climate:drawing:))
    case .groups:
      outcome(seed, keepsTranscript, GroupScene.init(cast:climate:drawing:))
    case .failover:
      outcome(seed, keepsTranscript, FailoverScene.init(cast:climate:drawing:))
    }
  }

  private func outcome<S: Scene>(
    _ seed: UInt64,
    _ keepsTranscript: Bool,
    _ scene: (Cast, Climate, inout Chance) -> S
  ) -> Outcome {
    var world = World(
      seed: seed,
      hosts: hosts(seed: seed),
      keepsTranscript: keepsTranscript,
      scene: scene
    )
    return world.run()
  }
}
