// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Ring
import RingWire
import Testing

/// What an attacker can send where `Key = none`: members may lose a ring, but not their ability to
/// form the next.
@Suite("Forged packets")
struct HostileTests {
  @Test("A token that orders 2^61 messages is dropped, and nobody counts up to them")
  func hugeToken() throws {
    var cluster = Cluster(["n1", "n2", "n3"])
    cluster.start(["n1", "n2", "n3"])
    cluster.advance(.seconds(2))
    let ring = try #require(cluster["n2"].engine.ring)
    var token = Token(sender: "n1", ring: ring)
    token.hop = 1 << 40
    token.sequence = 1 << 61
    token.aru = 1 << 61
    cluster.inject(.token(token), to: "n2")
    cluster.advance(.seconds(2))
    #expect(cluster["n2"].engine.ring == ring)
    #expect(cluster["n2"].engine.statistics.dropped(.implausibleToken) == 1)
  }

  @Test("A join with the last ring sequence does not use up all that there are")
  func hugeRingSequence() throws {
    var cluster = Cluster(["n1", "n2", "n3"])
    cluster.start(["n1", "n2"])
    cluster.advance(.seconds(2))
    let join = Join(
      sender: "n3",
      incarnation: Incarnation(7),
      ringSequence: WireLimits.ringSequence - 1,
      considered: ["n1", "n2", "n3"],
      failed: []
    )
    // Members of a working ring ignore a stranger's join, so it is sent while they gather.
    cluster.crash("n2")
    cluster.advance(.milliseconds(320))
    for _ in 0..<50 {
      cluster.inject(.join(join), to: "n1")
      cluster.advance(.milliseconds(5))
    }
    cluster.start(["n2", "n3"])
    cluster.advance(.seconds(5))
    for node in ["n1", "n2", "n3"] as [NodeID] {
      #expect(cluster[node].engine.members == ["n1", "n2", "n3"])
    }
    #expect((cluster["n1"].engine.ring?.sequence ?? .max) < 1 << 50)
  }
}
