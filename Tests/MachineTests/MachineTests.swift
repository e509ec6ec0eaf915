// SPDX-License-Identifier: Apache-2.0

import Machine
import Testing

@Suite("Machine")
struct MachineTests {
  @Test("SplitMix64 gives the published sequence of its seed")
  func splitMix() {
    var random = SplitMix64(seed: 1_234_567)
    let drawn = (0..<5).map { _ in random.next() }
    #expect(
      drawn == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
        4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
      ]
    )
  }

  @Test("Generators of one seed are equal, and stay equal draw by draw")
  func replay() {
    var (left, right) = (SplitMix64(seed: 7), SplitMix64(seed: 7))
    for _ in 0..<100 {
      #expect(left.next() == right.next())
      #expect(left == right)
    }
    #expect(SplitMix64(seed: 7) != SplitMix64(seed: 8))
    _ = left.next()
    #expect(left != right)
  }

  @Test("Instants are ordered and measured in durations")
  func instants() {
    let later = Instant.boot + .milliseconds(250)
    #expect(Instant.boot < later)
    #expect(later - Instant.boot == .milliseconds(250))
    var moving = later
    moving += .seconds(1)
    #expect(moving == Instant(sinceBoot: .milliseconds(1_250)))
  }

  @Test("An effect queue keeps the order and is empty after it was drained or taken")
  func effectQueue() {
    var queue = EffectQueue<Int>()
    #expect(queue.isEmpty)
    for effect in [3, 1, 2] { queue.append(effect) }
    var drained: [Int] = []
    queue.drain { drained.append($0) }
    #expect(drained == [3, 1, 2])
    #expect(queue.isEmpty)
    queue.append(9)
    #expect(queue.effects == [9])
    #expect(queue.takeAll() == [9])
    #expect(queue == EffectQueue())
  }
}
