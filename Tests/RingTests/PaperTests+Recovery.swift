// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Ring
import RingWire
import Testing

/// From one ring to the next (TOCS 1995, section 5; ICDCS 1994).
extension PaperTests {
  /// A message of a that nobody else got, one of d behind it that all got; then a is gone.
  private func afterHole() -> Cluster {
    var cluster = formed(["a", "b", "c", "d"])
    cluster.loses = { from, _, packet in packet.kind == .data && from == "a" }
    cluster.submit("lost", at: "a")
    _ = cluster.advance(atMost: .seconds(1)) { $0.texts("a") == ["lost"] }
    cluster.submit("kept", at: "d")
    _ = cluster.advance(atMost: .milliseconds(20)) { $0["d"].engine.backlog == 0 }
    cluster.advance(.microseconds(150))
    cluster.crash("a")
    cluster.loses = { _, _, _ in false }
    return cluster
  }

  @Test("Recovery.Exchange: messages that one holds and others lack are sent on the new ring")
  func exchange() {
    var cluster = formed(["a", "b", "c", "d"])
    // b alone gets both messages of a, which then dies.
    cluster.loses = { from, to, packet in packet.kind == .data && from == "a" && to != "b" }
    cluster.submit("one", at: "a")
    cluster.submit("two", at: "a", .safe)
    _ = cluster.advance(atMost: .seconds(1)) { $0["a"].engine.backlog == 0 }
    cluster.advance(.microseconds(150))
    cluster.crash("a")
    cluster.advance(.seconds(1))
    for node in ["b", "c", "d"] as [NodeID] {
      #expect(
        cluster.story(node) == ["R{a b c d}", "one", "T{b c d}", "two", "R{b c d}"]
      )
    }
    #expect(cluster["b"].engine.statistics.rebroadcasts == 2)
    #expect(cluster["c"].engine.statistics.rebroadcasts == 0)
  }

  @Test("Recovery.Complete: no member installs before two visits after everything was exchanged")
  func installation() {
    var cluster = Cluster(["a", "b", "c"])
    // a sees the exchange complete at its second visit, at hop 3: at hop 6 it may not install yet.
    cluster.loses = { _, _, packet in
      if case .token(let token) = packet { token.hop >= 7 } else { false }
    }
    cluster.start(cluster.roster)
    cluster.advance(.milliseconds(100))
    for node in cluster.roster.nodes { #expect(cluster[node].engine.phaseName == .recovery) }
  }

  @Test("Recovery.Deliver: what one of those who go on has delivered as safe is so for all")
  func exchangedValues() {
    var cluster = formed(["a", "b", "c", "d"])
    cluster.submit("safe", at: "a", .safe)
    let first = cluster.advance(atMost: .seconds(1)) { $0.texts("a") == ["safe"] }
    let ring = cluster["a"].engine.ring
    #expect(first != nil && cluster.texts("b").isEmpty && cluster.texts("c").isEmpty)
    cluster.crash("d")
    cluster.loses = { _, _, packet in
      if case .token(let token) = packet { token.ring == ring } else { false }
    }
    cluster.advance(.seconds(1))
    for node in ["a", "b", "c"] as [NodeID] {
      #expect(cluster.story(node) == ["R{a b c d}", "safe", "T{a b c}", "R{a b c}"])
    }
  }

  @Test("Recovery.Obligation: what a failed attempt promised to deliver, the next one delivers")
  func obligation() {
    var cluster = afterHole()
    // b, c and d have set their flags by hop 6; from there on the token gets lost, and d dies.
    cluster.loses = { _, _, packet in
      guard case .token(let token) = packet else { return false }
      return token.hop >= 7
    }
    #expect(
      cluster.advance(atMost: .seconds(1)) { cluster in
        ["b", "c", "d"].allSatisfy { cluster[$0].engine.phaseName == .recovery }
      } != nil
    )
    cluster.advance(.milliseconds(20))
    cluster.crash("d")
    cluster.loses = { _, _, _ in false }
    let rebroadcasts = cluster["b"].engine.statistics.rebroadcasts
    cluster.advance(.seconds(2))
    for node in ["b", "c"] as [NodeID] {
      #expect(cluster.story(node) == ["R{a b c d}", "T{b c}", "kept", "R{b c}"])
    }
    #expect(cluster["b"].engine.statistics.rebroadcasts == rebroadcasts, "all had their flags")
  }

  @Test("Total.NoGaps: a message behind a hole whose sender does not come along is dropped")
  func withoutObligation() {
    var cluster = afterHole()
    cluster.crash("d")
    cluster.advance(.seconds(2))
    for node in ["b", "c"] as [NodeID] {
      #expect(cluster.story(node) == ["R{a b c d}", "T{b c}", "R{b c}"])
    }
  }
}
