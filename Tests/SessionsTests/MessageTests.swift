// SPDX-License-Identifier: Apache-2.0

import Bytes
import GroupModel
import Machine
import SessionWire
import Sessions
import Testing

@Suite("Messages of sessions")
struct MessageTests {
  private func multicast(
    _ groups: [String],
    service: Service = .agreed,
    options: MessageType = [],
    data: [UInt8] = [7]
  ) -> ClientMessage {
    .multicast(
      SessionMulticast(
        service: service,
        options: options,
        groups: groups.map(Desk.name),
        data: data[...]
      )
    )
  }

  @Test("Messages go to the groups named, with their service and mark")
  func multicast() throws {
    var desk = Desk()
    let id = desk.accept("a")
    for service in Service.allCases {
      desk.say(multicast(["g", "#b#dB"], service: service), as: "a", id)
    }
    #expect(desk.requests.count == 6)
    for (request, service) in zip(desk.requests, Service.allCases) {
      guard case .multicast(let groups, service, 0, let payload) = request else {
        Issue.record("\(request)")
        continue
      }
      #expect(groups.map(\.description) == ["g", "#b#dB"])
      let envelope = try SessionEnvelope(decoding: payload[...])
      #expect(envelope.data == [7] && envelope.groups == nil)
    }
  }

  @Test("What is no destination is skipped, and the list stays as it was")
  func oddDestinations() throws {
    var desk = Desk()
    let id = desk.accept("a")
    var fields = NameField.bytes(of: ["", "g", "#x", "#a#", "a b", "#a#dA"].map(Desk.name))
    // Bytes behind the NUL, and a name without one.
    fields[32 + 5] = 0x55
    fields += [UInt8](repeating: 0x62, count: 32)
    let message = SessionMulticast(
      type: .agreed,
      hint: Hint(3),
      groups: fields[...],
      data: [1]
    )
    desk.say(.multicast(message), as: "a", id)
    guard case .multicast(let groups, .agreed, 3, let payload)? = desk.requests.first else {
      Issue.record("\(desk.requests)")
      return
    }
    let long = String(repeating: "b", count: 31)
    #expect(groups.map(\.description) == ["g", "#a#dA", long])
    #expect(try SessionEnvelope(decoding: payload[...]).groups == fields[...])
    #expect(desk.closed.isEmpty)
  }

  @Test("A session is in so many groups at most; a join beyond that is rejected")
  func mostGroups() {
    var desk = Desk { $0.sessionGroups = 2 }
    let id = desk.accept("a", wantsMembership: false)
    for group in ["one", "two", "two", "three"] { desk.say(.join(Desk.name(group)), as: "a", id) }
    #expect(desk.requests == [.join("one"), .join("two"), .join("two")])
    guard case .rejected(let sender, let type, let original)? = desk.messages(id).first else {
      Issue.record("\(desk.messages(id))")
      return
    }
    #expect(desk.messages(id).count == 1 && sender.text == "#a#dA" && type == .causedByJoin)
    #expect(original.destinations == [Desk.name("three")] && original.data.isEmpty)
    #expect(desk.engine.statistics.rejected == 1 && desk.closed.isEmpty)
    // Who leaves one has room for another; leaving what one is not in makes none.
    desk.say(.leave(Desk.name("four")), as: "a", id)
    desk.say(.join(Desk.name("four")), as: "a", id)
    desk.say(.leave(Desk.name("one")), as: "a", id)
    desk.say(.join(Desk.name("three")), as: "a", id)
    #expect(desk.requests.suffix(3) == [.leave("four"), .leave("one"), .join("three")])
    #expect(desk.engine.statistics.rejected == 2)
  }

  @Test("A message to nobody goes nowhere; one to 100 groups goes to them")
  func counts() {
    var desk = Desk()
    let id = desk.accept("a")
    desk.say(multicast([]), as: "a", id)
    desk.say(multicast(["#x"]), as: "a", id)
    #expect(desk.requests.isEmpty && desk.closed.isEmpty)
    desk.say(multicast((0..<100).map { "g\($0)" }), as: "a", id)
    guard case .multicast(let groups, _, _, _)? = desk.requests.first else {
      Issue.record("nothing sent")
      return
    }
    #expect(groups.count == 100)
  }

  @Test("Joins and leaves of what is no group are without effect, and harmless")
  func oddNames() {
    var desk = Desk()
    let id = desk.accept("a")
    for name in ["", "#x", "#a#dA", "a b", "a#", "caf\u{e9}"] {
      desk.say(.join(Desk.name(name)), as: "a", id)
      desk.say(.leave(Desk.name(name)), as: "a", id)
    }
    #expect(desk.requests.isEmpty && desk.closed.isEmpty)
    #expect(desk.engine.statistics.withoutEffect == 12)
    // 32 bytes without a NUL are 31.
    var bytes = ClientMessage.join(Desk.name("g")).bytes(from: Desk.name("#a#dA"))
    bytes.replaceSubrange(48..<80, with: [UInt8](repeating: 0x67, count: 32))
    desk.feed(.received(id, bytes))
    #expect(desk.requests == [.join(GroupName(text: String(repeating: "g", count: 31)) ?? "x")])
  }

