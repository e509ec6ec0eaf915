// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import FailoverWire
import GroupModel
import Machine
import Testing

/// Health checks, policies, quorum, and nodes that change too often.
@Suite struct HealthTests {
  private static let http = FailingCheck(name: GroupName("http").name)

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

  @Test("A node whose check fails hands over when its own message is delivered, released first")
  func node() {
    var cluster = settled()
    cluster.feed(.checks([Self.http]), to: 0)
    #expect(cluster.nodes[0].kernel.isEmpty, "local health acts only by its message")
    cluster.settle()
    #expect(cluster.coverage == ["b", "b"])
    let prevented = cluster.nodes[1].engine?.status.vifs[0].prevented
    #expect(prevented?.map(\.reason) == ["health check fails: http"])
    cluster.feed(.checks([]), to: 0)
    cluster.run(for: .seconds(30))
    #expect(cluster.coverage.sorted() == ["a", "b"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("A check of one VIF moves that VIF")
  func oneVIF() {
    var cluster = settled(vifs: 4)
    #expect(cluster.coverage == ["a", "b", "a", "b"])
    let check = FailingCheck(name: GroupName("tcp").name, vifs: [vif(3).id])
    cluster.feed(.checks([check]), to: 0)
    cluster.settle()
    #expect(cluster.coverage == ["a", "b", "b", "b"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("When the checks of all fail, keep leaves the VIFs, and drop releases them")
  func policies() {
    for policy in Policy.allCases {
      var cluster = settled(adjust: { _, settings in settings.policy = policy })
      for index in [0, 1] { cluster.feed(.checks([Self.http]), to: index) }
      cluster.run(for: .seconds(30))
      switch policy {
      case .keep: #expect(cluster.coverage.allSatisfy { ["a", "b"].contains($0) })
      case .drop: #expect(cluster.coverage == ["", ""])
      }
      #expect(cluster.violations.isEmpty)
    }
  }

  @Test("With keep an unhealthy member covers what its holder left, an unplugged one does not")
  func keepCovers() {
    var cluster = settled(["a", "b", "c"], vifs: 3)
    cluster.feed(.link(eth0, .noCarrier), to: 2)
    for index in [0, 1] { cluster.feed(.checks([Self.http]), to: index) }
    cluster.run(for: .seconds(30))
    #expect(cluster.coverage.allSatisfy { ["a", "b"].contains($0) })
    cluster.crash(0)
    cluster.partition(["b", "c"])
    cluster.settle()
    #expect(cluster.coverage == ["b", "b", "b"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("The settings of the lowest mature member hold for all, and differences are shown")
  func owner() {
    var cluster = settled(adjust: { node, settings in
      settings.policy = node == "a" ? .drop : .keep
    })
    for index in [0, 1] { cluster.feed(.checks([Self.http]), to: index) }
    cluster.settle()
    #expect(cluster.coverage == ["", ""])
    let status = cluster.nodes[1].engine?.status
    #expect(status?.shared?.owner == cluster.nodes[0].member)
    #expect(status?.members.map(\.differences) == [[], ["another Policy"]])
    cluster.crash(0)
    cluster.partition(["b"])
    cluster.settle()
    #expect(cluster.coverage == ["b", "b"])
  }

  @Test("A node that changes too often rests, longer every time, and then takes part again")
  func flapping() {
    var cluster = settled()
    func flap(_ times: Int) {
      for turn in 0..<times {
        cluster.feed(.checks(turn.isMultiple(of: 2) ? [Self.http] : []), to: 0)
        cluster.run(for: .milliseconds(100))
      }
    }
    flap(6)
    #expect(cluster.nodes[0].engine?.status.vifs[0].readiness == .flapping)
    #expect(cluster.nodes[0].notes.contains(.flapping(.seconds(30))))
    cluster.run(for: .seconds(29))
    #expect(cluster.coverage == ["b", "b"])
    cluster.run(for: .seconds(30))
    #expect(cluster.coverage.sorted() == ["a", "b"])
    flap(6)
    #expect(cluster.nodes[0].notes.contains(.flapping(.seconds(60))))
    cluster.run(for: .seconds(90))
    #expect(cluster.coverage.sorted() == ["a", "b"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("Where all rest, the VIFs stay covered, also with policy drop, unless a check fails")
  func allRest() {
    var cluster = settled { _, settings in settings.policy = .drop }
    for turn in 0..<6 {
      for node in [0, 1] {
        cluster.feed(.checks(turn.isMultiple(of: 2) ? [Self.http] : []), to: node)
      }
      cluster.run(for: .milliseconds(100))
    }
    cluster.settle()
    for node in [0, 1] {
      #expect(cluster.nodes[node].engine?.status.vifs[0].readiness == .flapping)
    }
    #expect(!cluster.coverage.contains(""))
    for node in [0, 1] { cluster.feed(.checks([Self.http]), to: node) }
    cluster.settle()
    #expect(cluster.coverage == ["", ""])
    #expect(cluster.violations.isEmpty)
  }

  @Test("A component without the quorum releases all at the view, and one with it covers all")
  func quorum() {
    var cluster = settled(["a", "b", "c"], vifs: 3) { _, settings in
      settings.quorum = .majority(of: 3)
    }
    #expect(cluster.coverage == ["a", "b", "c"])
    cluster.partition(["a"], ["b", "c"])
    cluster.run(for: .milliseconds(1))
    #expect(cluster.holders(of: vif(1).id) == ["b"])
    #expect(cluster.coverage.allSatisfy { $0.count == 1 })
    #expect(cluster.nodes[0].engine?.status.shared?.hasQuorum == false)
    #expect(cluster.nodes[0].engine?.status.vifs[0].reason.contains("too few members") == true)
    cluster.heal()
    cluster.run(for: .seconds(30))
    #expect(cluster.coverage.sorted() == ["a", "b", "c"])
    #expect(cluster.violations.isEmpty)
  }

  @Test("Strict quorum waits for the lease of a member that vanished, not of one that left or died")
  func strict() {
    func cluster() -> Cluster {
      settled(["a", "b", "c"], vifs: 3) { _, settings in
        settings.quorum = .majority(of: 3, isStrict: true)
        settings.lease = .seconds(3)
      }
    }
    var vanished = cluster()
    vanished.crash(0)
    vanished.partition(["b", "c"])
    vanished.run(for: .milliseconds(4_000))
    #expect(vanished.coverage[0] == "")
    #expect(vanished.nodes[1].engine?.status.vifs[0].fencedUntil != nil)
    vanished.run(for: .milliseconds(200))
    #expect(vanished.coverage[0] == "b")
    var left = cluster()
    left.feed(.leave, to: 0)
    left.settle()
    left.partition(["b", "c"])
    left.settle()
    #expect(left.coverage[0] != "")
    var died = cluster()
    died.crash(0)
    for index in [1, 2] { died.feed(.obituary("a"), to: index) }
    died.partition(["b", "c"])
    died.settle()
    #expect(died.coverage[0] == "b")
    for cluster in [vanished, left, died] { #expect(cluster.violations.isEmpty) }
  }

  @Test("A newcomer that is given a fenced VIF waits as long as the others")
  func fenceTold() {
    var cluster = settled(["a", "b", "c", "d"], vifs: 1) { node, settings in
      settings.quorum = Quorum(members: 2, isStrict: true)
      settings.lease = .seconds(3)
      settings.prefers = node == "d" ? [vif(1).id] : []
    }
    #expect(cluster.coverage == ["d"])
    cluster.crash(3)
    cluster.partition(["a", "b", "c"])
    cluster.run(for: .seconds(1))
    cluster.start(3)
    cluster.heal()
    cluster.run(for: .milliseconds(3_000))
    #expect(cluster.coverage == [""])
    cluster.run(for: .seconds(2))
    #expect(cluster.coverage != [""])
    #expect(cluster.violations.isEmpty)
  }

  @Test("A node that lost its backend releases, or keeps what it has if it is told to")
  func backendLoss() {
    for loss in [FailoverEngine.BackendLoss.release, .keep] {
      var cluster = settled(adjust: { _, settings in settings.onBackendLoss = loss })
      cluster.feed(.group(.disconnected(.unreachable("gone"))), to: 0)
      cluster.nodes[0].inbox = []
      cluster.nodes[0].configuration = nil
      cluster.nodes[0].installed = nil
      while !cluster.nodes[0].kernel.isEmpty { cluster.completeKernel(0) }
      switch loss {
      case .release: #expect(cluster.nodes[0].present.isEmpty)
      case .keep: #expect(cluster.nodes[0].present == [vif(1).id])
      }
      cluster.feed(.group(.connected(cluster.nodes[0].member)), to: 0)
      cluster.nodes[0].lineage = cluster.newLineage()
      cluster.heal()
      cluster.run(for: .seconds(30))
      #expect(cluster.coverage.sorted() == ["a", "b"])
      #expect(cluster.violations.isEmpty)
    }
  }
}
