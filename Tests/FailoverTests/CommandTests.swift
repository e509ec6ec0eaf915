// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import FailoverWire
import GroupModel
import Machine
import Testing

/// What operators ask for, and what becomes of it when the group changes.
@Suite struct CommandTests {
  private func settled(
    _ names: [NodeID] = ["a", "b"],
    vifs: Int = 2,
    adjust: @escaping (NodeID, inout FailoverEngine.Settings) -> Void = { _, _ in }
  ) -> Cluster {
    var cluster = Cluster(nodes: names, vifs: vifs, adjust: adjust)
    cluster.heal()
    cluster.run(for: .seconds(30))
    return cluster
  }

  @Test("A drained node hands over, is answered when that is agreed, and stays drained")
  func drain() {
    var cluster = settled()
    #expect(cluster.coverage == ["a", "b"])
    cluster.command(.drain, 1, at: 0)
    #expect(cluster.nodes[0].isDrained)
    #expect(cluster.nodes[0].answers[1] == nil)
    cluster.settle()
    #expect(cluster.nodes[0].answers[1] == .done)
    #expect(cluster.coverage == ["b", "b"])
    cluster.run(for: .seconds(30))
    #expect(cluster.coverage == ["b", "b"])
    cluster.crash(0)
    cluster.partition(["b"])
    cluster.settle()
    cluster.start(0)
    cluster.heal()
    cluster.run(for: .seconds(30))
    #expect(cluster.nodes[1].engine?.status.members[0].drained == true)
    #expect(cluster.coverage == ["b", "b"])
    cluster.command(.resume, 2, at: 0)
    cluster.run(for: .seconds(30))
    #expect(cluster.nodes[0].answers[2] == .done)
    #expect(!cluster.nodes[0].isDrained)
    #expect(cluster.coverage.sorted() == ["a", "b"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("Drain counts after a merge, whichever side knew of it")
  func drainAtMerge() {
    var cluster = settled(["a", "b", "c"], vifs: 3)
    cluster.partition(["a"], ["b", "c"])
    cluster.run(for: .seconds(1))
    cluster.command(.drain, 1, at: 0)
    cluster.run(for: .seconds(1))
    #expect(cluster.coverage[0].contains("a"), "drained members count when nobody else is there")
    let notes = cluster.nodes.map(\.notes.count)
    cluster.heal()
    cluster.run(for: .seconds(1))
    #expect(!cluster.coverage.joined().contains("a"))
    for index in [1, 2] {
      let releases = cluster.nodes[index].notes.dropFirst(notes[index]).contains { note in
        if case .releasing = note { true } else { false }
      }
      #expect(!releases, "nothing is given to the drained member, not even for a moment")
    }
    #expect(cluster.violations.isEmpty)
  }

  @Test("A daemon that is started again knows from the others who holds what since when, and why")
  func reasonsOfThePast() {
    var cluster = settled(["a", "b", "c"], vifs: 3)
    cluster.command(.move(vif(1).id, to: "b"), 7, at: 0)
    cluster.settle()
    func told(_ index: Int) -> FailoverEngine.Status.VIF? {
      cluster.nodes[index].engine?.status.vifs.first { $0.id == vif(1).id }
    }
    let before = told(0)
    #expect(before?.reason.contains("operator") == true)
    cluster.crash(2)
    cluster.partition(["a", "b"])
    cluster.run(for: .seconds(20))
    cluster.start(2)
    cluster.heal()
    cluster.run(for: .seconds(20))
    let after = told(2)
    #expect(after?.holder?.node == "b")
    #expect(after?.reason == before?.reason)
    let drift = (after?.since ?? .boot) - (before?.since ?? .boot)
    // Ages are told in milliseconds.
    #expect(drift <= .milliseconds(2) && drift >= .milliseconds(-2))
  }

  @Test("A VIF that is moved goes there at once, and balance leaves it there")
  func move() {
    var cluster = settled()
    cluster.command(.move(vif(1).id, to: "b"), 7, at: 0)
    cluster.settle()
    #expect(cluster.nodes[0].answers[7] == .done)
    #expect(cluster.coverage == ["b", "b"])
    cluster.run(for: .seconds(60))
    #expect(cluster.coverage == ["b", "a"], "the other one is moved instead")
    let change = cluster.nodes[1].engine?.status.history.first { $0.reason.contains("operator") }
    #expect(change?.from == cluster.nodes[0].member)
    #expect(change?.to == cluster.nodes[1].member)
    cluster.command(.prefer(vif(1).id, nil), 8, at: 1)
    cluster.settle()
    #expect(cluster.nodes[1].answers[8] == .done)
    #expect(cluster.nodes[0].engine?.status.overrides.isEmpty == true)
    #expect(cluster.violations.isEmpty)
  }

  @Test("What is preferred moves with the next round of balance, or when one is asked for")
  func prefer() {
    var cluster = settled()
    cluster.command(.prefer(vif(1).id, "b"), 1, at: 1)
    cluster.settle()
    #expect(cluster.coverage == ["a", "b"])
    cluster.command(.balance, 2, at: 1)
    cluster.settle()
    #expect(cluster.nodes[1].answers == [1: .done, 2: .done])
    #expect(cluster.coverage[0] == "b")
    #expect(cluster.violations.isEmpty)
  }

  @Test("What cannot be is refused, and says why")
  func refusals() {
    var cluster = settled()
    cluster.command(.move(vif(9).id, to: "b"), 1, at: 0)
    cluster.command(.move(vif(1).id, to: "z"), 2, at: 0)
    cluster.command(.announce(vif(9).id), 3, at: 0)
    cluster.command(.drain, 4, at: 1)
    cluster.settle()
    cluster.command(.move(vif(1).id, to: "b"), 5, at: 0)
    cluster.settle()
    #expect(cluster.nodes[0].answers[1] == .refused(.unknownVIF(vif(9).id)))
    #expect(cluster.nodes[0].answers[2] == .refused(.unknownNode("z")))
    #expect(cluster.nodes[0].answers[3] == .refused(.unknownVIF(vif(9).id)))
    #expect(cluster.nodes[0].answers[5] == .refused(.notEligible("b", "drained")))
    cluster.command(.move(vif(1).id, to: "b"), 6, at: 0)
    cluster.reconnect(0)
    #expect(cluster.nodes[0].answers[6] == .refused(.interrupted))
    cluster.command(.balance, 7, at: 0)
    #expect(cluster.nodes[0].answers[7] == .refused(.notInGroup))
    cluster.feed(.leave, to: 1)
    cluster.command(.balance, 8, at: 1)
    #expect(cluster.nodes[1].answers[8] == .refused(.leaving))
  }

  @Test("A VIF is not preferred at a node that does not know it")
  func preferAtAStranger() {
    var cluster = Cluster(nodes: ["a", "b"], vifs: 2) { name, settings in
      if name == "b" { settings.vifs.removeLast() }
    }
    cluster.heal()
    cluster.run(for: .seconds(30))
    cluster.command(.prefer(vif(2).id, "b"), 1, at: 0)
    cluster.command(.prefer(vif(1).id, "b"), 2, at: 0)
    cluster.settle()
    #expect(
      cluster.nodes[0].answers
        == [1: .refused(.notEligible("b", "not configured with it")), 2: .done]
    )
    #expect(cluster.nodes[0].engine?.status.overrides.map(\.vif) == [vif(1).id])
  }

