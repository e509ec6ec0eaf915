// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import FailoverWire
import GroupModel
import Machine
import Testing

/// Members from elsewhere, and messages that must not be acted on.
@Suite struct ExchangeTests {
  @Test("Only the lowest member of each synced set speaks")
  func oneReportPerSet() {
    var cluster = Cluster(nodes: ["a", "b", "c", "d"], vifs: 4)
    cluster.partition(["a", "b"], ["c", "d"])
    cluster.run(for: .seconds(6))
    cluster.heal()
    for index in cluster.nodes.indices { cluster.deliver(index) }
    #expect(cluster.nodes.map(\.outbox.count) == [1, 0, 1, 0])
    cluster.settle()
    #expect(cluster.coverage.allSatisfy { $0.count == 1 })
  }

  @Test("{a b} and {c d}, cut down to {a c} before they agreed, do not take their tables for equal")
  func cutExchange() {
    var cluster = Cluster(nodes: ["a", "b", "c", "d"], vifs: 4)
    cluster.partition(["a", "b"], ["c", "d"])
    cluster.run(for: .seconds(6))
    cluster.heal()
    for index in cluster.nodes.indices { cluster.deliver(index) }
    cluster.crash(1)
    cluster.crash(3)
    cluster.partition(["a", "c"])
    cluster.deliver(0)
    cluster.deliver(2)
    #expect(cluster.nodes[0].engine?.status.phase == .exchanging)
    #expect(cluster.nodes[2].engine?.status.phase == .exchanging)
    cluster.settle()
    #expect(cluster.coverage == ["a", "a", "c", "c"])
    #expect(cluster.nodes[0].engine?.replicated == cluster.nodes[2].engine?.replicated)
    #expect(cluster.violations.isEmpty)
  }

  @Test("A loser of a merge that becomes the holder again before it released is not forgotten")
  func reelectedLoser() {
    var cluster = Cluster(nodes: ["a", "b", "c"], vifs: 1)
    cluster.partition(["b"], ["c"])
    cluster.run(for: .seconds(6))
    cluster.partition(["b", "c"])
    for index in [1, 2] { cluster.deliver(index) }
    for index in [1, 2] { cluster.order(index) }
    for index in [1, 2, 1, 2] { cluster.deliver(index) }
    // b keeps it, c is to remove it; then b cannot hold it either, and both kernels are slow.
    #expect(cluster.nodes[2].kernel.count == 1)
    cluster.feed(.link(eth0, .noCarrier), to: 1)
    cluster.now += .milliseconds(500)
    cluster.wake(1)
    cluster.order(1)
    for index in [1, 2] { cluster.deliver(index) }
    #expect(cluster.nodes[2].engine?.status.vifs[0].holder == cluster.nodes[2].member)
    cluster.heal()
    for index in [0, 1, 2] { cluster.deliver(index) }
    for index in [0, 1, 2] where !cluster.nodes[index].outbox.isEmpty { cluster.order(index) }
    for _ in 0..<2 { for index in [0, 1, 2] { cluster.deliver(index) } }
    // The keeper's kernel is first.
    cluster.completeKernel(1)
    while !cluster.nodes[1].outbox.isEmpty { cluster.order(1) }
    for _ in 0..<3 { for index in [0, 1, 2] { cluster.deliver(index) } }
    cluster.run(for: .seconds(1))
    #expect(cluster.violations.isEmpty)
    #expect(cluster.coverage[0].count == 1)
  }

  @Test("A state of another view is dropped and counted, and the exchange waits on")
  func stateOfAnotherView() {
    var cluster = Cluster(nodes: ["a", "b"], vifs: 1)
    cluster.heal()
    cluster.deliver(0)
    let b = cluster.nodes[1].member
    let record = MemberRecord(member: b, mature: true, facts: Facts(vifs: []))
    let foreign = StateReport(
      view: ViewID(epoch: 99, origin: 0, index: 1),
      records: [record],
      lastMove: MoveID(0),
      claims: []
    )
    cluster.feed(.group(.message(message(.state(foreign), from: b))), to: 0)
    cluster.order(0)
    cluster.deliver(0)
    #expect(cluster.nodes[0].engine?.status.phase == .exchanging)
    #expect(cluster.nodes[0].engine?.status.dropped.staleView == 1)
  }

