// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Groups
import GroupsWire
import Machine
import Testing
import Worlds

/// Exchanges in which daemons say what cannot be used, while rings change.
@Suite("Bad state in worlds of chance")
struct BadStateTests {
  @Test(
    "However state is spoiled and rings change, tables are one in the end, and ids are kept apart"
  )
  func worlds() {
    var (spoiled, cuts) = (0, UInt64(0))
    for seed in 0..<200 {
      let story = Story(5)
      var random = SplitMix64(seed: UInt64(seed))
      for station in 0..<5 {
        story.world.ring.reconfigure([[station]])
        _ = story.process("p", at: station, in: "g", GroupName(stringLiteral: "own\(station)"))
        _ = story.process("q", at: station, in: "g", GroupName(stringLiteral: "h\(station % 2)"))
      }
      // Some begin as one synced set, of which parts meet again.
      if seed % 2 == 1 { story.rings([0, 1, 2, 3, 4]) }
      for _ in 0..<6 {
        story.world.ring.reconfigure(parts(&random))
        for _ in 0..<80 { step(story, &random, &spoiled) }
      }
      cuts += story.world.engines.reduce(0) { $0 + ($1?.statistics.exchangesCut ?? 0) }
      story.rings([0, 1, 2, 3, 4])
      story.judge()
      compare(story, seed)
    }
    #expect(spoiled > 150)
    #expect(cuts > 150)
  }

  private func parts(_ random: inout SplitMix64) -> [[Int]] {
    var parts: [[Int]] = [[], [], []]
    for station in 0..<5 { parts[Int.random(in: 0..<3, using: &random)].append(station) }
    return parts.filter { !$0.isEmpty }
  }

  private func step(_ story: Story, _ random: inout SplitMix64, _ spoiled: inout Int) {
    let station = Int.random(in: 0..<5, using: &random)
    switch Int.random(in: 0..<8, using: &random) {
    case 0: story.world.join("late", by: Int.random(in: 0..<10, using: &random))
    case 1:
      guard
        let index = story.world.ring.stations[station].waiting.firstIndex(where: {
          StateChunk.isState($0.payload[...])
        })
      else { return }
      spoiled += 1
      story.world.ring.stations[station].waiting[index].payload = [5]
    case 2, 3: _ = story.world.ring.order(station)
    case 4, 5: _ = story.world.ring.give(station)
    default: _ = story.world.step(station)
    }
  }

  /// All daemons hold the same table.
  private func compare(_ story: Story, _ seed: Int) {
    let tables = story.world.engines.map { engine in
      engine?.groupNames.map { name in "\(name) \(engine?.group(name).map { "\($0)" } ?? "")" }
    }
    #expect(story.world.engines.allSatisfy { $0?.isSettled == true }, "seed \(seed)")
    #expect(tables.allSatisfy { $0 == tables[0] }, "seed \(seed): \(tables)")
  }
}
