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

  /// What is on the way of a daemon's state cannot be read by anybody.
  private func spoil(_ station: Int, of story: Story) {
    for index in story.world.ring.stations[station].waiting.indices {
      story.world.ring.stations[station].waiting[index].payload = [5, 0xFF]
    }
  }

  /// Lets each daemon hear of its ring, and no more.
  private func stepAll(_ story: Story) {
    for station in story.world.engines.indices { while story.world.step(station) {} }
  }

  @Test("An exchange with state that cannot be read ends without its sender, at all members alike")
  func unreadableState() {
    let story = Story(4)
    story.rings([0, 1], [2], [3])
    let p = story.process("p", at: 0, in: "g", "h")
    let q = story.process("q", at: 1, in: "g")
    let r = story.process("r", at: 2, in: "g", "i")
    let s = story.process("s", at: 3, in: "g")
    story.skip()
    story.world.join("late", by: p)
    story.world.ring.reconfigure([[0, 1, 2, 3]])
    stepAll(story)
    // All but c have said what they have, and begin anew.
    for station in [3, 0] { _ = story.world.ring.order(station) }
    spoil(2, of: story)
    story.world.checker.processes[r].wanted = []
    story.world.settle()
    for engine in story.world.engines {
      #expect(engine?.isSettled == true)
      #expect(engine?.syncedSet.count == 4)
      #expect(engine?.groupNames == ["g", "h", "late"])
      #expect(engine?.group("g")?.id == story.id("g", of: s))
    }
    #expect(story.hears(r) == ["g left", "i left"])
    let view = "g network {p@a q@b s@d} came"
    #expect(story.hears(q) == ["\(view) {p@a q@b}"])
    #expect(story.hears(s) == ["\(view) {s@d}"])
    story.skip()
    // It may come back at once, as somebody new to the group.
    story.join("g", by: r)
    #expect(story.hears(r) == ["g join r@c {p@a q@b r@c s@d} came {r@c}"])
    story.judge()
  }

  @Test("A speaker whose state cannot be read is lost to its own set, for which the next speaks")
  func unreadableSpeaker() {
    let story = Story(4)
    story.rings([0, 1, 2], [3])
    let p = story.process("p", at: 0, in: "g")
    let q = story.process("q", at: 1, in: "g", "h")
    let s = story.process("s", at: 3, in: "g")
    story.skip()
    story.world.ring.reconfigure([[0, 1, 2, 3]])
    stepAll(story)
    spoil(0, of: story)
    story.world.checker.processes[p].wanted = []
    story.world.settle()
    #expect(story.hears(p) == ["g left"])
    #expect(story.hears(q) == ["g transitional", "g network {q@b s@d} came {q@b}"])
    #expect(story.hears(s) == ["g network {q@b s@d} came {s@d}"])
    #expect(story.world.engines.allSatisfy { $0?.isSettled == true })
    #expect(story.world.engines.allSatisfy { $0?.groupNames == ["g", "h"] })
  }

  @Test("Where nobody's state can be read, the exchange ends with no group")
  func allUnreadable() {
    let story = Story(2)
    story.rings([0], [1])
    let p = story.process("p", at: 0, in: "g")
    let q = story.process("q", at: 1, in: "g")
    story.skip()
    story.world.ring.reconfigure([[0, 1]])
    stepAll(story)
    for station in [0, 1] { spoil(station, of: story) }
    _ = story.world.ring.order(0)
    _ = story.world.ring.order(1)
    story.world.checker.processes[p].wanted = []
    story.world.checker.processes[q].wanted = []
    story.world.settle()
    #expect(story.world.engines.allSatisfy { $0?.isSettled == true && $0?.groupCount == 0 })
    story.join("g", by: q)
    #expect(story.hears(q) == ["g left", "g join q@b {q@b} came {q@b}"])
  }

  @Test(
    "State that breaks the rules of the exchange mutes its sender, whose later state is dropped"
  )
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
    func chunk(
      _ speaksFor: Roster,
      _ number: UInt32,
      isLast: Bool = false,
      ring: RingID = ring
    ) -> StateChunk {
      StateChunk(ring: ring, speaksFor: speaksFor, number: number, isLast: isLast, groups: [])
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
    func begins(_ chunk: StateChunk, from sender: NodeID) -> (isNoted: Bool, number: UInt32?) {
      let effects = hear(chunk, from: sender)
      let isNoted = effects.contains(.note(.brokenState(from: sender)))
      for case .submit(_, let payload) in effects {
        guard case .state(let own)? = try? GroupsMessage(decoding: payload[...]) else { continue }
        return (isNoted, own.number)
      }
      return (isNoted, nil)
    }
    let past = RingID(sequence: 0, representative: "a")
    let broken: [(StateChunk, NodeID)] = [
      (chunk(["b", "c"], 0), "c"),  // Not the lowest.
      (chunk(["c", "e"], 0), "c"),  // Not of this ring.
      (chunk(["c"], 1), "c"),  // The beginning is missing.
    ]
    for (chunk, sender) in broken {
      var fresh = engine
      swap(&engine, &fresh)
      #expect(begins(chunk, from: sender) == (true, 1 << 20))
      swap(&engine, &fresh)
    }
    #expect(hear(chunk(["c"], 0, ring: past), from: "c") == [])
    #expect(engine.statistics.dropped(.pastExchange) == 1)
    #expect(hear(chunk(["b", "c"], 0), from: "b") == [])
    #expect(begins(chunk(["c"], 0), from: "c") == (true, 1 << 20))  // Spoken for by another.
    #expect(hear(chunk(["c"], 1 << 20), from: "c") == [])
    #expect(engine.statistics.dropped(.brokenState) == 2)
    // What was on its way when all began anew.
    #expect(hear(chunk(["b", "c"], 1), from: "b") == [])
    #expect(engine.statistics.dropped(.pastExchange) == 2)
    #expect(hear(chunk(["b"], 1 << 20, isLast: true), from: "b") == [])
    let own = StateChunk(ring: ring, speaksFor: ["a"], number: 1 << 20, isLast: true, groups: [])
    #expect(!engine.isSettled)
    _ = hear(own, from: "a")
    #expect(engine.isSettled)
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
