// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Ring
import RingWire
import Testing

/// The rules of Extended Virtual Synchrony and of the Totem single ring, by name: ICDCS 1994 for
/// delivery, TOCS 1995 sections 3 to 5 for the ring.
@Suite("The papers")
struct PaperTests {
  func formed(_ names: Roster = ["a", "b", "c"]) -> Cluster {
    var cluster = Cluster(names)
    cluster.start(names)
    cluster.advance(.milliseconds(300))
    return cluster
  }

  // MARK: - Delivery (ICDCS 1994)

  @Test("SelfDelivery: what was not ordered when the ring broke is sent in the next configuration")
  func selfDelivery() {
    var cluster = formed(["a", "b"])
    cluster.parts = [["a"], ["b"]]
    cluster.submit("late", at: "b", .safe)
    cluster.advance(.seconds(1))
    #expect(cluster.story("b").filter { $0 == "late" }.count == 1)
    #expect(cluster.story("a").contains("late") == false)
  }

  @Test("Safe.Delivery: a safe message is not delivered before every member holds it")
  func safeWaits() {
    var cluster = formed()
    cluster.loses = { _, to, packet in
      guard case .data = packet else { return false }
      return to == "c"
    }
    cluster.submit("safe", at: "a", .safe)
    cluster.submit("agreed", at: "b")
    cluster.advance(.milliseconds(40))
    #expect(cluster.texts("a") == [] && cluster.texts("b") == [], "agreed waits behind safe")
    cluster.loses = { _, _, _ in false }
    cluster.advance(.milliseconds(100))
    for node in cluster.roster.nodes { #expect(cluster.texts(node) == ["safe", "agreed"]) }
  }

  @Test("Safe.Delivery: cut by a partition, a safe message is delivered transitionally")
  func safeCut() {
    var cluster = formed()
    cluster.loses = { _, to, packet in
      guard case .data = packet else { return false }
      return to == "c"
    }
    cluster.submit("safe", at: "a", .safe)
    cluster.advance(.milliseconds(20))
    cluster.parts = [["a", "b"], ["c"]]
    cluster.loses = { _, _, _ in false }
    cluster.advance(.seconds(1))
    for node in ["a", "b"] as [NodeID] {
      #expect(cluster.story(node) == ["R{a b c}", "T{a b}", "safe", "R{a b}"])
      #expect(cluster[node].engine.statistics.safeInTransitional == 1)
    }
    #expect(cluster.story("c") == ["R{a b c}", "T{c}", "R{c}"])
  }

  @Test("VirtualSynchrony: what one of those who go on together holds is delivered by all of them")
  func virtualSynchrony() {
    var cluster = formed()
    // Only b gets the message, then its sender dies.
    cluster.loses = { from, to, packet in
      guard case .data = packet else { return false }
      return from == "a" && to == "c"
    }
    cluster.submit("m", at: "a")
    _ = cluster.advance(atMost: .seconds(1)) { $0.texts("b") == ["m"] }
    cluster.crash("a")
    cluster.advance(.seconds(1))
    #expect(cluster.story("b") == ["R{a b c}", "m", "T{b c}", "R{b c}"])
    #expect(cluster.story("c") == ["R{a b c}", "m", "T{b c}", "R{b c}"])
  }

  @Test("Total.NoGaps: behind a hole only messages of the obligation set are delivered")
  func hole() {
    var cluster = formed(["a", "b", "c", "d"])
    // The first message of a reaches nobody, its second everybody; b's own comes after both.
    cluster.loses = { from, _, packet in
      guard case .data(let data) = packet, from == "a" else { return false }
      return data.sequence == 1
    }
    cluster.submit(String(repeating: "1", count: 1_300), at: "a")
    cluster.submit(String(repeating: "2", count: 1_300), at: "a")
    _ = cluster.advance(atMost: .seconds(1)) { $0.texts("a").count == 2 }
    cluster.submit("own", at: "b")
    _ = cluster.advance(atMost: .milliseconds(20)) { $0["b"].engine.backlog == 0 }
    cluster.crash("a")
    cluster.advance(.seconds(1))
    for node in ["b", "c", "d"] as [NodeID] {
      #expect(cluster.story(node) == ["R{a b c d}", "T{b c d}", "own", "R{b c d}"])
      #expect(cluster[node].engine.statistics.recoveriesWithHoles == 1)
    }
  }

  // MARK: - The ring (TOCS 1995, section 3)

  @Test("Ring.OneToken: a token that was taken before is dropped")
  func repeatedToken() {
    var cluster = formed()
    let token = cluster["a"].sent.last {
      if case .token = $0 { true } else { false }
    }
    let before = cluster["b"].engine.statistics
    if let token { cluster.inject(token, to: "b") }
    #expect(
      cluster["b"].engine.statistics.dropped(.repeatedToken)
        == before.dropped(.repeatedToken) + 1
    )
    #expect(cluster["b"].engine.statistics.tokens == before.tokens)
  }

  @Test("Ring.TokenRetransmit: a lost token is repeated, and the ring goes on")
  func tokenRepeated() {
    var cluster = formed()
    cluster.loses = { _, _, packet in packet.kind == .token }
    cluster.advance(.milliseconds(60))
    cluster.loses = { _, _, _ in false }
    cluster.advance(.seconds(1))
    let repeated = cluster.roster.nodes.map { cluster[$0].engine.statistics.tokensRepeated }
    #expect(repeated.reduce(0, +) >= 1)
    #expect(cluster["a"].engine.statistics.configurations == 1)
  }

