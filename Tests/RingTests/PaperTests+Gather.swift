// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Ring
import RingWire
import Testing

/// Who is present (TOCS 1995, section 4), and who does not receive.
extension PaperTests {
  private func joins(_ cluster: Cluster, of node: NodeID, from index: Int = 0) -> [Join] {
    cluster[node].sent.dropFirst(index).compactMap {
      if case .join(let join) = $0 { join } else { nil }
    }
  }

  @Test("Gather.Join: a join tells the sets and the highest ring sequence; nobody fails itself")
  func joinFields() {
    var cluster = formed()
    let sequence = cluster["a"].engine.ring?.sequence ?? 0
    let start = cluster["a"].sent.count
    cluster.crash("c")
    cluster.advance(.seconds(1))
    let joins = joins(cluster, of: "a", from: start)
    #expect(!joins.isEmpty)
    for join in joins {
      #expect(join.considered == ["a", "b", "c"] && join.ringSequence >= sequence)
      #expect(join.failed == [] || join.failed == ["c"])
    }
    #expect(joins.last?.failed == ["c"])
  }

  @Test("Gather.Merge: within one Gather both sets only grow, and a change is told at once")
  func setsGrow() {
    var cluster = formed(["a", "b", "c", "d"])
    let start = cluster["b"].sent.count
    cluster.crash("d")
    #expect(cluster.advance(atMost: .seconds(1)) { $0["b"].engine.phaseName == .gather } != nil)
    cluster.advance(.seconds(1))
    #expect(cluster.isRing(["a", "b", "c"]))
    let joins = joins(cluster, of: "b", from: start)
    for (join, next) in zip(joins, joins.dropFirst()) {
      #expect(join.considered.isSubset(of: next.considered))
      #expect(join.failed.isSubset(of: next.failed))
    }
  }

  @Test("Gather.Merge: who calls this member failed is failed for it")
  func calledFailed() {
    var cluster = Cluster(["a", "b"])
    cluster.start(["b"])
    let join = Join(
      sender: "a",
      incarnation: Incarnation(1),
      ringSequence: 0,
      considered: ["a", "b"],
      failed: ["b"],
      known: .of(["a", "b"])
    )
    cluster.inject(.join(join), to: "b")
    #expect(cluster["b"].notes.contains(.excluded("a", because: .calledUsFailed)))
    cluster.advance(.milliseconds(100))
    #expect(cluster.isRing(["b"]))
  }

  @Test("Gather.Merge: a stranger with one bad link does not set members of a ring at odds")
  func stranger() {
    // a gets nothing of c, b and c get all of its: a finds c failed, whom b hears.
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(["b", "c"])
    cluster.advance(.milliseconds(300))
    cluster.loses = { from, to, _ in from == "c" && to == "a" }
    cluster.start(["a"])
    cluster.advance(.seconds(20))
    for node in ["b", "c"] as [NodeID] {
      #expect(!cluster.story(node).contains("R{\(node)}"), "\(node): \(cluster.story(node))")
      #expect(!cluster.story(node).contains("R{a \(node)}"))
    }
    // After three times it is left out, for longer and longer.
    #expect(cluster["b"].engine.statistics.configurations < 20)
    #expect(cluster["b"].notes.contains(.leftOut("a", for: .seconds(4))))
    cluster.loses = { _, _, _ in false }
    #expect(cluster.advance(atMost: .seconds(40)) { $0.isRing(["a", "b", "c"]) } != nil)
  }

