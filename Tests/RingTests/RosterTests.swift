// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Ring
import RingWire
import Testing

@Suite("Members with different configurations")
struct RosterTests {
  @Test("Whom not all members of a ring know stays outside, and the ring stands")
  func stranger() {
    var cluster = Cluster(["a", "b", "c", "d"])
    (cluster.knows["b"], cluster.knows["c"]) = (["a", "b", "c"], ["a", "b", "c"])
    cluster.start(["a", "b", "c"])
    #expect(cluster.advance(atMost: .seconds(1)) { $0.isRing(["a", "b", "c"]) } != nil)
    let ring = cluster["a"].engine.ring
    cluster.start(["d"])
    cluster.advance(.seconds(5))
    #expect(cluster.isRing(["a", "b", "c"]))
    #expect(cluster["a"].engine.ring == ring)
    #expect(cluster.isRing(["d"]))
    // Either side can tell, and says it once.
    let atA = RingEngine.RosterDifference(
      unknownHere: ["d"],
      unknownThere: .empty,
      dissenters: ["b", "c"]
    )
    let atD = RingEngine.RosterDifference(
      unknownHere: .empty,
      unknownThere: ["d"],
      dissenters: .empty
    )
    #expect(cluster.differences("a") == [.keptOut("d", because: atA)])
    #expect(cluster.differences("d") == [.keptOut("a", because: atD)])
    #expect(cluster["a"].engine.statistics.dropped(.rosterDiffers) > 3)
  }

  @Test("The same name at another address is somebody else")
  func otherAddress() {
    var cluster = Cluster(["a", "b", "c"])
    cluster.settings = { node in
      RingEngine.Settings(me: node, configured: ["a", "b", "c"], timers: .lan) {
        $0 == "c" && node == "b" ? "10.0.0.9" : "10.0.0.\($0)"
      }
    }
    cluster.start(["a", "b"])
    #expect(cluster.advance(atMost: .seconds(1)) { $0.isRing(["a", "b"]) } != nil)
    cluster.start(["c"])
    cluster.advance(.seconds(3))
    #expect(cluster.isRing(["a", "b"]))
    #expect(cluster.isRing(["c"]))
    #expect(cluster["a"].engine.statistics.gathered(because: .merge) == 0)
  }

  @Test("The order of a list is nothing, and more names that nobody uses are no hindrance")
  func harmless() {
    var cluster = Cluster(["a", "b", "c", "x", "y"])
    (cluster.knows["a"], cluster.knows["b"]) = (["a", "b", "c", "x"], ["c", "b", "a"])
    cluster.start(["a", "b", "c"])
    #expect(cluster.advance(atMost: .milliseconds(100)) { $0.isRing(["a", "b", "c"]) } != nil)
    #expect(cluster.differences("a").isEmpty)
  }

  @Test("Who start together and do not all know each other come to rest in rings that do")
  func chain() {
    var cluster = Cluster(["a", "b", "c"])
    (cluster.knows["a"], cluster.knows["c"]) = (["a", "b"], ["b", "c"])
    cluster.start(["a", "b", "c"])
    cluster.advance(.seconds(3))
    let ring = cluster["b"].engine.members
    #expect(ring == ["a", "b"] || ring == ["b", "c"])
    #expect(cluster.isRing(ring))
    let formed = cluster["b"].engine.statistics.configurations
    cluster.advance(.seconds(10))
    #expect(cluster["b"].engine.statistics.configurations == formed)
  }

  @Test("A member that is back with another list does not split the ring that it was in")
  func restartedApart() {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(["a", "b", "c"])
    #expect(cluster.advance(atMost: .seconds(1)) { $0.isRing(["a", "b", "c"]) } != nil)
    cluster.knows["c"] = ["a", "c"]
    // At once, so that the ring has not noticed that it was gone.
    cluster.crash("c")
    cluster.start(["c"])
    let time = cluster.advance(atMost: .seconds(2)) { $0.isRing(["a", "b"]) }
    #expect(time.map { $0 < .milliseconds(400) } == true)
    // Nobody waits until it falls silent: who meets it first finds that it is another one now.
    let isFound = (["a", "b"] as [NodeID]).contains { node in
      cluster[node].notes.contains { note in
        if case .excluded("c", because: .rosterDiffers) = note { true } else { false }
      }
    }
    #expect(isFound)
    cluster.advance(.seconds(2))
    #expect(cluster.isRing(["a", "b"]))
    #expect(cluster.isRing(["c"]))
    cluster.knows["c"] = nil
    cluster.crash("c")
    cluster.start(["c"])
    #expect(cluster.advance(atMost: .seconds(2)) { $0.isRing(["a", "b", "c"]) } != nil)
  }