  @Test("Ring.Flow: no member sends more than its window in one visit")
  func flow() {
    var cluster = Cluster(["a", "b"])
    cluster.settings = {
      var settings = RingEngine.Settings(me: $0, configured: ["a", "b"], timers: .lan)
      settings.window = 6
      settings.personalWindow = 4
      return settings
    }
    cluster.start(["a", "b"])
    cluster.advance(.milliseconds(300))
    let before = cluster["a"].sent.count
    for _ in 0..<40 { cluster.submit(bytes: [UInt8](repeating: 1, count: 1_300), at: "a") }
    cluster.advance(.milliseconds(200))
    var (run, longest) = (0, 0)
    for packet in cluster["a"].sent.dropFirst(before) {
      switch packet.kind {
      case .data: run += 1
      case .token: (run, longest) = (0, max(longest, run))
      default: break
      }
    }
    #expect(longest <= 4 && longest > 0)
    #expect(cluster.texts("b").count == 40)
  }

  // MARK: - Membership (TOCS 1995, section 4)

  @Test("Foreign: joins and messages from outside do not disturb a working ring")
  func foreign() {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(["a", "b"])
    cluster.advance(.milliseconds(300))
    let join = Join(
      sender: "c",
      incarnation: Incarnation(1),
      ringSequence: 99_999,
      considered: ["a", "b", "c"],
      failed: [],
      known: .of(["a", "b", "c"])
    )
    let data = DataPacket(
      sender: "c",
      originator: "c",
      ring: RingID(sequence: 99_999, representative: "c"),
      sequence: 1,
      content: .messages([Fragment(service: .agreed, position: .whole, payload: [1])])
    )
    cluster.inject(.join(join), to: "a")
    cluster.inject(.data(data), to: "a")
    cluster.advance(.milliseconds(500))
    #expect(cluster.isRing(["a", "b"]))
    #expect(cluster["a"].engine.statistics.configurations == 1)
    #expect(cluster["a"].engine.statistics.dropped(.foreignJoin) == 1)
    #expect(cluster["a"].engine.statistics.dropped(.foreignRing) == 1)
  }

  @Test("Foreign: a host that hears but is not heard, or the reverse, breaks no ring")
  func oneWay() {
    for deafens in [true, false] {
      var cluster = Cluster(["a", "b", "c"])
      cluster.loses = { from, to, _ in deafens ? to == "c" : from == "c" }
      cluster.start(cluster.roster)
      cluster.advance(.seconds(5))
      #expect(cluster.isRing(["a", "b"]))
      #expect(cluster["a"].engine.statistics.configurations <= 2)
    }
  }

  @Test(
    "Commit.Id: ring sequences only rise, over restarts too, and are stored before they are used"
  )
  func ringSequences() {
    var cluster = Cluster(["a"])
    var highest: UInt64 = 0
    for _ in 0..<4 {
      cluster.start(["a"])
      cluster.advance(.milliseconds(200))
      let sequence = cluster["a"].engine.ring?.sequence ?? 0
      #expect(sequence > highest)
      #expect(sequence <= cluster["a"].stored)
      highest = sequence
      cluster.crash("a")
    }
  }

  @Test("Commit.Refuse: a commit token that nobody agreed to is ignored")
  func commitRefused() {
    var cluster = Cluster(["a", "b"])
    cluster.start(["b"])
    let token = CommitToken(
      sender: "a",
      ring: RingID(sequence: 50, representative: "a"),
      hop: 1,
      members: [
        CommitToken.Entry(node: "a", incarnation: Incarnation(1)),
        CommitToken.Entry(node: "b", incarnation: Incarnation(2)),
      ],
      known: .of(["a", "b"])
    )
    cluster.inject(.commitToken(token), to: "b")
    #expect(cluster["b"].engine.phaseName == .gather)
    #expect(cluster["b"].engine.statistics.dropped(.commitMismatch) == 1)
  }

  @Test(
    "Config.Eventually: a crash in Commit or in Recovery leads to a ring of those left",
    arguments: [RingEngine.PhaseName.commit, .recovery],
    ["a", "b", "c"] as [NodeID]
  )
  func crashInFormation(phase: RingEngine.PhaseName, node: NodeID) {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(cluster.roster)
    let reached = cluster.advance(atMost: .seconds(1)) { $0[node].engine.phaseName == phase }
    #expect(reached != nil)
    cluster.crash(node)
    let rest = cluster.roster.removing(node)
    #expect(cluster.advance(atMost: .seconds(2)) { $0.isRing(rest) } != nil)
  }

  // MARK: - Stalls

  @Test("A stall that outlasts the ring is found out: the member was voted out, and joins anew")
  func votedOut() {
    var cluster = formed()
    cluster.pause("c", for: .seconds(1))
    cluster.advance(.seconds(3))
    #expect(cluster.isRing(["a", "b", "c"]))
    let liveness = cluster["c"].liveness.filter {
      if case .rotation = $0 { false } else { true }
    }
    #expect(liveness.contains(.votedOut) && !liveness.contains(.resumed))
    #expect(cluster.story("c") == ["R{a b c}", "T{c}", "R{c}", "T{c}", "R{a b c}"])
  }

  @Test("A ring of one that stalled is still its own ring")
  func resumedAlone() {
    var cluster = Cluster(["a"])
    cluster.start(["a"])
    cluster.advance(.milliseconds(200))
    cluster.pause("a", for: .seconds(1))
    cluster.advance(.seconds(2))
    #expect(cluster["a"].liveness.contains(.resumed))
    #expect(cluster["a"].engine.statistics.stalls == 1)
    #expect(cluster["a"].engine.statistics.configurations == 1)
  }
}
