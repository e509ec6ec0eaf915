// SPDX-License-Identifier: Apache-2.0

import Bytes
import GroupModel
import Groups
import GroupsWire
import Machine
import Testing
import Worlds

/// The exchange of tables after a ring change.
@Suite("Exchange of state by synced sets")
struct ExchangeTests {
  @Test("A ring that only loses members goes on without any message")
  func departureOnly() {
    let story = Story(3)
    story.rings([0, 1, 2])
    let p = story.process("p", at: 0, in: "g")
    _ = story.process("q", at: 2, in: "g")
    let before = story.world.engines.map { $0?.statistics.exchangesBegun }
    story.world.ring.reconfigure([[0, 1], [2]])
    while story.world.step(0) {}
    #expect(story.world.ring.stations[0].waiting.isEmpty)
    #expect(story.view("g", of: p)?.members.count == 1)
    story.world.settle()
    #expect(story.world.engines.map { $0?.statistics.exchangesBegun } == before)
    story.judge()
  }

  @Test("Only the lowest member of each synced set speaks")
  func speakers() {
    let story = Story(5)
    story.rings([0, 3], [1, 2, 4])
    let before = story.world.engines.map { $0?.statistics.chunksSent ?? 0 }
    story.rings([0, 1, 2, 3, 4])
    let after = story.world.engines.map { $0?.statistics.chunksSent ?? 0 }
    #expect(zip(before, after).map { $1 - $0 } == [1, 1, 0, 0, 0])
    #expect(story.world.engines.allSatisfy { $0?.syncedSet.count == 5 })
  }

  @Test("A table goes out in bounded messages, and only so many at a time")
  func boundedChunks() {
    let story = Story(2) {
      var settings = GroupsEngine.Settings(me: $0)
      settings.chunkLength = 200
      settings.chunksInFlight = 3
      return settings
    }
    story.rings([0], [1])
    let p = story.process("p", at: 0)
    for number in 0..<100 { story.join(GroupName(stringLiteral: "group\(number)"), by: p) }
    story.world.ring.reconfigure([[0, 1]])
    while story.world.step(0) {}
    var most = 0
    while story.world.engines[0]?.isSettled == false {
      most = max(most, story.world.ring.stations[0].waiting.count)
      for station in [1, 0] {
        _ = story.world.ring.order(station)
        while story.world.ring.give(station) {}
        while story.world.step(station) {}
      }
    }
    story.world.settle()
    #expect(most == 3)
    #expect((story.world.engines[0]?.statistics.chunksSent ?? 0) > 10)
    #expect(story.world.engines[1]?.groupCount == 100)
    let longest = story.world.ring.rings.flatMap(\.log).map(\.payload.count).max() ?? 0
    #expect(longest < 320)
  }

  @Test("A group with more members than a message holds is told in parts")
  func largeGroup() {
    let story = Story(2) {
      var settings = GroupsEngine.Settings(me: $0)
      settings.chunkLength = 64
      return settings
    }
    story.rings([0], [1])
    for number in 0..<40 { _ = story.process("p\(number)", at: 0, in: "g") }
    let q = story.process("q", at: 1, in: "g")
    story.rings([0, 1])
    #expect(story.view("g", of: q)?.members.count == 41)
    #expect(story.view("g", of: q)?.virtualSynchronySets.map(\.count) == [40, 1])
    story.judge()
  }

