// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import FailoverWire
import GroupModel
import Machine
import Testing

/// Shared backends: strangers in the group, and members whose loop hangs.
@Suite struct SilenceTests {
  private func shared(_ names: [NodeID], vifs: Int) -> Cluster {
    Cluster(nodes: names, vifs: vifs) { _, settings in settings.isShared = true }
  }

  private func settled(_ names: [NodeID] = ["a", "b", "c"], vifs: Int = 3) -> Cluster {
    var cluster = shared(names, vifs: vifs)
    cluster.heal()
    cluster.run(for: .seconds(30))
    return cluster
  }

  @Test("Whoever says nothing is passed over within a second, and in later views at once")
  func stranger() {
    var cluster = shared(["a", "b", "z"], vifs: 2)
    cluster.nodes[2].isMute = true
    cluster.heal()
    cluster.run(for: .milliseconds(900))
    #expect(cluster.nodes[0].engine?.status.phase == .exchanging)
    cluster.run(for: .seconds(8))
    #expect(cluster.coverage == ["a", "b"])
    #expect(cluster.nodes[0].engine?.status.members[2].isSilent == true)
    cluster.crash(1)
    cluster.partition(["a", "z"])
    cluster.settle()
    #expect(cluster.nodes[0].engine?.status.phase == .running)
    #expect(cluster.coverage == ["a", "a"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("A member that was passed over speaks when its loop turns, and takes part")
  func lateSpeaker() {
    var cluster = settled()
    cluster.partition(["a", "b"], ["c"])
    cluster.run(for: .seconds(1))
    cluster.nodes[2].isHung = true
    cluster.heal()
    cluster.run(for: .seconds(3))
    #expect(cluster.nodes[0].engine?.status.phase == .running)
    #expect(cluster.nodes[0].engine?.status.members[2].isSilent == true)
    cluster.nodes[2].isHung = false
    cluster.run(for: .seconds(30))
    for node in cluster.nodes { #expect(node.engine?.status.phase == .running) }
    #expect(cluster.coverage.sorted() == ["a", "b", "c"])
    #expect(cluster.nodes[0].engine?.replicated == cluster.nodes[2].engine?.replicated)
    #expect(cluster.violations.isEmpty)
  }

  @Test("Commands of a member that is passed over while they are on their way are answered")
  func commandsOfPassedOver() {
    var cluster = settled()
    cluster.partition(["a", "b"], ["c"])
    cluster.run(for: .seconds(1))
    cluster.nodes[2].isHung = true
    cluster.heal()
    cluster.run(for: .seconds(3))
    #expect(cluster.nodes[0].engine?.status.members[2].isSilent == true)
    cluster.nodes[2].isHung = false
    while cluster.nodes[2].engine?.status.phase != .exchanging, !cluster.nodes[2].inbox.isEmpty {
      cluster.deliver(2)
    }
    cluster.command(.drain, 1, at: 2)
    cluster.command(.prefer(vif(1).id, "c"), 2, at: 2)
    #expect(cluster.nodes[2].answers.isEmpty)
    cluster.run(for: .seconds(30))
    #expect(cluster.nodes[2].answers[1] == .done)
    #expect(cluster.nodes[2].answers[2] == .refused(.interrupted))
    #expect(cluster.nodes[0].engine?.status.members[2].drained == true)
    #expect(cluster.coverage[0] != "c")
    #expect(cluster.violations.isEmpty)
  }

  @Test("When the lowest of a synced set hangs, the next one speaks for the set")
  func deputy() {
    var cluster = settled(["a", "b", "c"], vifs: 3)
    cluster.partition(["a", "b"], ["c"])
    cluster.run(for: .seconds(1))
    cluster.nodes[0].isHung = true
    cluster.heal()
    cluster.run(for: .milliseconds(600))
    #expect(cluster.nodes[1].engine?.status.phase == .running)
    #expect(cluster.nodes[2].engine?.status.phase == .running)
    #expect(cluster.nodes[1].engine?.status.members.map(\.known) == [true, true, true])
    cluster.nodes[0].isHung = false
    cluster.run(for: .seconds(30))
    #expect(cluster.nodes[0].engine?.replicated == cluster.nodes[1].engine?.replicated)
    #expect(cluster.coverage.sorted() == ["a", "b", "c"])
  }

  @Test("A member whose loop hangs loses its VIFs after the lease, and gets some when it wakes")
  func sleeper() {
    var cluster = settled()
    #expect(cluster.coverage == ["a", "b", "c"])
    cluster.nodes[1].isHung = true
    cluster.run(for: .seconds(9))
    #expect(cluster.holders(of: vif(2).id) == ["b"])
    cluster.nodes[1].present = []  // The kernel's lease has run out.
    cluster.nodes[1].claimed = []
    cluster.run(for: .seconds(4))
    #expect(cluster.coverage[1] != "")
    #expect(cluster.nodes[0].engine?.status.members[1].isSilent == true)
    cluster.nodes[1].isHung = false
    cluster.run(for: .seconds(40))
    #expect(cluster.nodes[0].engine?.status.members[1].isSilent == false)
    #expect(cluster.coverage.sorted() == ["a", "b", "c"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("Nobody suspects the others after it was asleep itself")
  func ownSleep() {
    var cluster = settled()
    cluster.nodes[0].isHung = true
    cluster.run(for: .seconds(8))
    cluster.nodes[0].isHung = false
    cluster.run(for: .seconds(20))
    for node in cluster.nodes {
      #expect(node.engine?.status.members.allSatisfy { !$0.isSilent } == true)
    }
    #expect(cluster.coverage == ["a", "b", "c"])
  }

  @Test("Heartbeats prove that the group stands, only in the view they were sent in")
  func proof() {
    var cluster = settled()
    let proven = cluster.nodes[0].proven
    #expect(proven != nil)
    cluster.run(for: .seconds(4))
    #expect(cluster.nodes[0].proven.map { $0 > proven ?? .boot } == true)
  }

  @Test("There is proof at every moment, and none that outlives what suspicion allows for")
  func freshProof() {
    for lease in [nil, .seconds(2), .seconds(3), .seconds(10), .seconds(60)] as [Duration?] {
      var settings = FailoverEngine.Settings(node: "a", group: "g", vifs: [])
      settings.lease = lease
      // Renewed at the last moment that proof allows, an address ends before anybody who heard the
      // proving heartbeat, and nothing since, takes it over: a lease and 1.1 s later. The kernel may
      // be 70 ms late.
      #expect(settings.proofLife + .milliseconds(70) < .milliseconds(1_100))
      #expect(settings.proofLife <= (lease ?? .seconds(9)) / 3)
    }
    var cluster = settled()
    let life = FailoverEngine.Settings(node: "a", group: "g", vifs: []).proofLife
    for _ in 0..<50 {
      cluster.run(for: .milliseconds(100))
      for node in cluster.nodes {
        #expect(node.proven.map { cluster.now - $0 < life } == true)
      }
    }
  }

  @Test("On an own engine nobody is passed over, and nobody beats")
  func embedded() {
    var cluster = Cluster(nodes: ["a", "b"], vifs: 1)
    cluster.nodes[1].isMute = true
    cluster.heal()
    cluster.run(for: .seconds(20))
    #expect(cluster.nodes[0].engine?.status.phase == .exchanging)
    #expect(cluster.nodes[0].proven == nil)
  }

  @Test("A suspicion by somebody else than the lowest, or of another view, changes nothing")
  func staleSuspicion() {
    var cluster = settled()
    let members = cluster.nodes.map(\.member)
    let view = cluster.nodes[0].installed ?? ViewID(epoch: 0, origin: 0, index: 0)
    let past = ViewID(epoch: 1, origin: 0, index: 0)
    cluster.nodes[2].outbox.append(FailoverMessage.suspect(view, members[1]).encoded())
    cluster.nodes[0].outbox.append(FailoverMessage.suspect(past, members[1]).encoded())
    cluster.settle()
    #expect(cluster.coverage == ["a", "b", "c"])
    #expect(cluster.nodes[0].engine?.status.dropped.staleSuspicion == 2)
  }
}
