// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import FailoverWire
import GroupModel
import Machine
import Testing

/// Changes of holder within a view: release before acquire, and everything that can cut it short.
@Suite struct MoveTests {
  /// Two members of which `a` holds both VIFs, and a round of balance that is ordered but not yet
  /// delivered: it moves 10.0.0.101 from `a` to `b`.
  private func balancing() -> Cluster {
    var cluster = Cluster(nodes: ["a", "b"], vifs: 2)
    cluster.partition(["a"])
    cluster.run(for: .seconds(6))
    cluster.heal()
    cluster.run(for: .seconds(1))
    #expect(cluster.coverage == ["a", "a"])
    cluster.now += .seconds(10)
    cluster.wake(0)
    cluster.wake(1)
    #expect(cluster.nodes.map(\.outbox.count) == [1, 0])
    cluster.order(0)
    return cluster
  }

  @Test("The new holder acquires when the old one's kernel has acknowledged, not before")
  func releaseBeforeAcquire() {
    var cluster = balancing()
    cluster.deliver(1)
    #expect(cluster.nodes[1].kernel.isEmpty)
    cluster.deliver(0)
    #expect(cluster.nodes[0].kernel.count == 1)
    #expect(cluster.nodes[0].outbox.isEmpty, "released is told before the kernel said so")
    cluster.completeKernel(0)
    cluster.order(0)
    #expect(cluster.nodes[1].kernel.isEmpty)
    cluster.deliver(1)
    #expect(cluster.nodes[1].kernel.count == 1)
    cluster.completeKernel(1)
    #expect(cluster.coverage == ["b", "a"])
    #expect(cluster.violations.isEmpty)
    #expect(cluster.nodes[1].announced == [vif(1).id])
  }

  @Test("While a VIF is on its way both members say so")
  func movingStatus() {
    var cluster = balancing()
    cluster.deliver(0)
    cluster.deliver(1)
    for node in cluster.nodes {
      let status = node.engine?.status.vifs.first
      #expect(status?.state == .moving)
      #expect(status?.holder == cluster.nodes[1].member)
      #expect(status?.reason == "balance")
    }
  }

