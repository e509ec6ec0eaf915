// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Ring
import Testing

@Suite("A loop that did not run for too long")
struct StallTests {
  /// Calls the engine at its deadlines up to `end`, and drains its sockets when it asks.
  private func run(_ engine: inout RingEngine, until end: Instant) -> (calls: Int, at: Instant) {
    var effects = EffectQueue<RingEngine.Effect>()
    var calls = 0
    var now = Instant.boot
    while calls < 10_000, let deadline = engine.nextDeadline, deadline <= end {
      now = max(now, deadline)
      engine.advance(to: now, into: &effects)
      while effects.takeAll().contains(.drain) { engine.handle(.drained, at: now, into: &effects) }
      calls += 1
    }
    return (calls, now)
  }

  @Test("is one stall, after which time goes on")
  func once() {
    var engine = RingEngine(
      settings: .init(me: "n1", configured: ["n1", "n2"], timers: .lan),
      storedSequenceBound: 10_000,
      random: SplitMix64(seed: 1),
      startingAt: .boot
    )
    var effects = EffectQueue<RingEngine.Effect>()
    engine.handle(.stored(bound: 20_000), at: .boot, into: &effects)
    #expect(run(&engine, until: .boot + .seconds(1)).calls < 1_000)
    #expect(engine.members == ["n1"])
    let late = Instant.boot + .seconds(9)
    engine.advance(to: late, into: &effects)
    #expect(effects.takeAll().contains(.drain))
    engine.handle(.drained, at: late, into: &effects)
    engine.advance(to: late + .milliseconds(1), into: &effects)
    #expect(!effects.takeAll().contains(.drain))
    #expect(engine.statistics.stalls == 1)
    let deadline = engine.nextDeadline
    #expect(deadline.map { $0 > late } ?? false)
  }
}
