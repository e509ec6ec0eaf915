// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Ring
import RingWire
import Testing

/// The ring in operation (TOCS 1995, section 3; ICDCS 2016).
extension PaperTests {
  /// A message that fills a packet.
  private func full(_ letter: String) -> String { String(repeating: letter, count: 1_300) }

  @Test("Basic.Integrity: large messages sent at once are each put together from their own parts")
  func largeMessages() {
    var cluster = formed()
    for node in cluster.roster.nodes {
      cluster.submit(String(repeating: node.description, count: 150_000), at: node)
    }
    cluster.advance(.milliseconds(100))
    for node in cluster.roster.nodes {
      let texts = cluster.texts(node)
      #expect(texts.count == 3 && texts == cluster.texts("a"))
      #expect(texts.allSatisfy { $0.count == 150_000 && Set($0).count == 1 })
      #expect(cluster[node].engine.statistics.dropped(.brokenFragment) == 0)
    }
  }

  @Test(
    "Fragmentation: messages of 16 MiB arrive whole from two senders at once, longer ones are refused"
  )
  func longest() {
    let members: Roster = ["a", "b", "c"]
    var cluster = Cluster(members)
    cluster.settings = {
      var settings = RingEngine.Settings(me: $0, configured: members, timers: .lan)
      settings.datagramBudget = 8_900
      return settings
    }
    cluster.start(members)
    cluster.advance(.milliseconds(300))
    cluster.lossPerMille = 2
    let sent = Dictionary(
      uniqueKeysWithValues: (["a", "b"] as [NodeID]).map { node in
        var bytes = [UInt8](repeating: node == "a" ? 1 : 2, count: 16 << 20)
        for place in stride(from: 0, to: bytes.count, by: 1_000) {
          bytes[place] = UInt8(place % 251)
        }
        return (node, bytes)
      }
    )
    for (node, bytes) in sent { cluster.submit(bytes: bytes, at: node) }
    cluster.submit(bytes: [UInt8](repeating: 3, count: (16 << 20) + 1), at: "c")
    #expect(cluster["c"].engine.statistics.dropped(.tooLong) == 1)
    let done = cluster.advance(atMost: .seconds(120)) { cluster in
      members.nodes.allSatisfy { cluster[$0].engine.statistics.messagesDelivered == 2 }
    }
    #expect(done != nil)
    for node in cluster.roster.nodes {
      let messages = cluster.messages(node)
      #expect(messages.map(\.sender) == cluster.messages("a").map(\.sender))
      for message in messages { #expect(Array(message.payload) == sent[message.sender]) }
    }
  }

  @Test("Ring.Aru: who lacks a message lowers the aru, and nobody else raises it")
  func aru() {
    var cluster = formed()
    let ring = cluster["a"].engine.ring
    let before = cluster.tokens(of: ring).last?.hop ?? 0
    cluster.loses = { _, to, packet in packet.kind == .data && to == "c" }
    cluster.submit("m", at: "a")
    cluster.advance(.milliseconds(3))
    let tokens = cluster.tokens(of: ring).filter { $0.hop > before && $0.sequence == 1 }
    let lowered = tokens.drop { $0.sender != "c" }
    // Both that hold the message let it rise with the sequence number, before c has had its say.
    for token in tokens.prefix(2) { #expect(token.aru == 1 && token.aruHolder == nil) }
    #expect(lowered.count >= 9, "c, and others after it")
    for token in lowered { #expect(token.aru == 0 && token.aruHolder == "c") }
    #expect(cluster["b"].engine.statistics.messagesDelivered == 1)
    cluster.loses = { _, _, _ in false }
    cluster.advance(.milliseconds(20))
    #expect(cluster.tokens(of: ring).last?.aru == 1)
    #expect(cluster.tokens(of: ring).last?.aruHolder == nil)
  }

  @Test("Ring.SafePoint: what two successive visits carried is safe, not what one did")
  func safePoint() {
    var cluster = formed()
    let ring = cluster["a"].engine.ring
    let before = cluster.tokens(of: ring).last?.hop ?? 0
    cluster.submit("safe", at: "a", .safe)
    // a hears of it at its second visit, b and c one hop later each.
    for (node, hops) in [("a", 3), ("b", 4), ("c", 5)] as [(NodeID, Int)] {
      #expect(cluster.advance(atMost: .seconds(1)) { $0.texts(node) == ["safe"] } != nil)
      let visits = cluster.tokens(of: ring).filter { $0.hop > before }.count
      #expect(visits >= hops, "\(node) delivered after \(visits) hops")
    }
  }

  @Test("Ring.Retransmit: every gap is asked for; who holds the messages sends them, and says so")
  func requests() {
    var cluster = formed()
    let ring = cluster["a"].engine.ring
    let before = cluster.tokens(of: ring).last?.hop ?? 0
    cluster.loses = { from, to, packet in
      guard case .data(let data) = packet else { return false }
      return from == "b" && to == "c" && data.sequence % 2 == 1
    }
    for letter in ["1", "2", "3", "4"] { cluster.submit(full(letter), at: "b") }
    cluster.advance(.milliseconds(20))
    let asking = cluster.tokens(of: ring).filter { $0.hop > before && !$0.requests.isEmpty }
    #expect(asking.map(\.sender) == ["c"], "a, which comes next, answers all of it")
    #expect(asking.first?.requests == [SequenceRange(1, 1), SequenceRange(3, 3)].compactMap { $0 })
    #expect(cluster["a"].engine.statistics.retransmissions == 2)
    #expect(cluster["b"].engine.statistics.retransmissions == 0)
    #expect(cluster.texts("c").count == 4)
    #expect(cluster.texts("c") == cluster.texts("a"))
  }

  @Test(
    "Ring.Accelerated: part of the messages follows the token, and nobody asks for those too early",
    arguments: [true, false]
  )
  func accelerated(isOn: Bool) {
    var cluster = Cluster(["a", "b", "c"])
    cluster.settings = {
      var settings = RingEngine.Settings(me: $0, configured: ["a", "b", "c"], timers: .lan)
      settings.accelerated = isOn
      return settings
    }
    cluster.start(cluster.roster)
    cluster.advance(.milliseconds(300))
    let ring = cluster["a"].engine.ring
    let start = cluster["b"].sent.count
    for index in 0..<10 { cluster.submit(full("\(index)"), at: "b") }
    cluster.advance(.milliseconds(20))
    let kinds = cluster["b"].sent.dropFirst(start).map(\.kind)
    let sent = kinds.drop { $0 != .data }
    let following = sent.drop { $0 != .token }.filter { $0 == .data }.count / 2
    #expect(following == (isOn ? 5 : 0))
    #expect(sent.filter { $0 == .data }.count == 20, "each of 10 packets goes to two members, once")
    let asked = cluster.tokens(of: ring).filter { !$0.requests.isEmpty }
    #expect(asked.isEmpty)
    for node in cluster.roster.nodes { #expect(cluster.texts(node).count == 10) }
  }

  // MARK: - Fairness

  private func sharing(_ names: Roster, window: Int) -> Cluster {
    var cluster = Cluster(names)
    cluster.settings = {
      var settings = RingEngine.Settings(me: $0, configured: names, timers: .lan)
      (settings.window, settings.personalWindow) = (window, window)
      return settings
    }
    cluster.start(names)
    cluster.advance(.milliseconds(500))
    return cluster
  }

  private func delivered(_ cluster: Cluster, from sender: NodeID) -> Int {
    cluster["a"].deliveries.count {
      if case .message(let message) = $0 { message.sender == sender } else { false }
    }
  }

  @Test("Ring.Flow: the window halves while much is sent again, and grows in clean rotations")
  func adaptiveWindow() {
    let names: Roster = ["a", "b", "c"]
    var cluster = Cluster(names)
    cluster.start(names)
    cluster.advance(.milliseconds(300))
    #expect(cluster.isRing(names))
    let limit = cluster["a"].engine.statistics.window
    #expect(limit >= 64)
    var sent = 0
    cluster.loses = { _, to, packet in
      guard case .data = packet, to == "b" else { return false }
      sent += 1
      return sent % 4 == 0
    }
    for _ in 0..<600 { cluster.submit(bytes: [UInt8](repeating: 1, count: 1_300), at: "a") }
    cluster.advance(.milliseconds(100))
    #expect(names.nodes.contains { cluster[$0].engine.statistics.retransmissions > 10 })
    cluster.loses = { _, _, _ in false }
    // What is still missing is sent again; from then on rotations are clean.
    _ = cluster.advance(atMost: .seconds(2)) { delivered($0, from: "a") == 600 }
    cluster.advance(.milliseconds(100))
    let (low, tokens) = (
      cluster["a"].engine.statistics.window, cluster["a"].engine.statistics.tokens
    )
    #expect(low < limit / 2)
    cluster.advance(.milliseconds(600))
    let statistics = cluster["a"].engine.statistics
    let rotations = Int(statistics.tokens - tokens)
    #expect(rotations > 5 && low + rotations < limit)
    #expect(statistics.window == low + rotations)
    cluster.advance(.seconds(30))
    #expect(cluster["a"].engine.statistics.window == limit)
  }

  @Test("Ring.Flow: nobody is starved where more members send than the window has packets")
  func manySenders() {
    let names: Roster = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]
    var cluster = sharing(names, window: 8)
    #expect(cluster.isRing(names))
    for node in names.nodes {
      for _ in 0..<300 { cluster.submit(bytes: [UInt8](repeating: 1, count: 1_300), at: node) }
    }
    cluster.advance(.milliseconds(100))
    let shares = names.nodes.map { delivered(cluster, from: $0) }
    #expect(shares.allSatisfy { $0 < 300 }, "all have more to send")
    #expect((shares.min() ?? 0) * 2 >= (shares.max() ?? 0), "\(shares)")
  }

  @Test(
    "No datagram with messages is longer than it may be",
    arguments: [600, 1_232, 1_452, 1_472, 8_972]
  )
  func datagramsFit(longest: Int) {
    let names: Roster = ["a", "a-name-of-thirty-one-characters"]
    var cluster = Cluster(names)
    cluster.settings = {
      var settings = RingEngine.Settings(me: $0, configured: names, timers: .lan)
      settings.fit(datagram: longest)
      return settings
    }
    cluster.start(names)
    cluster.advance(.milliseconds(300))
    for node in names.nodes {
      cluster.submit(bytes: [UInt8](repeating: 1, count: 30_000), at: node)
      for _ in 0..<100 { cluster.submit(bytes: [UInt8](repeating: 1, count: 100), at: node) }
    }
    cluster.advance(.milliseconds(100))
    let header = DatagramHeader(kind: .data, cluster: 1, counter: 1, boot: BootID(1, 2, 3, 4))
    for node in names.nodes {
      #expect(cluster[node].deliveries.count == 203)
      let sizes = cluster[node].sent.filter { $0.kind == .data }
        .map { Datagram.encode($0, header: header).count }
      #expect((sizes.max() ?? 0) <= longest)
      #expect((sizes.max() ?? 0) > longest - 175, "the room is used")
    }
  }
}
