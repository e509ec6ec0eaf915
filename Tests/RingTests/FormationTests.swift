// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Ring
import RingWire
import Testing

@Suite("Forming rings")
struct FormationTests {
  @Test("With nobody heard a member forms a ring of one after 3 join intervals")
  func alone() {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(["b"])
    cluster.advance(.milliseconds(29))
    #expect(cluster["b"].engine.ring == nil)
    cluster.advance(.milliseconds(6))
    #expect(cluster.isRing(["b"]))
    #expect(cluster.story("b") == ["R{b}"])
  }

  @Test("Members that start together form one ring at once", arguments: 2...5)
  func together(count: Int) {
    let names: Roster = ["a", "b", "c", "d", "e"]
    let members = Roster(names.nodes.prefix(count))
    var cluster = Cluster(members)
    cluster.start(members)
    let time = cluster.advance(atMost: .seconds(1)) { $0.isRing(members) }
    #expect(time.map { $0 < .milliseconds(60) } == true)
    for node in members.nodes {
      #expect(cluster.story(node) == ["R\(members)"])
    }
  }

  @Test("Messages are delivered everywhere in one order, the sender included")
  func order() {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(["a", "b", "c"])
    cluster.advance(.milliseconds(100))
    for index in 0..<50 {
      for node in cluster.roster.nodes {
        cluster.submit("\(node)\(index)", at: node, index % 5 == 0 ? .safe : .agreed)
      }
      if index % 7 == 0 { cluster.advance(.milliseconds(1)) }
    }
    cluster.advance(.milliseconds(200))
    let texts = cluster.texts("a")
    #expect(texts.count == 150)
    for node in cluster.roster.nodes {
      #expect(cluster.texts(node) == texts)
      #expect(cluster.texts("c").filter { $0.hasPrefix(node.description) }.count == 50)
    }
  }

  @Test("Lost packets are sent again")
  func retransmission() {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(["a", "b", "c"])
    cluster.advance(.milliseconds(100))
    var lost = 0
    cluster.loses = { _, to, packet in
      guard case .data(let data) = packet, to == "b", data.sequence % 5 == 0 else { return false }
      return data.sender == data.originator
    }
    for index in 0..<100 {
      cluster.submit(String(repeating: "\(index).", count: 300), at: "a")
      lost += 1
    }
    cluster.advance(.milliseconds(300))
    #expect(cluster.texts("b").count == 100)
    #expect(cluster.texts("b") == cluster.texts("a"))
    #expect(cluster.isRing(["a", "b", "c"]))
    let again = cluster.roster.nodes.map { cluster[$0].engine.statistics.retransmissions }
    #expect(again.reduce(0, +) >= 10)
  }

  @Test("A silent member is gone after the token time-out and 50 ms at most")
  func silentMember() {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(["a", "b", "c"])
    cluster.advance(.milliseconds(500))
    cluster.crash("b")
    let time = cluster.advance(atMost: .seconds(2)) { $0.isRing(["a", "c"]) }
    #expect(time.map { $0 <= .milliseconds(300) } == true, "\(String(describing: time))")
    #expect(cluster.story("a") == ["R{a b c}", "T{a c}", "R{a c}"])
  }

  @Test("The fast profile notices a silent member within 70 ms")
  func silentMemberFast() {
    var cluster = Cluster(["a", "b", "c"], timers: .fast)
    cluster.start(["a", "b", "c"])
    cluster.advance(.milliseconds(500))
    cluster.crash("a")
    let time = cluster.advance(atMost: .seconds(2)) { $0.isRing(["b", "c"]) }
    #expect(time.map { $0 <= .milliseconds(70) } == true, "\(String(describing: time))")
  }

  @Test(
    "Leaving in good order costs the others milliseconds",
    arguments: ["a", "b", "c"] as [NodeID]
  )
  func leave(node: NodeID) {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(["a", "b", "c"])
    cluster.advance(.milliseconds(500))
    cluster.submit("last words", at: node)
    cluster.leave(node)
    let rest = cluster.roster.removing(node)
    let time = cluster.advance(atMost: .seconds(2)) { $0.isRing(rest) }
    #expect(time.map { $0 <= .milliseconds(10) } == true, "\(String(describing: time))")
    #expect(cluster[node].hasDeparted)
    for other in rest.nodes { #expect(cluster.texts(other) == ["last words"]) }
  }

  @Test("Leaving a ring of two costs the other milliseconds too")
  func leaveOne() {
    var cluster = Cluster(["a", "b"])
    cluster.start(["a", "b"])
    cluster.advance(.milliseconds(500))
    cluster.leave("a")
    let time = cluster.advance(atMost: .seconds(2)) { $0.isRing(["b"]) }
    #expect(time.map { $0 <= .milliseconds(10) } == true, "\(String(describing: time))")
  }

  @Test("A partition forms two rings, which merge within half a second after it heals")
  func partition() {
    var cluster = Cluster(["a", "b", "c", "d"])
    cluster.start(cluster.roster)
    cluster.advance(.milliseconds(500))
    cluster.parts = [["a", "b"], ["c", "d"]]
    cluster.advance(.seconds(1))
    #expect(cluster.isRing(["a", "b"]))
    #expect(cluster.isRing(["c", "d"]))
    cluster.parts = nil
    let time = cluster.advance(atMost: .seconds(2)) { $0.isRing(["a", "b", "c", "d"]) }
    #expect(time.map { $0 <= .milliseconds(500) } == true, "\(String(describing: time))")
    #expect(
      cluster.story("c")
        == ["R{a b c d}", "T{c d}", "R{c d}", "T{c d}", "R{a b c d}"]
    )
    cluster.advance(.seconds(5))
    #expect(cluster["a"].engine.statistics.configurations == 3)
  }