  @Test("Between the transitional signal and the view nothing is acquired")
  func signalled() {
    var cluster = balancing()
    cluster.deliver(0)
    cluster.deliver(1)
    cluster.completeKernel(0)
    cluster.order(0)
    cluster.feed(.group(.transitional(Cluster.group)), to: 1)
    cluster.deliver(1)
    #expect(cluster.nodes[1].kernel.isEmpty, "others may not have seen it")
    cluster.crash(0)
    cluster.partition(["b"])
    cluster.settle()
    #expect(cluster.coverage == ["b", "b"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("If the old holder is gone, the new one acquires at the view")
  func fromGone() {
    var cluster = balancing()
    cluster.deliver(0)
    cluster.deliver(1)
    cluster.crash(0)
    cluster.partition(["b"])
    cluster.deliver(1)
    cluster.completeKernel(1)
    cluster.completeKernel(1)
    #expect(cluster.coverage == ["b", "b"])
  }

  @Test("If the new holder is gone, the VIF is given out after the old one's release")
  func toGone() {
    var cluster = balancing()
    cluster.deliver(0)
    cluster.deliver(1)
    cluster.crash(1)
    cluster.partition(["a"])
    cluster.deliver(0)
    #expect(cluster.nodes[0].kernel.count == 1)
    cluster.run(for: .milliseconds(1))
    #expect(cluster.coverage == ["a", "a"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("A removal that takes 2 s is cancelled, and the old holder puts back what it removed")
  func cancelled() {
    var cluster = balancing()
    cluster.deliver(0)
    cluster.deliver(1)
    cluster.now += .seconds(2)
    cluster.wake(0)
    cluster.wake(1)
    #expect(cluster.nodes[1].engine?.status.degraded.count == 1)
    #expect(cluster.nodes.map(\.outbox.count) == [1, 0])
    cluster.order(0)
    cluster.deliver(0)
    cluster.deliver(1)
    // The kernel comes round at last.
    cluster.completeKernel(0)
    #expect(cluster.nodes[0].kernel.count == 1)
    cluster.settle()
    #expect(cluster.coverage == ["a", "a"])
    cluster.run(for: .seconds(5))
    #expect(cluster.coverage == ["a", "a"], "it is not moved again before something changes")
    #expect(cluster.violations.isEmpty)
  }

  @Test("Of released and cancel the first in the order wins")
  func releasedBeforeCancel() {
    var cluster = balancing()
    cluster.deliver(0)
    cluster.deliver(1)
    cluster.completeKernel(0)
    cluster.now += .seconds(2)
    cluster.wake(0)
    #expect(cluster.nodes[0].outbox.count == 2)
    cluster.settle()
    #expect(cluster.coverage == ["b", "a"])
    #expect(cluster.nodes[1].engine?.status.dropped.staleMove == 1)
    #expect(cluster.violations.isEmpty)
  }

  @Test("A removal that the kernel refuses leaves the VIF where it is")
  func moveFailed() {
    var cluster = balancing()
    cluster.nodes[0].refusesToRemove = [vif(1).id]
    cluster.run(for: .milliseconds(100))
    #expect(cluster.coverage == ["a", "a"])
    #expect(cluster.nodes[1].engine?.status.degraded.isEmpty == false)
    cluster.nodes[0].refusesToRemove = []
    cluster.run(for: .seconds(3))
    #expect(cluster.coverage == ["a", "a"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("A VIF that the kernel refuses goes to another member, and is tried again later")
  func cannotHold() {
    var cluster = Cluster(nodes: ["a", "b"], vifs: 1)
    cluster.nodes[0].refusesToAdd = [vif(1).id]
    cluster.heal()
    cluster.run(for: .seconds(6))
    #expect(cluster.coverage == ["b"])
    let status = cluster.nodes[0].engine?.status
    #expect(status?.vifs[0].readiness == .cannotHold)
    #expect(status?.degraded == ["10.0.0.101: the kernel refuses it"])
    cluster.nodes[0].refusesToAdd = []
    cluster.run(for: .seconds(61))
    #expect(cluster.nodes[0].engine?.status.vifs[0].readiness == .ready)
    #expect(cluster.coverage == ["b"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("A balance of another view, or of another than the representative, moves nothing")
  func staleBalance() {
    var cluster = balancing()
    cluster.settle()
    let move = BalanceReport.Move(
      vif: vif(2).id,
      from: cluster.nodes[0].member,
      to: cluster.nodes[1].member
    )
    let now = cluster.nodes[0].installed ?? ViewID(epoch: 0, origin: 0, index: 0)
    let past = ViewID(epoch: 1, origin: 0, index: 1)
    for (view, sender) in [(past, 0), (now, 1)] {
      let report = FailoverMessage.balance(BalanceReport(view: view, moves: [move]))
      cluster.nodes[sender].outbox.append(report.encoded())
      cluster.settle()
    }
    #expect(cluster.coverage == ["b", "a"])
    #expect(cluster.nodes[0].engine?.status.dropped.staleView == 1)
    #expect(cluster.nodes[0].engine?.status.dropped.notEntitled == 1)
  }

  @Test("Loads follow the weights, at most so many moves per round")
  func weights() {
    var cluster = Cluster(nodes: ["a", "b"], vifs: 6) { node, settings in
      settings.weight = node == "b" ? 2 : 1
      settings.acquisitionsPerRound = 1
    }
    cluster.partition(["a"])
    cluster.run(for: .seconds(6))
    cluster.heal()
    cluster.run(for: .milliseconds(9_900))
    #expect(cluster.coverage.count { $0 == "b" } == 0)
    for round in 1...4 {
      cluster.run(for: .seconds(10))
      #expect(cluster.coverage.count { $0 == "b" } == round)
    }
    cluster.run(for: .seconds(30))
    #expect(cluster.coverage.count { $0 == "b" } == 4)
    #expect(cluster.violations.isEmpty)
  }
}
