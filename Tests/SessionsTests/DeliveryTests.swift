// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import SessionWire
import Sessions
import Testing

@Suite("What sessions are sent")
struct DeliveryTests {
  private func member(_ name: String, _ node: NodeID = "dA") -> MemberID {
    MemberID(node: node, process: Desk.name(name))
  }

  private func view(
    _ cause: ViewCause,
    _ members: [MemberID],
    sets: [[MemberID]] = [],
    own: Int = 0
  ) -> SessionsEngine.View {
    SessionsEngine.View(
      group: "g",
      id: ViewID(epoch: 77, origin: NodeID("dB").digest, index: 5),
      members: members,
      cause: cause,
      sets: sets,
      ownSet: own
    )
  }

  /// What something takes when nothing else is in its way.
  private func least(_ measured: () -> Duration) -> Duration {
    (0..<3).map { _ in measured() }.min() ?? .zero
  }

  @Test("One copy to each receiver, with the bits that the sender used")
  func copies() {
    var desk = Desk()
    let (a, b) = (desk.accept("a"), desk.accept("b", wantsMembership: false))
    desk.deliver(options: MessageType(rawValue: 0x4000_0040), to: ["a", "b"])
    for id in [a, b] {
      guard case .regular(let sender, let multicast)? = desk.messages(id).first else {
        Issue.record("nothing came")
        continue
      }
      #expect(sender.text == "#x#dA" && desk.messages(id).count == 1)
      #expect(multicast.type.rawValue == 0x4000_0050)
    }
  }

  @Test("SELF_DISCARD keeps the copy from the sender alone")
  func selfDiscard() {
    var desk = Desk()
    let (a, b) = (desk.accept("a"), desk.accept("b"))
    desk.deliver(from: "a", options: .selfDiscard, to: ["a", "b"])
    #expect(desk.messages(a).isEmpty && desk.messages(b).count == 1)
    desk.deliver(from: "a", to: ["a", "b"])
    #expect(desk.messages(a).count == 1 && desk.messages(b).count == 2)
    // Who has the name at another daemon is somebody else.
    desk.deliver(from: "a", at: "dB", options: .selfDiscard, to: ["a"])
    #expect(desk.messages(a).count == 2)
  }

  @Test("Members are in the order of the configuration, then of names")
  func order() {
    var desk = Desk()
    let a = desk.accept("a")
    let members = [member("a"), member("b"), member("A", "dB"), member("z", "dB")]
    desk.feed(.view(view(.join(member("a")), members), to: [Desk.name("a")]))
    guard case .membership(let message)? = desk.messages(a).first else {
      Issue.record("no view")
      return
    }
    #expect(message.members.map(\.text) == ["#A#dB", "#z#dB", "#a#dA", "#b#dA"])
    #expect(message.changed?.text == "#a#dA" && message.cause == .join)
    #expect(message.id == GroupID(process: 2, time: 77, index: 5))
  }

  @Test("A network view has each set, and tells the own one")
  func sets() {
    var desk = Desk()
    let a = desk.accept("a")
    let members = [member("a"), member("b"), member("c", "dB")]
    let sets = [[member("a"), member("b")], [member("c", "dB")]]
    desk.feed(.view(view(.network, members, sets: sets, own: 0), to: [Desk.name("a")]))
    guard case .membership(let message)? = desk.messages(a).first else {
      Issue.record("no view")
      return
    }
    #expect(message.sets.map { $0.map(\.text) } == [["#c#dB"], ["#a#dA", "#b#dA"]])
    #expect(message.ownSet == 1 && message.cause == .network)
  }

