// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import FailoverWire
import GroupModel
import Machine
import Testing

/// Interfaces that go down and come back, and members that must not hold.
@Suite struct LinkTests {
  private func settled() -> Cluster {
    var cluster = Cluster(nodes: ["a", "b"], vifs: 2)
    cluster.heal()
    cluster.run(for: .seconds(6))
    #expect(cluster.coverage == ["a", "b"])
    return cluster
  }

  @Test("Loss of carrier releases at once, and one message gives the VIF to another")
  func carrierLost() {
    var cluster = settled()
    cluster.feed(.link(eth0, .noCarrier), to: 0)
    #expect(cluster.nodes[0].kernel.count == 1)
    #expect(cluster.nodes[0].outbox.isEmpty)
    cluster.completeKernel(0)
    #expect(cluster.nodes[0].outbox.count == 1)
    cluster.order(0)
    cluster.deliver(1)
    cluster.completeKernel(1)
    #expect(cluster.coverage == ["b", "b"])
    cluster.settle()
    #expect(cluster.nodes[0].outbox.isEmpty)
    #expect(cluster.violations.isEmpty)
    let status = cluster.nodes[0].engine?.status
    #expect(status?.vifs[0].state == .elsewhere)
    #expect(status?.vifs[0].readiness == .noCarrier)
    #expect(status?.interfaces.map(\.state) == [.noCarrier])
    #expect(status?.interfaces.map(\.held) == [[]])
  }

  @Test("An isolated node without carrier holds nothing, also when it is mature")
  func isolated() {
    var cluster = settled()
    cluster.feed(.link(eth0, .noCarrier), to: 0)
    cluster.partition(["a"], ["b"])
    cluster.run(for: .seconds(10))
    #expect(cluster.coverage == ["b", "b"])
    let status = cluster.nodes[0].engine?.status
    #expect(status?.phase == .running)
    #expect(status?.vifs[0].state == .uncovered)
    #expect(status?.vifs[0].reason == "no member is eligible; here: no carrier")
  }

  @Test("A carrier that returns counts after a settling time")
  func settles() {
    var cluster = settled()
    cluster.feed(.link(eth0, .noCarrier), to: 0)
    cluster.partition(["a"], ["b"])
    cluster.run(for: .seconds(1))
    cluster.feed(.link(eth0, .up), to: 0)
    cluster.run(for: .milliseconds(590))
    #expect(cluster.nodes[0].present.isEmpty)
    cluster.run(for: .milliseconds(20))
    #expect(cluster.nodes[0].present.count == 2)
  }

  @Test("A merge ends the settling time: what the others hold stays there")
  func mergeSettles() {
    var cluster = settled()
    cluster.feed(.link(eth0, .noCarrier), to: 0)
    cluster.partition(["a"], ["b"])
    cluster.run(for: .seconds(1))
    cluster.feed(.link(eth0, .up), to: 0)
    cluster.heal()
    cluster.run(for: .milliseconds(1))
    #expect(cluster.nodes[0].engine?.status.vifs[0].readiness == .ready)
    #expect(cluster.coverage == ["b", "b"])
    cluster.run(for: .seconds(11))
    #expect(cluster.coverage == ["a", "b"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("A fact that changes while tables are exchanged is applied on top of the result")
  func factDuringExchange() {
    var cluster = settled()
    cluster.partition(["a"], ["b"])
    cluster.run(for: .seconds(1))
    cluster.heal()
    cluster.deliver(0)
    cluster.feed(.link(eth0, .down), to: 0)
    while !cluster.nodes[0].kernel.isEmpty { cluster.completeKernel(0) }
    #expect(cluster.nodes[0].outbox.count == 2)
    cluster.settle()
    #expect(cluster.coverage == ["b", "b"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("A lost backend means that everything is released; its return, that all starts anew")
  func disconnected() {
    var cluster = settled()
    cluster.feed(.group(.disconnected(.unreachable("daemon gone"))), to: 0)
    cluster.completeKernel(0)
    #expect(cluster.nodes[0].present.isEmpty)
    #expect(cluster.nodes[0].engine?.status.phase == .disconnected)
    cluster.partition(["b"])
    cluster.run(for: .seconds(1))
    #expect(cluster.coverage == ["b", "b"])
    cluster.feed(.group(.connected(cluster.nodes[0].member)), to: 0)
    cluster.nodes[0].lineage = -1
    cluster.heal()
    cluster.run(for: .seconds(20))
    #expect(cluster.coverage == ["a", "b"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("After a stall nothing is acquired before the ring is known to stand")
  func stalled() {
    var cluster = settled()
    cluster.feed(.group(.liveness(.stalled(.seconds(1)))), to: 1)
    cluster.feed(.link(eth0, .noCarrier), to: 0)
    cluster.run(for: .milliseconds(10))
    #expect(cluster.coverage == ["", "b"])
    // A view that had waited meanwhile may be as old.
    cluster.partition(["b"])
    cluster.run(for: .milliseconds(10))
    #expect(cluster.nodes[1].engine?.status.phase == .running)
    #expect(cluster.coverage == ["", "b"])
    cluster.feed(.group(.liveness(.resumed)), to: 1)
    cluster.run(for: .milliseconds(10))
    #expect(cluster.coverage == ["b", "b"])
  }

  @Test("Leaving with a kernel that hangs, alone, or before the group was joined, ends as well")
  func leaving() {
    var cluster = settled()
    cluster.feed(.leave, to: 0)
    cluster.now += .seconds(1)
    cluster.wake(0)
    #expect(cluster.nodes[0].departed)

    cluster.crash(0)
    cluster.partition(["b"])
    cluster.run(for: .seconds(1))
    cluster.feed(.leave, to: 1)
    cluster.settle()
    #expect(cluster.nodes[1].departed)
    #expect(cluster.coverage == ["", ""])

    cluster.start(0)
    cluster.feed(.leave, to: 0)
    #expect(cluster.nodes[0].departed)

    var engine = FailoverEngine(.init(node: "z", group: Cluster.group, vifs: [vif(1)]))
    var effects = EffectQueue<FailoverEngine.Effect>()
    engine.handle(.leave, at: .boot, into: &effects)
    #expect(effects.takeAll().last == .departed)
  }
}