  @Test("Foreign: a host whose joins nobody gets, but whose announcements all do, is left out")
  func mute() {
    var cluster = Cluster(["a", "b", "c"])
    cluster.loses = { from, _, packet in packet.kind == .join && from == "c" }
    cluster.start(cluster.roster)
    cluster.advance(.seconds(20))
    #expect(cluster["a"].notes.contains(.leftOut("c", for: .seconds(4))))
    #expect(cluster["a"].engine.statistics.configurations < 20)
    for node in ["a", "b"] as [NodeID] { #expect(!cluster.story(node).contains("R{\(node)}")) }
  }

  @Test("Gather.Consensus: the lowest makes the commit token, once all have sent the same sets")
  func consensus() {
    var cluster = formed()
    let starts = cluster.roster.nodes.map { cluster[$0].sent.count }
    let commits = { (cluster: Cluster) in
      zip(cluster.roster.nodes, starts).flatMap { node, start in
        cluster[node].sent.dropFirst(start).compactMap { packet -> CommitToken? in
          if case .commitToken(let token) = packet { token } else { nil }
        }
      }
    }
    cluster.loses = { from, to, packet in
      packet.kind == .token || (packet.kind == .join && from == "c" && to == "a")
    }
    let gathers = { (cluster: Cluster) in
      cluster.roster.nodes.allSatisfy { cluster[$0].engine.phaseName == .gather }
    }
    #expect(cluster.advance(atMost: .seconds(1), until: gathers) != nil)
    cluster.advance(.milliseconds(200))
    #expect(commits(cluster).isEmpty, "c has not agreed for a")
    cluster.loses = { _, _, _ in false }
    cluster.advance(.milliseconds(50))
    #expect(Set(commits(cluster).map(\.ring.representative)) == ["a"])
    #expect(cluster.isRing(["a", "b", "c"]))
  }

  @Test("Gather.Alone: with nobody heard it forms a ring of one after 3 join intervals")
  func alone() {
    var cluster = Cluster(["a", "b"])
    cluster.start(["a"])
    cluster.advance(.milliseconds(29))
    #expect(cluster["a"].engine.phaseName == .gather)
    cluster.advance(.milliseconds(20))
    #expect(cluster.isRing(["a"]))
  }

  @Test("Commit.TwoRounds: round one collects what all hold, round two tells it to everybody")
  func twoRounds() {
    var cluster = formed()
    cluster.submit("m", at: "b")
    cluster.advance(.milliseconds(50))
    let old = cluster["b"].engine.ring
    let starts = cluster.roster.nodes.map { cluster[$0].sent.count }
    cluster.crash("c")
    cluster.advance(.seconds(1))
    var rounds: [(hop: Int, known: Int)] = []
    for (node, start) in zip(cluster.roster.nodes, starts) {
      for case .commitToken(let token) in cluster[node].sent.dropFirst(start) {
        rounds.append((Int(token.hop), token.members.count { $0.past != nil }))
        for past in token.members.compactMap(\.past) {
          #expect(past.ring == old && past.aru == 1 && past.delivered == 1 && past.highest == 1)
          #expect(past.received == nil && past.obligations.count == 1)
        }
      }
    }
    #expect(Set(rounds.map(\.hop)) == [1, 2, 3, 4])
    for (hop, known) in rounds { #expect(known == min(hop, 2)) }
  }

  @Test("Ring.Seq: only who holds the token takes places, one after the other")
  func sequences() {
    var cluster = formed()
    let ring = cluster["a"].engine.ring
    for index in 0..<30 { cluster.submit("m\(index)", at: ["a", "b", "c"][index % 3]) }
    cluster.advance(.milliseconds(50))
    var originators: [UInt64: Set<NodeID>] = [:]
    for node in cluster.roster.nodes {
      for case .data(let data) in cluster[node].sent where data.ring == ring {
        originators[data.sequence, default: []].insert(data.originator)
      }
    }
    let highest = cluster.tokens(of: ring).map(\.sequence).max() ?? 0
    #expect(highest > 2 && originators.keys.sorted() == Array(1...highest))
    #expect(originators.values.allSatisfy { $0.count == 1 })
    for (token, next) in zip(cluster.tokens(of: ring), cluster.tokens(of: ring).dropFirst()) {
      #expect(token.sequence <= next.sequence)
    }
  }

  @Test(
    "Failure to receive: a member that gets tokens but no messages is found failed and left out",
    arguments: ["a", "b", "c"] as [NodeID]
  )
  func deaf(node: NodeID) {
    var cluster = formed()
    let rest = cluster.roster.removing(node)
    cluster.loses = { _, to, packet in to == node && packet.kind == .data }
    for sender in rest.nodes { cluster.submit("of \(sender)", at: sender) }
    #expect(cluster.advance(atMost: .seconds(1)) { $0.isRing(rest) } != nil)
    let notes = rest.nodes.flatMap { cluster[$0].notes }
    #expect(notes.contains(.excluded(node, because: .failedToReceive)))
    #expect(notes.contains(.leftOut(node, for: .seconds(1))))
    cluster.submit("in peace", at: rest.nodes[0], .safe)
    cluster.advance(.milliseconds(100))
    for member in rest.nodes { #expect(cluster.texts(member).last == "in peace") }
    cluster.loses = { _, _, _ in false }
    #expect(cluster.advance(atMost: .seconds(5)) { $0.isRing(["a", "b", "c"]) } != nil)
    #expect(Checker(cluster).violations.isEmpty)
  }

  @Test("Failure to receive: two members that get nothing are found failed, one after the other")
  func twoDeaf() {
    var cluster = formed(["a", "b", "c", "d"])
    cluster.loses = { _, to, packet in (to == "c" || to == "d") && packet.kind == .data }
    for sender in ["a", "b"] as [NodeID] { cluster.submit("of \(sender)", at: sender) }
    #expect(cluster.advance(atMost: .seconds(3)) { $0.isRing(["a", "b"]) } != nil)
  }

  @Test("Failure to receive: messages that are late for less than a token time-out cost no ring")
  func late() {
    var cluster = formed()
    cluster.loses = { _, to, packet in to == "c" && packet.kind == .data }
    cluster.submit("late", at: "a")
    cluster.advance(.milliseconds(240))
    cluster.loses = { _, _, _ in false }
    cluster.advance(.seconds(1))
    #expect(cluster["c"].engine.statistics.configurations == 1)
    #expect(cluster.texts("c") == ["late"])
  }

  @Test(
    "A departure of another run of a member stops no ring from being formed",
    arguments: [RingEngine.PhaseName.commit, .recovery]
  )
  func pastDeparture(phase: RingEngine.PhaseName) {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(cluster.roster)
    #expect(cluster.advance(atMost: .seconds(1)) { $0["b"].engine.phaseName == phase } != nil)
    let past = Departure(sender: "c", incarnation: Incarnation(1))
    cluster.inject(.departure(past), to: "b")
    #expect(cluster["b"].engine.phaseName == phase)
    #expect(cluster["b"].engine.statistics.dropped(.pastDeparture) == 1)
    cluster.advance(.milliseconds(100))
    #expect(cluster.isRing(["a", "b", "c"]))
  }

  @Test("Commit.Id: a bound that could not be stored is stored as soon as that works again")
  func storedAgain() {
    var cluster = Cluster(["a", "b"])
    cluster.storeDelay = .seconds(1_000)
    cluster.start(cluster.roster)
    cluster.advance(.seconds(1))
    let notes = { (cluster: Cluster) in
      cluster["a"].notes.count { if case .sequenceNotStored = $0 { true } else { false } }
    }
    #expect(cluster.isRing(["a", "b"]) && notes(cluster) > 0)
    cluster.storeDelay = .milliseconds(2)
    cluster.parts = [["a"], ["b"]]
    cluster.advance(.seconds(1))
    let before = notes(cluster)
    cluster.parts = nil
    cluster.advance(.seconds(2))
    #expect(cluster.isRing(["a", "b"]))
    #expect(notes(cluster) == before)
  }

  @Test(
    "Commit.Id: storage that never answers is waited for once, and then every ring forms",
    arguments: [("fast", 1), ("fast", 3), ("lan", 5), ("lan", 7)]
  )
  func deadStorage(profile: String, count: Int) {
    let names: [NodeID] = ["a", "b", "c", "d", "e", "f", "g"]
    let members = Roster(names.prefix(count))
    var cluster = Cluster(members, timers: profile == "fast" ? .fast : .lan)
    cluster.storeDelay = .seconds(1_000)
    cluster.start(members)
    cluster.advance(.seconds(3))
    #expect(cluster.isRing(members))
    let configurations = cluster["a"].engine.statistics.configurations
    cluster.advance(.seconds(20))
    #expect(cluster.isRing(members))
    #expect(cluster["a"].engine.statistics.configurations == configurations)
  }

  @Test("Commit.Id: storage that is known to fail is not waited for", arguments: [1, 3, 7])
  func failingStorage(count: Int) {
    let names: [NodeID] = ["a", "b", "c", "d", "e", "f", "g"]
    let members = Roster(names.prefix(count))
    let took = [false, true].map { fails in
      var cluster = Cluster(members, timers: .fast)
      cluster.storageFails = fails
      cluster.start(members)
      return cluster.advance(atMost: .seconds(1)) { $0.isRing(members) }
    }
    // An answer takes 2 ms at each member and attempt; 100 ms would be waited for none.
    #expect(took.allSatisfy { $0.map { $0 < .milliseconds(100) } == true }, "\(took)")
  }
}