  @Test("A member that restarts with the same name is a newcomer, noticed at once")
  func restart() {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(cluster.roster)
    cluster.advance(.milliseconds(500))
    cluster.crash("b")
    cluster.advance(.milliseconds(5))
    cluster.start(["b"])
    let time = cluster.advance(atMost: .seconds(2)) { $0.isRing(["a", "b", "c"]) }
    #expect(time.map { $0 <= .milliseconds(60) } == true, "\(String(describing: time))")
    #expect(cluster.story("b") == ["R{a b c}"])
    #expect(cluster.story("a") == ["R{a b c}", "T{a c}", "R{a b c}"])
    #expect(cluster["a"].engine.statistics.gathered(because: .memberRestarted) == 1)
  }

  @Test("An idle ring sends few packets and never gathers")
  func idle() {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(cluster.roster)
    cluster.advance(.seconds(1))
    let before = cluster["b"].sent.count
    cluster.advance(.seconds(10))
    let rate = (cluster["b"].sent.count - before) / 10
    #expect(rate <= 70, "\(rate) packets each second")
    #expect(cluster["b"].engine.statistics.configurations == 1)
  }

  @Test("A message wakes an idle ring", arguments: ["a", "b", "c"] as [NodeID])
  func hurry(node: NodeID) {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(cluster.roster)
    cluster.advance(.milliseconds(513))
    cluster.submit("now", at: node)
    let time = cluster.advance(atMost: .seconds(1)) { cluster in
      cluster.roster.nodes.allSatisfy { cluster.texts($0) == ["now"] }
    }
    #expect(time.map { $0 <= .milliseconds(1) } == true, "\(String(describing: time))")
  }

  @Test("The idle token rests at who sent last", arguments: ["a", "b", "c"] as [NodeID])
  func rest(node: NodeID) {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(cluster.roster)
    cluster.advance(.milliseconds(513))
    cluster.submit("first", at: node)
    cluster.advance(.milliseconds(200))
    let hurries = cluster[node].sent.count { $0.kind == .hurry }
    cluster.submit("second", at: node)
    // It needs nobody else: the token is here.
    #expect(cluster.texts(node) == ["first", "second"])
    cluster.advance(.milliseconds(1))
    #expect(cluster.roster.nodes.allSatisfy { cluster.texts($0) == ["first", "second"] })
    #expect(cluster[node].sent.count { $0.kind == .hurry } == hurries)
    // Who sends next gets it within a rotation, and keeps it.
    let other: NodeID = node == "a" ? "b" : "a"
    cluster.submit("third", at: other)
    cluster.advance(.milliseconds(1))
    #expect(cluster.roster.nodes.allSatisfy { cluster.texts($0) == ["first", "second", "third"] })
  }

  @Test(
    "All have a safe message before the token rests, whoever got it late",
    arguments: ["a", "b", "c", "d"] as [NodeID],
    ["a", "b", "c", "d"] as [NodeID]
  )
  func safeBeforeRest(sender: NodeID, late: NodeID) {
    var cluster = Cluster(["a", "b", "c", "d"])
    cluster.start(cluster.roster)
    cluster.advance(.milliseconds(513))
    cluster.submit("first", at: sender)
    cluster.advance(.milliseconds(200))
    // The token rests at the sender, who sends at once.
    cluster.loses = { _, to, packet in to == late && packet.kind == .data }
    cluster.submit("safe", at: sender, .safe)
    cluster.loses = { _, _, _ in false }
    let time = cluster.advance(atMost: .seconds(1)) { cluster in
      cluster.roster.nodes.allSatisfy { cluster.texts($0) == ["first", "safe"] }
    }
    #expect(time.map { $0 <= .milliseconds(4) } == true, "\(String(describing: time))")
  }
}