  @Test("KILL closes at once, and throws away what waits")
  func kill() {
    var desk = Desk()
    let id = desk.accept("a")
    desk.stuck = [id]
    desk.deliver(to: ["a"])
    desk.say(multicast(["g"]), as: "a", id)
    desk.say(.kill, as: "a", id)
    #expect(desk.requests.count == 1)
    #expect(desk.crashes == [Desk.name("a")] && desk.closed == [id])
    desk.feed(.received(id, [1, 2, 3]))
    desk.feed(.flushed(id))
    desk.feed(.ended(id))
    #expect(desk.closed == [id] && desk.crashes.count == 1)
  }

  @Test("What a session sent before its end is still sent on")
  func partial() {
    var desk = Desk()
    let id = desk.accept("a")
    let whole = multicast(["g"]).bytes(from: Desk.name("#a#dA"))
    desk.feed(.received(id, whole + whole.dropLast()))
    desk.feed(.ended(id))
    #expect(desk.requests.count == 1)
    #expect(desk.crashes.count == 1 && desk.closed == [id])
  }

  // MARK: - What ends a session

  /// The reason for which a session is closed that says these bytes.
  private func reason(_ bytes: [UInt8]) -> SessionsEngine.CloseReason? {
    var desk = Desk { $0.longestMessage = 1_000 }
    let id = desk.accept("a")
    let other = desk.accept("b")
    desk.feed(.received(id, bytes))
    #expect(desk.requests.isEmpty)
    #expect(!desk.closed.contains(other))
    guard desk.closed == [id] else { return nil }
    // Nothing is said to the client, and the groups are told.
    #expect(desk.messages(id).isEmpty && desk.crashes == [Desk.name("a")])
    return SessionsEngine.CloseReason.allCases.first { desk.engine.statistics.closed($0) == 1 }
  }

  private func changed(_ place: Int, _ bytes: [UInt8]) -> [UInt8] {
    var message = multicast(["g"]).bytes(from: Desk.name("#a#dA"))
    message.replaceSubrange(place..<place + bytes.count, with: bytes)
    return message
  }

  @Test("Illegal input ends the session, and no other")
  func illegal() {
    // Little-endian words: the first byte is the lowest.
    #expect(reason(changed(0, [0xB0, 0, 0, 0x80])) == .illegalType)
    #expect(reason(changed(0, [0x80, 0, 0, 0x80])) == .illegalType)
    #expect(reason(changed(0, [0x90, 0, 0, 0x00])) == .illegalType)
    #expect(reason(changed(4, Array("#b#dA".utf8))) == .foreignName)
    #expect(reason(changed(4, Array("#a#dB".utf8))) == .foreignName)
    #expect(reason(changed(36, [101, 0, 0, 0])) == .groups)
    #expect(reason(changed(36, [0xFF, 0xFF, 0xFF, 0xFF])) == .groups)
    #expect(reason(changed(40, [0x81, 0, 0, 0x80])) == .hint)
    #expect(reason(changed(44, [0xE8, 3, 0, 0])) == .length)
    #expect(reason(changed(44, [0xFF, 0xFF, 0xFF, 0xFF])) == .length)
    let join = ClientMessage.join(Desk.name("g")).bytes(from: Desk.name("#a#dA"))
    var none = Array(join.prefix(48))
    none[36] = 0
    #expect(reason(none) == .groups)
  }

  @Test("Membership, internal and reject bits of a client never reach others", arguments: 8..<24)
  func forged(bit: Int) {
    let word = UInt32(1) << UInt32(bit) | 0x10 | 0x8000_0080
    let bytes = (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) }
    #expect(reason(changed(0, bytes)) == ((16...18).contains(bit) ? .illegalType : .forged))
  }

  @Test("The longest message is taken, one byte more is not, before its body arrives")
  func length() {
    var desk = Desk { $0.longestMessage = 1_000 }
    let id = desk.accept("a")
    desk.say(multicast(["g"], data: [UInt8](repeating: 1, count: 968)), as: "a", id)
    #expect(desk.requests.count == 1)
    let long = multicast(["g"], data: [UInt8](repeating: 1, count: 969))
      .bytes(from: Desk.name("#a#dA"))
    desk.feed(.received(id, Array(long.prefix(48))))
    #expect(desk.closed == [id])
  }
}
