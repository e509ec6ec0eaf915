// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Groups
import Machine
import Ring
import SessionNode
import SessionWire
import Sessions
import Testing

@Suite("Daemons with clients")
struct SessionNodeTests {
  private func views(_ messages: [DaemonMessage]) -> [MembershipMessage] {
    messages.compactMap { message in
      guard case .membership(let view) = message else { return nil }
      return view
    }
  }

  private func texts(_ messages: [DaemonMessage]) -> [String] {
    messages.compactMap { message in
      guard case .regular(_, let multicast) = message else { return nil }
      return String(decoding: multicast.data, as: UTF8.self)
    }
  }

  @Test("Members at several daemons see one list, in the order of the configuration")
  func order() throws {
    let network = SessionNetwork(["dB", "dA"])
    var users = [
      try SessionUser("x", at: 0, of: network), try SessionUser("a", at: 1, of: network),
      try SessionUser("b", at: 0, of: network),
    ]
    for user in users {
      user.join("g")
      network.settle()
    }
    for index in users.indices {
      let last = try #require(views(try users[index].take()).last)
      #expect(last.members.map(\.text) == ["#b#dB", "#x#dB", "#a#dA"])
      #expect(last.changed?.text == "#b#dB" && last.sets.count == 1)
    }
  }

  @Test("A partition is told by the signal, then by a view of those that go on together")
  func partition() throws {
    let network = SessionNetwork(["dA", "dB", "dC"])
    var users: [SessionUser] = []
    for host in 0..<3 { users.append(try SessionUser("u\(host)", at: host, of: network)) }
    for user in users { user.join("g") }
    let apart = try SessionUser("apart", at: 2, of: network)
    apart.join("local")
    network.settle()
    var stranger = apart
    _ = try stranger.take()
    for index in users.indices { _ = try users[index].take() }
    network.part([[0, 1], [2]])
    network.settle()
    for index in users.indices {
      let messages = try users[index].take()
      guard messages.count == 2, case .transition(let group, _) = messages[0],
        case .membership(let view) = messages[1]
      else {
        Issue.record("\(messages)")
        continue
      }
      #expect(group.text == "g" && view.cause == .network)
      #expect(view.members.map(\.text) == (index < 2 ? ["#u0#dA", "#u1#dB"] : ["#u2#dC"]))
    }
    network.part([[0, 1, 2]])
    network.settle()
    for index in users.indices {
      let merged = views(try users[index].take())
      #expect(merged.count == 1)
      #expect(merged.first?.members.count == 3)
      #expect(merged.first?.sets.map(\.count) == [2, 1])
      #expect(merged.first?.ownSet == (index < 2 ? 0 : 1))
    }
    #expect(try stranger.take().isEmpty)
  }

  @Test("A name is free once its disconnect was ordered, not before")
  func nameReuse() throws {
    let network = SessionNetwork(["dA", "dB"])
    let first = try SessionUser("a", of: network)
    network.end(first.id)
    // The ring has not had the disconnect round yet.
    #expect(throws: SessionUser.NotAccepted.self) { try SessionUser("a", of: network) }
    network.settle()
    _ = try SessionUser("a", of: network)
    // The same name at another daemon is another name.
    _ = try SessionUser("a", at: 1, of: network)
  }

  @Test("A name whose daemon is cut off becomes free in its part")
  func nameReuseInPart() throws {
    let network = SessionNetwork(["dA", "dB"])
    let first = try SessionUser("a", of: network)
    network.part([[0], [1]])
    network.end(first.id)
    network.settle()
    _ = try SessionUser("a", of: network)
  }

  @Test("Whoever does not read is cut off; nobody waits for it, and the ring goes on")
  func slow() throws {
    let network = SessionNetwork(["dA", "dB"]) { $0.queuedMessages = 50 }
    var (sender, fast) = (
      try SessionUser("s", at: 0, of: network), try SessionUser("f", at: 1, of: network)
    )
    let slow = try SessionUser("w", at: 1, of: network)
    for user in [sender, fast, slow] { user.join("g") }
    network.settle()
    network.stopReading(slow.id)
    let rings = network.nodes[0]?.ring.statistics.configurations
    for number in 0..<200 {
      sender.multicast("\(number)", to: ["g"])
      network.advance(.milliseconds(5))
    }
    network.settle()
    #expect(slow.isClosed)
    let expected = (0..<200).map(String.init)
    let got = try fast.take()
    #expect(texts(got) == expected)
    #expect(texts(try sender.take()) == expected)
    #expect(views(got).last?.cause == .disconnect)
    #expect(network.nodes[0]?.ring.statistics.configurations == rings)
  }

