// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Ring
import Testing

@Suite("A loop that did not run for too long")
struct StallTests {
  /// Calls the engine at its deadlines up to `end`, and drains its sockets when it asks.
  private func run(_ engine: inout RingEngine, until end: Instant) -> (calls: Int, at: Instant) {
    var effects = EffectQueue<RingEngine.Effect>()
    var calls = 0
    var now = Instant.boot
    while calls < 10_000, let deadline = engine.nextDeadline, deadline <= end {
      now = max(now, deadline)
      engine.advance(to: now, into: &effects)
      while effects.takeAll().contains(.drain) { engine.handle(.drained, at: now, into: &effects) }
      calls += 1
    }
    return (calls, now)
  }

  @Test("is one stall, after which time goes on")
  func once() {
    var engine = RingEngine(
      settings: .init(me: "n1", configured: ["n1", "n2"], timers: .lan),
      storedSequenceBound: 10_000,
      random: SplitMix64(seed: 1),
      startingAt: .boot
    )
    var effects = EffectQueue<RingEngine.Effect>()
    engine.handle(.stored(bound: 20_000), at: .boot, into: &effects)
    #expect(run(&engine, until: .boot + .seconds(1)).calls < 1_000)
    #expect(engine.members == ["n1"])
    let late = Instant.boot + .seconds(9)
    engine.advance(to: late, into: &effects)
    #expect(effects.takeAll().contains(.drain))
    engine.handle(.drained, at: late, into: &effects)
    engine.advance(to: late + .milliseconds(1), into: &effects)
    #expect(!effects.takeAll().contains(.drain))
    #expect(engine.statistics.stalls == 1)
    let deadline = engine.nextDeadline
    #expect(deadline.map { $0 > late } ?? false)
  }

  /// What a member was told and handed, as short words; the proofs that the ring turns count too.
  private func words(_ cluster: Cluster, at node: NodeID) -> [String] {
    cluster.record.compactMap { entry in
      guard entry.node == node else { return nil }
      switch entry.effect {
      case .liveness(.stalled): return "stalled"
      case .liveness(.resumed): return "resumed"
      case .liveness(.votedOut): return "voted out"
      case .liveness(.rotation): return "rotation"
      case .deliver(.message): return "message"
      default: return nil
      }
    }
  }

  @Test("In a larger ring nothing above acts before the own token is back", arguments: [2, 3, 5])
  func resumed(count: Int) {
    let members = Roster((["a", "b", "c", "d", "e"] as Roster).nodes.prefix(count))
    var cluster = Cluster(members)
    cluster.start(members)
    cluster.advance(.milliseconds(300))
    for node in members.nodes {
      cluster.submit("\(node)", at: node, .safe)
      cluster.pause(node, for: .seconds(1))
    }
    cluster.advance(.seconds(2))
    #expect(cluster.isRing(members))
    for node in members.nodes {
      let statistics = cluster[node].engine.statistics
      #expect(statistics.configurations == 1 && statistics.stalls == 1 && statistics.votedOut == 0)
      let words = words(cluster, at: node)
      let since = words.drop { $0 != "stalled" }
      #expect(since.prefix(2) == ["stalled", "resumed"], "\(since.prefix(4))")
      #expect(!words.prefix { $0 != "stalled" }.contains("message"))
      #expect(since.filter { $0 == "message" }.count == count)
    }
  }

  @Test("A member whose ring is gone when it runs again, with nobody left, gathers by itself")
  func othersGone() {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(cluster.roster)
    cluster.advance(.milliseconds(300))
    cluster.pause("c", for: .seconds(1))
    cluster.crash("a")
    cluster.crash("b")
    cluster.advance(.seconds(1) + .milliseconds(249))
    // It drained its sockets and found nothing: it waits one token time-out for its token.
    #expect(cluster["c"].engine.phaseName == .operational)
    #expect(words(cluster, at: "c").last == "stalled")
    cluster.advance(.milliseconds(400))
    #expect(cluster.story("c") == ["R{a b c}", "T{c}", "R{c}"])
    #expect(cluster["c"].engine.statistics.gathered(because: .tokenLost) == 1)
    #expect(cluster["c"].engine.statistics.votedOut == 0)
  }
}
