// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Ring
import RingWire
import Testing

@Suite("A member that spoils ring formation")
struct SpoilerTests {
  /// A ring of three; from then on no token reaches c, though all else does.
  private func spoiled() -> Cluster {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(cluster.roster)
    cluster.advance(.milliseconds(300))
    spoil(&cluster)
    return cluster
  }

  private func spoil(_ cluster: inout Cluster) {
    cluster.loses = { _, to, packet in
      to == "c" && (packet.kind == .token || packet.kind == .commitToken)
    }
  }

  /// For how long the member left out c, each time.
  private func penalties(_ cluster: Cluster, at node: NodeID = "a") -> [Duration] {
    cluster[node].notes.compactMap {
      if case .leftOut("c", for: let penalty) = $0 { penalty } else { nil }
    }
  }

  @Test("is left out for a second after three times, and the others have peace")
  func leftOut() {
    var cluster = spoiled()
    let time = cluster.advance(atMost: .seconds(10)) { !self.penalties($0).isEmpty }
    #expect(time != nil && penalties(cluster) == [.seconds(1)])
    // The ring of three, then one without c for each time that it spoiled.
    #expect(cluster["a"].engine.statistics.configurations == 4)
    cluster.advance(.milliseconds(990))
    #expect(cluster.isRing(["a", "b"]))
    #expect(cluster["a"].engine.statistics.configurations == 4)
    #expect(cluster["a"].engine.statistics.dropped(.leftOut) > 0)
    cluster.submit("in peace", at: "b", .safe)
    cluster.advance(.milliseconds(5))
    #expect(cluster.texts("a") == ["in peace"])
  }

  @Test("is left out twice as long each time, up to 30 seconds")
  func doubling() {
    var cluster = spoiled()
    let isLongest = { (cluster: Cluster) in self.penalties(cluster).count == 7 }
    #expect(cluster.advance(atMost: .seconds(200), until: isLongest) != nil)
    #expect(penalties(cluster) == [1, 2, 4, 8, 16, 30, 30].map { .seconds($0) })
  }

  @Test("is taken back when it is well, and what it did is forgotten")
  func forgiven() {
    var cluster = spoiled()
    _ = cluster.advance(atMost: .seconds(20)) { self.penalties($0).count == 2 }
    cluster.loses = { _, _, _ in false }
    let isWhole = { (cluster: Cluster) in cluster.isRing(["a", "b", "c"]) }
    let time = cluster.advance(atMost: .seconds(10), until: isWhole)
    #expect(time.map { $0 >= .seconds(2) && $0 < .milliseconds(2_600) } == true)
    spoil(&cluster)
    _ = cluster.advance(atMost: .seconds(20)) { self.penalties($0).count == 3 }
    #expect(penalties(cluster) == [.seconds(1), .seconds(2), .seconds(1)])
  }

  @Test("blames nobody itself: it is alone with what it sees")
  func minority() {
    var cluster = spoiled()
    cluster.advance(.seconds(10))
    let blamed = cluster["c"].notes.contains {
      if case .leftOut = $0 { true } else { false }
    }
    #expect(!blamed)
    #expect(!penalties(cluster).isEmpty)
  }

  @Test(
    "does not keep the others from forming a ring, though it agrees to each and none comes about",
    arguments: 0..<4,
    [PacketKind.token, .commitToken]
  )
  func deadLink(first: Int, kind: PacketKind) {
    var cluster = Cluster(["a", "b", "c", "d"])
    cluster.start(cluster.roster)
    cluster.advance(.milliseconds(300))
    let nodes = cluster.roster.nodes
    let (sender, receiver) = (nodes[first], nodes[(first + 1) % nodes.count])
    cluster.loses = { from, to, packet in
      from == sender && to == receiver && (packet.kind == .token || packet.kind == kind)
    }
    cluster.advance(.milliseconds(500))
    #expect(!cluster.isRing(cluster.roster), "the ring broke")
    let isAtWork = { (cluster: Cluster) in
      cluster.roster.nodes.allSatisfy { cluster[$0].engine.phaseName == .operational }
    }
    #expect(cluster.advance(atMost: .seconds(6), until: isAtWork) != nil)
    #expect(![sender, receiver].allSatisfy { cluster[$0].engine.members.contains(receiver) })
    cluster.loses = { _, _, _ in false }
    let isWhole = { (cluster: Cluster) in cluster.isRing(cluster.roster) }
    #expect(cluster.advance(atMost: .seconds(35), until: isWhole) != nil)
    #expect(Checker(cluster).violations.isEmpty)
  }
}
