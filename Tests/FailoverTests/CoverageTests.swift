// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import FailoverWire
import GroupModel
import Machine
import Testing

/// Conversations of three servers and six VIFs: who covers what after each thing that happens.
@Suite struct CoverageTests {
  private func settled(vifs: Int = 6) -> Cluster {
    var cluster = Cluster(nodes: ["a", "b", "c"], vifs: vifs)
    cluster.heal()
    cluster.run(for: .seconds(20))
    return cluster
  }

  @Test("A cluster that boots holds nothing until it is mature, then spreads evenly")
  func boot() {
    var cluster = Cluster(nodes: ["a", "b", "c"], vifs: 6)
    cluster.heal()
    cluster.run(for: .milliseconds(4_900))
    #expect(cluster.coverage == ["", "", "", "", "", ""])
    cluster.run(for: .milliseconds(200))
    #expect(cluster.coverage == ["a", "b", "c", "a", "b", "c"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("A departure is covered at the view, with no message at all")
  func departure() {
    var cluster = settled()
    cluster.crash(cluster.index("c"))
    cluster.partition(["a", "b"])
    for index in [0, 1] {
      cluster.deliver(index)
      #expect(cluster.nodes[index].outbox.isEmpty)
    }
    for index in [0, 1] { cluster.completeKernel(index) }
    #expect(cluster.coverage == ["a", "b", "a", "a", "b", "b"])
    cluster.run(for: .seconds(20))
    #expect(cluster.coverage == ["a", "b", "a", "a", "b", "b"])
  }

  @Test("Both sides of a partition cover everything, and at the merge one holder is kept")
  func partitionAndMerge() {
    var cluster = settled()
    cluster.partition(["a"], ["b", "c"])
    cluster.run(for: .seconds(1))
    #expect(cluster.coverage == ["a+b", "a+b", "a+c", "a+c", "a+b", "a+c"])
    for index in cluster.nodes.indices { cluster.nodes[index].announced = [] }
    cluster.heal()
    cluster.run(for: .milliseconds(1))
    #expect(cluster.coverage.allSatisfy { $0.count == 1 })
    #expect(cluster.violations.isEmpty)
    // The keeper, and only it, announces: at once, and when the loser has released.
    for index in cluster.nodes.indices {
      let node = cluster.nodes[index]
      for vif in cluster.vifs {
        let times = node.announced.count { $0 == vif.id }
        #expect(times == (node.present.contains(vif.id) ? 2 : 0))
      }
    }
    cluster.run(for: .seconds(1))
    for node in cluster.nodes {
      for vif in node.present { #expect(node.announced.count { $0 == vif } == 3) }
    }
    cluster.run(for: .seconds(15))
    for name in ["a", "b", "c"] { #expect(cluster.coverage.count { $0 == name } == 2) }
  }

  @Test("A leaving node hands over with one message, and never two hold a VIF")
  func leave() {
    var cluster = settled()
    let a = cluster.index("a")
    cluster.feed(.leave, to: a)
    #expect(cluster.nodes[a].kernel.count == 2)
    cluster.completeKernel(a)
    #expect(cluster.nodes[a].outbox.isEmpty)
    cluster.completeKernel(a)
    #expect(cluster.nodes[a].outbox.count == 1)
    cluster.order(a)
    for index in cluster.nodes.indices { cluster.deliver(index) }
    #expect(cluster.nodes[a].departed)
    for index in cluster.nodes.indices where index != a { cluster.completeKernel(index) }
    #expect(cluster.coverage == ["b", "b", "c", "c", "b", "c"])
    #expect(cluster.violations.isEmpty)
    cluster.partition(["b", "c"])
    cluster.run(for: .seconds(1))
    #expect(cluster.coverage == ["b", "b", "c", "c", "b", "c"])
  }
}
