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
      failed: [],
      known: .of(["n1", "n2", "n3"])
    )
    // Members of a working ring ignore a stranger's join, so it is sent while they gather.
    cluster.crash("n2")
    cluster.advance(.milliseconds(220))
    for _ in 0..<50 {
      cluster.advance(.milliseconds(2))
      cluster.inject(.join(join), to: "n1")
    }
    let ignored = cluster["n1"].engine.statistics.dropped(.foreignJoin)
    #expect(ignored < 50, "some came while it gathered")
    cluster.start(["n2", "n3"])
    cluster.advance(.seconds(5))
    for node in ["n1", "n2", "n3"] as [NodeID] {
      #expect(cluster[node].engine.members == ["n1", "n2", "n3"])
    }
    #expect((cluster["n1"].engine.ring?.sequence ?? .max) < 1 << 43)
  }

  @Test("A member whose ring sequence is far ahead, forged or not, is reached ring by ring")
  func farAhead() {
    var cluster = Cluster(["n1", "n2"])
    cluster.storedBefore = ["n2": 5 << 42]
    cluster.start(["n1", "n2"])
    let isWhole = { (cluster: Cluster) in cluster.isRing(["n1", "n2"]) }
    #expect(cluster.advance(atMost: .seconds(60), until: isWhole) != nil)
  }

  // MARK: - Tokens

  private func formed() -> Cluster {
    var cluster = Cluster(["n1", "n2", "n3"])
    cluster.start(["n1", "n2", "n3"])
    cluster.advance(.seconds(1))
    return cluster
  }

  /// Rewrites the next token on its way to n2, and no other.
  private func rewrite(_ cluster: inout Cluster, _ change: @escaping (inout Token) -> Void) {
    let ring = cluster["n2"].engine.ring
    let hop = (cluster.tokens(of: ring).last?.hop ?? 0) + 3
    cluster.forges = { _, to, packet in
      guard case .token(var token) = packet, token.ring == ring, to == "n2", token.hop >= hop,
        token.hop < hop + 3
      else { return packet }
      change(&token)
      return .token(token)
    }
  }

  /// All are in one ring again, deliver what all three send, and keep the idle token.
  private func expectWell(_ cluster: inout Cluster, after limit: Duration) {
    let isWhole = { (cluster: Cluster) in cluster.isRing(["n1", "n2", "n3"]) }
    #expect(cluster.advance(atMost: limit, until: isWhole) != nil)
    for node in cluster.roster.nodes { cluster.submit("of \(node)", at: node, .safe) }
    cluster.advance(.milliseconds(50))
    for node in cluster.roster.nodes { #expect(cluster.texts(node).suffix(3).count == 3) }
    cluster.advance(.milliseconds(200))
    let calls = cluster.calls
    cluster.advance(.seconds(1))
    #expect(cluster.calls - calls < 1_000, "the token is held when nothing happens")
  }

  @Test("A hop that cannot be the next one is dropped, and not passed on")
  func impossibleHop() {
    var cluster = formed()
    let ring = cluster["n2"].engine.ring
    for hop in [(1 << 62) - 1, 1 << 40, 10_000] as [UInt64] {
      var token = Token(sender: "n1", ring: ring ?? RingID(sequence: 1, representative: "n1"))
      token.hop = hop
      cluster.inject(.token(token), to: "n2")
    }
    #expect(cluster["n2"].engine.statistics.dropped(.implausibleToken) == 3)
    expectWell(&cluster, after: .zero)
    #expect(cluster["n2"].engine.ring == ring)
  }

  @Test("Sums that no member reported are gone a round later, and slow nobody down")
  func forgedSums() {
    var cluster = formed()
    let ring = cluster["n2"].engine.ring
    rewrite(&cluster) {
      $0.lastRound = Token.Report(retransmitted: .max, backlog: .max)
      $0.thisRound = Token.Report(retransmitted: .max, backlog: .max)
    }
    cluster.advance(.seconds(1))
    cluster.forges = { _, _, packet in packet }
    expectWell(&cluster, after: .zero)
    #expect(cluster["n2"].engine.ring == ring)
  }

  @Test("A token that names a stranger, or nobody, still finds a place to rest")
  func forgedRest() {
    var cluster = formed()
    cluster.submit("m", at: "n3")
    cluster.advance(.milliseconds(200))
    // One member is told nobody, the next one somebody, and so on.
    let queue = Names([nil, "n1", "x", "n2", nil, "x"])
    let ring = cluster["n2"].engine.ring
    cluster.forges = { _, _, packet in
      guard case .token(var token) = packet, token.ring == ring, !queue.names.isEmpty else {
        return packet
      }
      token.lastSender = queue.names.removeFirst()
      return .token(token)
    }
    cluster.advance(.seconds(1))
    cluster.forges = { _, _, packet in packet }
    let calls = cluster.calls
    cluster.advance(.seconds(1))
    #expect(cluster.calls - calls < 1_000, "the token is held when nothing happens")
    expectWell(&cluster, after: .seconds(2))
  }

  private final class Names {
    var names: [NodeID?]
    init(_ names: [NodeID?]) { self.names = names }
  }

  @Test("Messages that nobody sent are given up, and with them the ring")
  func forgedSequence() {
    var cluster = formed()
    rewrite(&cluster) { $0.sequence += 100 }
    cluster.advance(.seconds(2))
    cluster.forges = { _, _, packet in packet }
    expectWell(&cluster, after: .seconds(1))
    let gathers = cluster.roster.nodes.map {
      cluster[$0].engine.statistics.gathered(because: .failedToReceive)
    }
    #expect(gathers.reduce(0, +) == 1)
  }

  // MARK: - Recovery

  @Test("A past that nobody has costs no memory, and a ring is formed all the same")
  func forgedPast() {
    var cluster = formed()
    for _ in 0..<10 {
      for node in cluster.roster.nodes {
        cluster.submit(bytes: [UInt8](repeating: 1, count: 1_300), at: node)
      }
      cluster.advance(.milliseconds(5))
    }
    let truth = CommitToken.Past(
      ring: cluster["n1"].engine.ring,
      aru: 30,
      delivered: 30,
      highest: 30,
      received: nil,
      obligations: ["n1"],
      configuration: KnownMembers.of(["n1", "n2", "n3"]).digest
    )
    // n2 is told another past of n1, which itself sees the true one.
    cluster.forges = { _, to, packet in
      guard case .commitToken(var token) = packet, token.hop > 0 else { return packet }
      let past = token.members[0].past
      token.members[0].past =
        to == "n1"
        ? truth
        : CommitToken.Past(
          ring: past?.ring,
          aru: 0,
          delivered: 0,
          highest: WireLimits.sequence - 1,
          received: past?.received,
          obligations: past?.obligations ?? .empty,
          configuration: past?.configuration ?? 0
        )
      return .commitToken(token)
    }
    cluster.crash("n3")
    #expect(cluster.advance(atMost: .seconds(2)) { $0.isRing(["n1", "n2"]) } != nil)
    #expect(cluster["n2"].engine.statistics.rebroadcasts == 0, "what it discarded all hold")
  }

  /// So many strangers.
  private func strangers(_ letter: String, _ count: Int) -> Roster {
    Roster((0..<count).compactMap { NodeID(text: "\(letter)\(1_000 + $0)") })
  }

  @Test("Obligations to strangers bind nobody, and do not grow beyond what can be told")
  func forgedObligations() {
    var cluster = Cluster(["n1", "n2", "n3", "n4"])
    cluster.start(cluster.roster)
    cluster.advance(.seconds(1))
    let home = cluster["n1"].engine.ring?.sequence ?? 0
    let forged = ["n1": strangers("x", 128), "n3": strangers("y", 128)] as [NodeID: Roster]
    // Each is told lies of the others, and sees its own past as it is.
    cluster.forges = { _, to, packet in
      guard case .commitToken(var token) = packet else { return packet }
      for (index, entry) in token.members.enumerated() {
        guard let past = entry.past, let lie = forged[entry.node] else { continue }
        token.members[index].past = CommitToken.Past(
          ring: past.ring,
          aru: past.aru,
          delivered: past.delivered,
          highest: past.highest,
          received: past.received,
          obligations: to == entry.node ? [entry.node] : lie,
          configuration: past.configuration
        )
      }
      return .commitToken(token)
    }
    // They come as far as to promise; then the attempt fails, and they say what they promised.
    cluster.loses = { _, _, packet in
      guard case .token(let token) = packet else { return false }
      return token.ring.sequence > home && token.hop >= 7
    }
    cluster.crash("n4")
    cluster.advance(.milliseconds(450))
    cluster.forges = { _, _, packet in packet }
    cluster.advance(.milliseconds(250))
    cluster.loses = { _, _, _ in false }
    cluster.advance(.seconds(2))
    var told = Roster.empty
    for case .commitToken(let token) in cluster["n2"].sent {
      let own = token.members.first { $0.node == "n2" }
      told = told.union(own?.past?.obligations ?? .empty)
    }
    #expect(told == ["n1", "n2", "n3"])
    #expect(cluster.isRing(["n1", "n2", "n3"]))
  }

  @Test("A backlog that nobody has does not keep members in Recovery")
  func forgedBacklog() {
    var cluster = Cluster(["n1", "n2", "n3"])
    cluster.forges = { _, _, packet in
      guard case .token(var token) = packet, token.hop == 2 else { return packet }
      token.thisRound.backlog += 7
      token.lastRound.backlog += 7
      return .token(token)
    }
    cluster.start(cluster.roster)
    cluster.advance(.milliseconds(100))
    #expect(cluster.isRing(["n1", "n2", "n3"]))
    for node in cluster.roster.nodes {
      #expect(cluster[node].engine.statistics.configurations == 1)
    }
  }

  @Test("A sequence number of the new ring that nobody reaches does not keep them there either")
  func forgedInstallation() {
    var cluster = Cluster(["n1", "n2", "n3"])
    cluster.forges = { _, _, packet in
      guard case .token(var token) = packet, token.hop == 2, token.ring.sequence == 1 else {
        return packet
      }
      token.sequence += 50
      return .token(token)
    }
    cluster.start(cluster.roster)
    cluster.advance(.seconds(2))
    expectWell(&cluster, after: .seconds(1))
  }
}