  @Test("A state that speaks for others than it may is dropped", arguments: [0, 1, 2])
  func contradiction(variant: Int) {
    var cluster = Cluster(nodes: ["a", "b", "c"], vifs: 1)
    cluster.heal()
    cluster.deliver(0)
    let members = cluster.nodes.map(\.member)
    let stranger = MemberID(node: "z", process: NodeID("z").name)
    let spoken = [[members[0], members[1]], [members[1], stranger], [members[2]]][variant]
    let report = StateReport(
      view: cluster.nodes[0].installed ?? ViewID(epoch: 0, origin: 0, index: 0),
      records: spoken.map { MemberRecord(member: $0, mature: true, facts: Facts(vifs: [])) },
      lastMove: MoveID(0),
      claims: []
    )
    let sender = variant == 0 ? members[0] : members[1]
    cluster.feed(.group(.message(message(.state(report), from: sender))), to: 0)
    #expect(cluster.nodes[0].engine?.status.dropped.contradiction == 1)
  }

  @Test("A mature member matures a newcomer, and the holders need not announce for it")
  func newcomer() {
    var cluster = Cluster(nodes: ["a", "b"], vifs: 2)
    cluster.partition(["a"])
    cluster.run(for: .seconds(8))
    cluster.nodes[0].announced = []
    cluster.heal()
    cluster.run(for: .milliseconds(1))
    #expect(cluster.nodes[1].engine?.status.phase == .running)
    #expect(cluster.nodes[0].announced.isEmpty)
    #expect(cluster.coverage == ["a", "a"])
  }

  @Test("Views of a backend that cannot tell who came together are exchanged by everybody")
  func withoutCameTogether() {
    var cluster = Cluster(nodes: ["a", "b"], vifs: 2)
    cluster.heal()
    cluster.run(for: .seconds(6))
    let view = GroupView(
      group: Cluster.group,
      id: ViewID(epoch: 50, origin: 0, index: 1),
      members: cluster.nodes.map(\.member),
      cameTogether: nil,
      cause: .network
    )
    for index in [0, 1] {
      cluster.feed(.group(.view(view)), to: index)
      #expect(cluster.nodes[index].engine?.status.phase == .exchanging)
    }
    cluster.settle()
    #expect(cluster.coverage == ["a", "b"])
    #expect(cluster.nodes.allSatisfy { $0.engine?.status.phase == .running })
  }

  @Test("What is no message of this group's members is counted by its reason")
  func drops() {
    var cluster = Cluster(nodes: ["a"], vifs: 1)
    cluster.heal()
    cluster.run(for: .seconds(6))
    let a = cluster.nodes[0].member
    let stranger = MemberID(node: "z", process: NodeID("z").name)
    cluster.feed(.group(.message(message(.mature, from: stranger))), to: 0)
    cluster.feed(.group(.message(message(.released(vif(1).id, MoveID(7)), from: a))), to: 0)
    for payload in [[9], [2, 99, 0]] as [[UInt8]] {
      let raw = GroupMessage(
        sender: a,
        groups: [Cluster.group],
        service: .agreed,
        payload: payload[...]
      )
      cluster.feed(.group(.message(raw)), to: 0)
    }
    let elsewhere = GroupMessage(sender: a, groups: ["other"], service: .agreed, payload: [])
    cluster.feed(.group(.message(elsewhere)), to: 0)
    cluster.feed(.acquired(vif(1).id, .done), to: 0)
    var expected = FailoverEngine.Drops()
    expected.stranger = 1
    expected.staleMove = 1
    expected.malformed = 1
    expected.unknownKind = 1
    expected.foreignGroup = 1
    expected.unexpectedCompletion = 1
    #expect(cluster.nodes[0].engine?.status.dropped == expected)
    #expect(cluster.coverage == ["a"])
  }

  @Test("A request that the port was too busy for is made again")
  func congested() {
    var settings = FailoverEngine.Settings(node: "a", group: Cluster.group, vifs: [vif(1)])
    settings.mature = .zero
    var engine = FailoverEngine(settings)
    var effects = EffectQueue<FailoverEngine.Effect>()
    let me = MemberID(node: "a", process: NodeID("a").name)
    engine.handle(.group(.connected(me)), at: .boot, into: &effects)
    #expect(effects.takeAll().contains(.request(.join(Cluster.group))))
    engine.handle(.refused(.join(Cluster.group), .congested), at: .boot, into: &effects)
    #expect(effects.takeAll().isEmpty)
    let due = engine.nextDeadline
    #expect(due == .boot + .milliseconds(10))
    engine.advance(to: .boot + .milliseconds(10), into: &effects)
    #expect(effects.takeAll() == [.request(.join(Cluster.group))])
    #expect(engine.nextDeadline == nil)
  }

  private func message(_ message: FailoverMessage, from sender: MemberID) -> GroupMessage {
    GroupMessage(
      sender: sender,
      groups: [Cluster.group],
      service: .agreed,
      payload: message.encoded()[...]
    )
  }
}