  @Test("Joins and leaves that are ordered during an exchange take effect after it, in order")
  func changesDuringExchange() {
    let story = Story(2)
    story.rings([0], [1])
    let p = story.process("p", at: 0, in: "g", "h")
    let q = story.process("q", at: 1, in: "g")
    // Submitted before the ring changed, ordered after it and before the state.
    story.world.join("late", by: p)
    story.world.leave("h", by: p)
    story.world.send(["g"], by: p)
    story.world.join("late", by: q)
    story.skip()
    story.rings([0, 1])
    #expect(
      story.hears(p) == [
        "g network {p@a q@b} came {p@a}", "late join p@a {p@a} came {p@a}", "h left", "message 0",
        "late join q@b {p@a q@b} came {p@a}",
      ]
    )
    #expect(
      story.hears(q) == [
        "g network {p@a q@b} came {q@b}", "message 0", "late join q@b {p@a q@b} came {q@b}",
      ]
    )
    #expect(story.world.engines.allSatisfy { ($0?.statistics.deferred ?? 0) == 4 })
    story.judge()
  }

  @Test("An exchange cut by the next ring loses nothing that was ordered in it")
  func cutExchange() {
    let story = Story(3)
    story.rings([0, 1], [2])
    let p = story.process("p", at: 0, in: "g")
    let q = story.process("q", at: 1, in: "g")
    let r = story.process("r", at: 2, in: "g")
    story.world.join("late", by: p)
    story.world.join("late", by: r)
    story.skip()
    story.world.ring.reconfigure([[0, 1, 2]])
    for station in 0..<3 { while story.world.step(station) {} }
    // Only the joins have their place in the ring when it ends; the state never gets one.
    for station in [0, 2] { _ = story.world.ring.order(station) }
    for station in 0..<3 {
      while story.world.ring.give(station) {}
      while story.world.step(station) {}
      #expect(story.world.engines[station]?.deferredCount == 2)
    }
    story.rings([0, 1], [2])
    #expect(story.world.engines[0]?.statistics.exchangesCut == 1)
    #expect(story.hears(p) == ["late join p@a {p@a} came {p@a}"])
    #expect(story.hears(q) == [])
    #expect(story.hears(r) == ["late join r@c {r@c} came {r@c}"])
    story.rings([0, 1, 2])
    #expect(
      story.hears(p) == [
        "g network {p@a q@b r@c} came {p@a q@b}", "late network {p@a r@c} came {p@a}",
      ]
    )
    story.judge()
  }

  @Test("State that breaks the rules of the exchange is dropped, noted, and changes nothing")
  func brokenState() {
    var engine = GroupsEngine(settings: .init(me: "a"))
    var effects = EffectQueue<GroupsEngine.Effect>()
    let ring = RingID(sequence: 1, representative: "a")
    let regular = GroupsEngine.RingEvent.regular(
      ring: ring,
      members: ["a", "b", "c"],
      cameTogether: ["a"]
    )
    engine.handle(.ring(regular), at: .boot, into: &effects)
    func chunk(_ speaksFor: Roster, _ number: UInt32, ring: RingID = ring) -> StateChunk {
      StateChunk(ring: ring, speaksFor: speaksFor, number: number, isLast: false, groups: [])
    }
    func hear(_ chunk: StateChunk, from sender: NodeID) -> [GroupsEngine.Effect] {
      _ = effects.takeAll()
      let payload = GroupsMessage.state(chunk).bytes[...]
      let message = GroupsEngine.OrderedMessage(
        sender: sender,
        service: .agreed,
        payload: payload
      )
      engine.handle(.ring(.message(message)), at: .boot, into: &effects)
      return effects.takeAll()
    }
    let refused: [GroupsEngine.Effect] = [.note(.brokenState(from: "c"))]
    #expect(hear(chunk(["b", "c"], 0), from: "c") == refused)  // Not the lowest.
    #expect(hear(chunk(["c", "d"], 0), from: "c") == refused)  // Not of this ring.
    #expect(hear(chunk(["c"], 1), from: "c") == refused)  // The beginning is missing.
    #expect(hear(chunk(["b", "c"], 0), from: "b") == [])
    #expect(hear(chunk(["c"], 0), from: "c") == refused)  // Spoken for by another.
    #expect(engine.statistics.dropped(.brokenState) == 4)
    #expect(hear(chunk(["c"], 0, ring: RingID(sequence: 0, representative: "a")), from: "c") == [])
    #expect(engine.statistics.dropped(.pastExchange) == 1)
    #expect(!engine.isSettled)
  }

  @Test("Bytes that cannot be read are counted and noted")
  func unreadable() {
    var engine = GroupsEngine(settings: .init(me: "a"))
    var effects = EffectQueue<GroupsEngine.Effect>()
    let ring = RingID(sequence: 1, representative: "a")
    engine.handle(
      .ring(.regular(ring: ring, members: ["a"], cameTogether: ["a"])),
      at: .boot,
      into: &effects
    )
    _ = effects.takeAll()
    let message = GroupsEngine.OrderedMessage(sender: "b", service: .agreed, payload: [9, 9])
    engine.handle(.ring(.message(message)), at: .boot, into: &effects)
    #expect(effects.takeAll() == [.note(.unreadable(from: "b"))])
    #expect(engine.statistics.dropped(.unreadable) == 1)
  }
}