  @Test("What a view of many members costs grows with them, and not with who is told as well")
  func largeView() {
    func cost(of receivers: Int) -> Duration {
      var desk = Desk()
      let names = (0..<500).map { "m\($0)" }
      let told = names.prefix(receivers).map(Desk.name)
      let ids = names.prefix(receivers).map { desk.accept($0) }
      let members = names.reversed().map { member($0) }
      let begin = ContinuousClock.now
      desk.feed(.view(view(.join(member("m0")), members), to: told))
      let took = ContinuousClock.now - begin
      for id in ids { #expect(desk.written[id] == desk.written[ids[0]]) }
      #expect(desk.written[ids[0]]?.count == 48 + 500 * 32 + 56)
      return took
    }
    let (one, many) = (least { cost(of: 1) }, least { cost(of: 200) })
    #expect(many < one * 80, "\(many) against \(one)")
  }

  @Test("A session that did not ask for membership hears nothing of it")
  func withoutMembership() {
    var desk = Desk()
    let a = desk.accept("a", wantsMembership: false)
    let id = ViewID(epoch: 1, origin: 1, index: 1)
    desk.feed(.view(view(.join(member("a")), [member("a")]), to: [Desk.name("a")]))
    desk.feed(.transitional("g", ending: id, to: Desk.name("a")))
    desk.feed(.left("g", to: Desk.name("a")))
    #expect(desk.messages(a).isEmpty)
    let b = desk.accept("b")
    desk.feed(.transitional("g", ending: id, to: Desk.name("b")))
    desk.feed(.left("g", to: Desk.name("b")))
    #expect(desk.written[b]?.count == 60 + 48)
    #expect(desk.messages(b).last == .selfLeave(group: Desk.name("g")))
  }

  @Test("Nobody is sent what is meant for an earlier session of the name")
  func gone() {
    var desk = Desk()
    let first = desk.accept("a")
    desk.feed(.ended(first))
    desk.deliver(to: ["a", "nobody"])
    #expect(desk.messages(first).isEmpty)
  }

  @Test("Another version's message is dropped and noted")
  func unreadable() {
    var desk = Desk()
    let a = desk.accept("a")
    let message = GroupMessage(
      sender: member("x"),
      groups: ["g"],
      service: .safe,
      payload: [0xFF, 1]
    )
    desk.feed(.message(message, to: [Desk.name("a")]))
    #expect(desk.messages(a).isEmpty && desk.engine.statistics.unreadable == 1)
  }

  // MARK: - Slow clients

  @Test("A client that does not read is closed at its limit of messages", arguments: [1, 10, 300])
  func limit(messages: Int) {
    var desk = Desk { $0.queuedMessages = messages }
    let (a, b) = (desk.accept("a"), desk.accept("b"))
    desk.stuck = [a]
    for count in 1...messages {
      desk.deliver(to: ["a", "b"])
      #expect(desk.closed.isEmpty, "at \(count)")
    }
    desk.deliver(to: ["a", "b"])
    #expect(desk.closed == [a] && desk.crashes == [Desk.name("a")])
    #expect(desk.messages(b).count == messages + 1)
    #expect(desk.engine.statistics.closed(.slow) == 1)
  }

  @Test("It is closed at its limit of bytes")
  func bytes() {
    var desk = Desk { $0.queuedBytes = 10_000 }
    let a = desk.accept("a")
    desk.stuck = [a]
    for _ in 0..<9 { desk.deliver([UInt8](repeating: 0, count: 1_000), to: ["a"]) }
    #expect(desk.closed.isEmpty)
    desk.deliver([UInt8](repeating: 0, count: 1_000), to: ["a"])
    #expect(desk.closed == [a])
  }

  @Test("Views count by their bytes alone, and a limit of zero ends the session at once")
  func views() {
    var desk = Desk {
      $0.queuedMessages = 3
      $0.queuedBytes = 1_000
    }
    let a = desk.accept("a")
    desk.stuck = [a]
    desk.deliver(to: ["a"])
    for _ in 0..<10 { desk.feed(.left("g", to: Desk.name("a"))) }
    desk.deliver(to: ["a"])
    #expect(desk.closed.isEmpty)
    for _ in 0..<10 { desk.feed(.left("g", to: Desk.name("a"))) }
    #expect(desk.closed == [a])
    var strict = Desk { $0.queuedMessages = 0 }
    let b = strict.accept("b")
    strict.deliver(to: ["b"])
    #expect(strict.closed == [b])
  }

  @Test("With drop-oldest the oldest messages go, and nothing about membership")
  func dropOldest() {
    var desk = Desk {
      $0.queuedMessages = 10
      $0.queuedBytes = 10_000
      $0.slowPolicy = .dropOldest
    }
    let a = desk.accept("a")
    desk.stuck = [a]
    desk.deliver([0], to: ["a"])
    desk.feed(.left("g", to: Desk.name("a")))
    for number in 1...100 { desk.deliver([UInt8(number)], to: ["a"]) }
    #expect(desk.closed.isEmpty)
    desk.unstick(a)
    let messages = desk.messages(a)
    let data: [UInt8] = messages.compactMap { message in
      guard case .regular(_, let multicast) = message else { return nil }
      return multicast.data.first
    }
    // The first was on its way when the client stopped reading.
    #expect(data == [0] + Array(92...100))
    #expect(messages[1] == .selfLeave(group: Desk.name("g")))
    #expect(desk.engine.statistics.dropped == 91)
    #expect(desk.notes.count { if case .dropping = $0 { true } else { false } } == 1)
    // Once there is nothing but membership left, the session goes after all.
    desk.stuck = [a]
    for _ in 0..<250 { desk.feed(.left("g", to: Desk.name("a"))) }
    #expect(desk.closed == [a])
  }

  /// The data of the regular messages among those.
  private func data(_ messages: [DaemonMessage]) -> [UInt8] {
    messages.compactMap { message in
      guard case .regular(_, let multicast) = message else { return nil }
      return multicast.data.first
    }
  }

  @Test("With drop-oldest a burst above the limit ends no session, and leaves room for views")
  func burst() {
    var desk = Desk {
      $0.queuedMessages = 10
      $0.slowPolicy = .dropOldest
    }
    let a = desk.accept("a")
    desk.stuck = [a]
    // A hundred at once, before anything is written.
    desk.deliver([1], to: Array(repeating: "a", count: 100))
    #expect(desk.closed.isEmpty)
    #expect(desk.engine.summaries.first?.queuedMessages == 10)
    #expect(desk.engine.statistics.dropped == 90)
    for _ in 0..<5 { desk.feed(.left("g", to: Desk.name("a"))) }
    #expect(desk.closed.isEmpty)
    desk.unstick(a)
    #expect(desk.messages(a).count == 15 && data(desk.messages(a)).count == 10)
  }

  @Test("With drop-oldest a message longer than the limit of bytes waits alone")
  func longMessage() {
    var desk = Desk {
      $0.queuedBytes = 1_000
      $0.slowPolicy = .dropOldest
    }
    let a = desk.accept("a")
    desk.stuck = [a]
    desk.deliver([UInt8](repeating: 1, count: 5_000), to: ["a"])
    for number in 2...20 { desk.deliver([UInt8(number)], to: ["a"]) }
    #expect(desk.closed.isEmpty)
    desk.unstick(a)
    #expect(data(desk.messages(a)) == [1])
    desk.deliver([21], to: ["a"])
    #expect(data(desk.messages(a)) == [1, 21])
  }

  @Test("What a drop costs does not grow with what waits")
  func longQueue() {
    func cost(of views: Int) -> Duration {
      var desk = Desk {
        $0.queuedMessages = views
        $0.slowPolicy = .dropOldest
      }
      let a = desk.accept("a")
      desk.stuck = [a]
      for _ in 0..<views { desk.feed(.left("g", to: Desk.name("a"))) }
      for _ in 0..<views { desk.deliver([1], to: ["a"]) }
      let begin = ContinuousClock.now
      for _ in 0..<2_000 { desk.deliver([2], to: ["a"]) }
      let took = ContinuousClock.now - begin
      #expect(desk.closed.isEmpty && desk.engine.statistics.dropped == 2_000)
      desk.unstick(a)
      #expect(desk.messages(a).count == 2 * views)
      #expect(data(desk.messages(a)).suffix(min(views, 2_000)).allSatisfy { $0 == 2 })
      return took
    }
    let (short, long) = (least { cost(of: 100) }, least { cost(of: 20_000) })
    #expect(long < short * 10, "\(long) against \(short)")
  }

  @Test("Of many sessions an operator is told those for which most waits")
  func worst() {
    var desk = Desk()
    let ids = (0..<10).map { desk.accept("s\($0)") }
    desk.stuck = [ids[3], ids[7]]
    desk.deliver(to: ["s7", "s3"])
    desk.deliver(to: ["s7"])
    #expect(desk.engine.summaries(most: 1).map(\.id) == [ids[7]])
    #expect(desk.engine.summaries(most: 4).map(\.id) == [ids[0], ids[1], ids[3], ids[7]])
    #expect(desk.engine.summaries(most: 10) == desk.engine.summaries)
  }

  @Test("A client that reads again gets everything, in order")
  func resume() {
    var desk = Desk()
    let a = desk.accept("a")
    desk.stuck = [a]
    for number in 0..<500 { desk.deliver([UInt8(number % 256), UInt8(number / 256)], to: ["a"]) }
    #expect(desk.engine.summaries.first?.queuedMessages == 500)
    desk.unstick(a)
    let numbers: [Int] = desk.messages(a).compactMap { message in
      guard case .regular(_, let multicast) = message else { return nil }
      let data = Array(multicast.data)
      return Int(data[0]) + 256 * Int(data[1])
    }
    #expect(numbers == Array(0..<500))
    #expect(desk.engine.summaries.first?.queuedMessages == 0)
  }
}