  @Test("Members are added while the ring stands: nobody is lost, and the new one comes last")
  func added() {
    var cluster = Cluster(["a", "b", "c", "d"])
    for node in ["a", "b", "c"] as [NodeID] { cluster.knows[node] = ["a", "b", "c"] }
    cluster.start(["a", "b", "c", "d"])
    #expect(cluster.advance(atMost: .seconds(1)) { $0.isRing(["a", "b", "c"]) } != nil)
    for node in ["a", "b", "c"] as [NodeID] {
      #expect(!cluster.isRing(cluster.roster))
      cluster.submit("before \(node)", at: "b", .safe)
      cluster.reconfigure(node, with: cluster.roster)
      let wait = cluster.advance(atMost: .milliseconds(60)) { $0.isRing(["a", "b", "c"]) }
      #expect(wait != nil, "the ring forms again at once")
      if node != "c" { cluster.advance(.seconds(1)) }
      #expect(cluster[node].notes.contains(.reconfigured))
    }
    #expect(cluster.advance(atMost: .milliseconds(600)) { $0.isRing($0.roster) } != nil)
    for node in ["a", "b", "c"] as [NodeID] {
      for case .regular(let configuration) in cluster[node].deliveries.dropFirst() {
        #expect((["a", "b", "c"] as Roster).isSubset(of: configuration.members))
        #expect(configuration.members.count == 3 || configuration.members == cluster.roster)
      }
      #expect(cluster.texts(node).count == 3)
    }
  }

  @Test("Who is in the ring is not taken off the list: nothing changes")
  func removed() {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(cluster.roster)
    #expect(cluster.advance(atMost: .seconds(1)) { $0.isRing(["a", "b", "c"]) } != nil)
    let ring = cluster["a"].engine.ring
    cluster.reconfigure("a", with: ["a", "b", "x"])
    cluster.advance(.seconds(1))
    #expect(cluster["a"].notes.contains(.notReconfigured(stillMembers: ["c"])))
    #expect(cluster["a"].engine.configured == ["a", "b", "c"])
    #expect(cluster["a"].engine.ring == ring)
    cluster.leave("c")
    #expect(cluster.advance(atMost: .seconds(1)) { $0.isRing(["a", "b"]) } != nil)
    for node in ["a", "b"] as [NodeID] { cluster.reconfigure(node, with: ["a", "b"]) }
    cluster.advance(.seconds(1))
    #expect(cluster["a"].engine.configured == ["a", "b"])
    cluster.knows["c"] = nil
    cluster.start(["c"])
    cluster.advance(.seconds(2))
    #expect(cluster.isRing(["a", "b"]))
    #expect(cluster.isRing(["c"]))
  }

  @Test("Other time-outs hold from then on, and change no ring")
  func timers() {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(cluster.roster)
    #expect(cluster.advance(atMost: .seconds(1)) { $0.isRing(["a", "b", "c"]) } != nil)
    let ring = cluster["a"].engine.ring
    for node in cluster.roster.nodes {
      cluster.reconfigure(node, with: cluster.roster, timers: .fast)
      cluster.advance(.milliseconds(20))
    }
    cluster.advance(.seconds(1))
    #expect(cluster["a"].engine.ring == ring)
    cluster.crash("b")
    let time = cluster.advance(atMost: .seconds(1)) { $0.isRing(["a", "c"]) }
    #expect(time.map { $0 < .milliseconds(100) } == true)
  }

  @Test("What is configured while a ring is formed is taken on when it stands")
  func inGather() {
    var cluster = Cluster(["a", "b", "c"])
    cluster.knows["a"] = ["a", "b"]
    cluster.start(["a", "b"])
    cluster.advance(.milliseconds(1))
    #expect(cluster["a"].engine.phaseName != .operational)
    cluster.reconfigure("a", with: ["a", "x"])
    cluster.reconfigure("a", with: cluster.roster)
    #expect(!cluster["a"].notes.contains(.reconfigured))
    #expect(cluster.advance(atMost: .seconds(1)) { $0.isRing(["a", "b"]) } != nil)
    cluster.advance(.milliseconds(100))
    #expect(cluster["a"].notes.filter { $0 == .reconfigured }.count == 1)
    cluster.start(["c"])
    #expect(cluster.advance(atMost: .seconds(1)) { $0.isRing($0.roster) } != nil)
  }
}

extension Cluster {
  /// What was noted at a member of who is kept out.
  func differences(_ node: NodeID) -> [RingEngine.Note] {
    self[node].notes.filter { if case .keptOut = $0 { true } else { false } }
  }
}
