// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Testing
import Worlds

/// What a world itself holds against those who live in it.
@Suite("Worlds find out")
struct WorldTests {
  @Test("Config.Eventually: hosts that hear nobody come to no common configuration")
  func neverTogether() {
    var world = World(
      seed: 3,
      hosts: 3,
      adjusting: { $0.calmLoss = 1_000_000 },
      scene: RingScene.init(cast:climate:drawing:)
    )
    #expect(world.run().violation?.rule == .eventually)
  }

  @Test("Machine.Progress: an engine that always has something to do at once stops the clock")
  func standsStill() {
    #expect(run(pace: .seconds(-1)).violation?.rule == .progress)
  }

  @Test("An engine that is busy, but lets time go on, breaks no rule")
  func goesOn() {
    #expect(run(pace: .milliseconds(1)).violation == nil)
  }

  private func run(pace: Duration) -> Outcome {
    var world = World(seed: 1, hosts: 3, scene: { _, _, _ in RestlessScene(pace: pace) })
    return world.run()
  }
}

/// An engine that wants to be called again and again.
private struct Restless: StateMachine {
  enum Event: Sendable, Equatable { case nothing }
  enum Effect: Sendable, Equatable { case nothing }

  let pace: Duration
  var due: Instant

  var nextDeadline: Instant? { due }
  mutating func handle(_: Event, at now: Instant, into effects: inout EffectQueue<Effect>) {}
  mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    due = now + pace
  }
}

private struct RestlessScene: Scene {
  let pace: Duration
  var violation: Violation? { nil }
  var counters: Counters { Counters() }
  var digest: UInt64 { 0 }

  mutating func start(_ boot: Boot, in world: inout Surroundings<Never>) -> Restless {
    Restless(pace: pace, due: boot.now)
  }
  mutating func stop(host: Int, _ place: Place<Restless>, in world: inout Surroundings<Never>) {}
  func event(_ happening: Happening) -> Restless.Event { .nothing }
  mutating func perform(
    _ effect: Restless.Effect,
    on host: Int,
    in world: inout Surroundings<Never>
  ) -> Demand? { nil }
  mutating func observe(
    _ place: Place<Restless>,
    on host: Int,
    in world: inout Surroundings<Never>
  ) {}
  mutating func run(
    _ errand: Never,
    in world: inout Surroundings<Never>
  ) -> (host: Int, event: Restless.Event)? {}
  mutating func burst(host: Int, in world: inout Surroundings<Never>) {}
  mutating func calm(in world: inout Surroundings<Never>) {}
  func isSettled(_ live: HostSet, in world: borrowing Surroundings<Never>) -> Bool { true }
  mutating func settled(_ live: HostSet, in world: inout Surroundings<Never>) {}
  func isFinished(_ live: HostSet) -> Bool { true }
  mutating func finish(_ live: HostSet, in world: inout Surroundings<Never>) {}
  mutating func unsettled(_ live: HostSet, in world: inout Surroundings<Never>) {}
}