  @Test("What waits for the ring is limited by not reading")
  func backPressure() throws {
    let network = SessionNetwork(["dA", "dB"])
    let sender = try SessionUser("s", of: network)
    #expect(network.nodes[0]?.mayRead == true)
    var sent = 0
    while network.nodes[0]?.mayRead == true, sent < 100_000 {
      sender.multicast(String(repeating: "x", count: 1_000), to: ["g"])
      sent += 1
    }
    #expect(sent > 100 && sent < 1_000)
    network.settle()
    #expect(network.nodes[0]?.mayRead == true)
    #expect(network.nodes[1]?.groups.statistics.messages == UInt64(sent))
  }

  @Test("What a client sends before its end reaches the others before its disconnect")
  func lastWords() throws {
    let network = SessionNetwork(["dA", "dB"])
    let leaver = try SessionUser("a", of: network)
    var witness = try SessionUser("b", at: 1, of: network)
    for user in [leaver, witness] { user.join("g") }
    network.settle()
    _ = try witness.take()
    for number in 0..<20 { leaver.multicast("\(number)", to: ["g"], service: .safe) }
    leaver.say(.kill)
    network.settle()
    let messages = try witness.take()
    #expect(texts(messages) == (0..<20).map(String.init))
    #expect(views(messages).last?.cause == .disconnect && messages.count == 21)
  }

  @Test("Sessions beyond the limit that the daemon started with are as good as the others")
  func limitRaised() throws {
    let network = SessionNetwork(["dA", "dB"]) { $0.sessions = 1 }
    var first = try SessionUser("a", of: network)
    first.join("g")
    #expect(throws: SessionUser.NotAccepted.self) { try SessionUser("b", of: network) }
    network.advance(.seconds(2))
    var settings = SessionsEngine.Settings(me: "dA", daemons: network.daemons)
    settings.sessions = 2
    network.feed(.session(.configured(settings)), to: 0)
    var second = try SessionUser("b", of: network)
    second.join("g")
    second.multicast("heard", to: ["g"])
    network.settle()
    #expect(texts(try first.take()) == ["heard"])
    #expect(texts(try second.take()) == ["heard"])
  }

  @Test("What a join costs in a group of many local members does not grow with who is told")
  func largeGroup() throws {
    func cost(of told: Int) throws -> Duration {
      let network = SessionNetwork(["dA"])
      var users: [SessionUser] = []
      for number in 0..<200 {
        let user = try SessionUser("m\(number)", of: network, wantsMembership: number < told)
        user.join("g")
        users.append(user)
      }
      network.advance(.milliseconds(10))
      let last = try SessionUser("last", of: network, wantsMembership: false)
      let begin = ContinuousClock.now
      last.join("g")
      network.advance(.milliseconds(10))
      let took = ContinuousClock.now - begin
      for index in users.indices.prefix(told) {
        #expect(views(try users[index].take()).last?.changed?.text == "#last#dA")
      }
      return took
    }
    let one = try (0..<3).map { _ in try cost(of: 1) }.min() ?? .zero
    let many = try (0..<3).map { _ in try cost(of: 200) }.min() ?? .zero
    #expect(many < one * 50, "\(many) against \(one)")
  }

  @Test("A daemon that leaves gracefully takes its clients along")
  func leave() throws {
    let network = SessionNetwork(["dA", "dB"])
    let leaver = try SessionUser("a", of: network)
    var witness = try SessionUser("b", at: 1, of: network)
    for user in [leaver, witness] { user.join("g") }
    network.settle()
    _ = try witness.take()
    network.feed(.leave, to: 0)
    network.advance(.milliseconds(100))
    #expect(views(try witness.take()).last?.members.map(\.text) == ["#b#dB"])
  }
}