  @Test("Only the holder announces what an operator asks to be announced")
  func announce() {
    var cluster = settled()
    for index in [0, 1] { cluster.nodes[index].announced = [] }
    cluster.command(.announce(vif(2).id), 1, at: 0)
    cluster.settle()
    #expect(cluster.nodes[0].announced.isEmpty)
    #expect(cluster.nodes[1].announced == [vif(2).id])
    #expect(cluster.nodes[0].answers[1] == .done)
  }

  @Test("At a merge the later of two decisions counts")
  func overridesMerge() {
    var cluster = settled(["a", "b", "c", "d"], vifs: 1)
    cluster.partition(["a", "b"], ["c", "d"])
    cluster.run(for: .seconds(1))
    cluster.command(.prefer(vif(1).id, "a"), 1, at: 0)
    cluster.run(for: .milliseconds(1))
    cluster.command(.prefer(vif(1).id, "d"), 2, at: 2)
    cluster.run(for: .milliseconds(1))
    cluster.command(.prefer(vif(1).id, "c"), 3, at: 2)
    cluster.run(for: .milliseconds(1))
    cluster.heal()
    cluster.run(for: .seconds(30))
    #expect(cluster.coverage == ["c"])
    for node in cluster.nodes {
      #expect(node.engine?.status.overrides.map(\.node) == ["c"])
    }
    #expect(cluster.violations.isEmpty)
  }

  @Test("A reload adds, removes and changes VIFs, and moves nothing that need not move")
  func reload() {
    var cluster = settled(["a", "b"], vifs: 4)
    #expect(cluster.coverage == ["a", "b", "a", "b"])
    let notes = cluster.nodes.map(\.notes.count)
    let other = vif(3, on: "eth1")
    let gone = vif(4).id
    for index in [0, 1] {
      cluster.reload(index, vifs: [vif(1), vif(2), other, vif(5)])
      cluster.feed(.link(interface("eth1"), .up), to: index)
      #expect(cluster.nodes[index].answers[99] == .done)
    }
    cluster.run(for: .seconds(1))
    #expect(cluster.coverage == ["a", "b", "a", ""])
    #expect(cluster.holders(of: vif(5).id).count == 1)
    for (node, before) in zip(cluster.nodes, notes) {
      for note in node.notes.dropFirst(before) {
        guard case .releasing(let vif, _, _) = note else { continue }
        #expect(vif == other.id || vif == gone, "\(node.id) releases \(vif)")
      }
      #expect(node.engine?.status.vifs.map(\.id) == [vif(1).id, vif(2).id, vif(3).id, vif(5).id])
    }
    #expect(cluster.violations.isEmpty)
  }

  @Test("Settings that contradict themselves are refused as a whole")
  func badReload() {
    var cluster = settled()
    var settings = FailoverEngine.Settings(node: "a", group: Cluster.group, vifs: [vif(1)])
    settings.quorum = Quorum(members: 1, isStrict: true)
    cluster.command(.reload(settings), 1, at: 0)
    guard case .refused(.settings(let lines)) = cluster.nodes[0].answers[1] else {
      Issue.record("not refused")
      return
    }
    #expect(lines.count == 1)
    #expect(cluster.nodes[0].engine?.status.vifs.count == 2)
    var elsewhere = FailoverEngine.Settings(node: "b", group: "other", vifs: [vif(1)])
    elsewhere.isShared = true
    cluster.command(.reload(elsewhere), 2, at: 0)
    guard case .refused(.settings(let more)) = cluster.nodes[0].answers[2] else {
      Issue.record("not refused")
      return
    }
    #expect(more.count == 3)
  }
}
