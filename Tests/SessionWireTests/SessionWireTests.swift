// SPDX-License-Identifier: Apache-2.0

import Bytes
import GroupModel
import Machine
import SessionWire
import Testing

private func name(_ text: String) -> InlineName { InlineName(Array(text.utf8)) ?? .empty }

@Suite("Codecs of client sessions")
struct SessionWireTests {
  static let me = name("#a#dA")

  static let fromClients: [ClientMessage] = [
    .join(name("g")), .leave(name("abcdefghijklmnopqrstuvwxyz01234")), .kill,
    .multicast(SessionMulticast(service: .safe, tag: -1, groups: [name("g")], data: [1, 2, 3])),
    .multicast(
      SessionMulticast(
        service: .fifo,
        options: [.selfDiscard, MessageType(rawValue: 0x4000_0000)],
        tag: .min,
        groups: [name("g"), name("#b#dB"), name("g")],
        data: []
      )
    ),
    .multicast(SessionMulticast(service: .unreliable, groups: [], data: [9])),
  ]

  static let fromDaemons: [DaemonMessage] = [
    .regular(
      sender: me,
      SessionMulticast(service: .causal, tag: 256, groups: [name("g")], data: [7])
    ),
    .membership(
      MembershipMessage(
        group: name("g"),
        cause: .network,
        id: GroupID(process: 0x7F00_0001, time: 1 << 31, index: 3),
        members: [name("#a#dA"), name("#b#dA"), name("#a#dB")],
        sets: [[name("#a#dA"), name("#b#dA")], [name("#a#dB")]],
        ownSet: 1
      )
    ),
    .membership(
      MembershipMessage(
        group: name("g"),
        cause: .disconnect,
        id: GroupID(process: 1, time: 2, index: 3),
        members: [me],
        sets: [[name("#gone#dA")]],
        ownSet: 0
      )
    ),
    .transition(group: name("g"), ending: GroupID(process: 1, time: 2, index: .max)),
    .selfLeave(group: name("g")),
    .rejected(
      sender: me,
      original: [.agreed, .selfDiscard],
      SessionMulticast(
        type: [.agreed, .selfDiscard],
        hint: Hint(5),
        groups: NameField.bytes(of: [name("g"), me])[...],
        data: [1]
      )
    ),
  ]

  @Test("A client's message is read as written, in either order", arguments: fromClients)
  func client(message: ClientMessage) throws {
    for order in [ByteOrder.little, .big] {
      let bytes = message.bytes(from: Self.me, order: order)
      let shifted = ([0, 0] + bytes + [1])[2...]
      guard
        case .complete(let frame, bytes.count) = try MessageFrame.parse(
          shifted,
          from: .client,
          limits: .test
        )
      else {
        Issue.record("not a whole frame")
        return
      }
      #expect(try ClientMessage(frame, of: Self.me) == message)
      for length in 0..<bytes.count {
        #expect(
          try MessageFrame.parse(bytes.prefix(length), from: .client, limits: .test) == .incomplete
        )
      }
    }
  }

  @Test("A daemon's message is read as written, in either order", arguments: fromDaemons)
  func daemon(message: DaemonMessage) throws {
    for order in [ByteOrder.little, .big] {
      let bytes = message.bytes(order: order)
      guard
        case .complete(let frame, bytes.count) = try MessageFrame.parse(
          bytes[...],
          from: .daemon,
          limits: .test
        )
      else {
        Issue.record("not a whole frame")
        return
      }
      #expect(frame.header.order == order)
      #expect(try DaemonMessage(frame) == message)
    }
  }

  @Test("The changed member stands at byte 24 of a body, whose length is 56")
  func changedMember() throws {
    let bytes = Self.fromDaemons[2].bytes()
    let body = bytes[(48 + 32)...]
    #expect(body.count == 56)
    #expect(NameField.name(in: body.dropFirst(24)) == name("#gone#dA"))
  }

  @Test("Offsets of sets count from byte 20")
  func offsets() throws {
    let body = Array(Self.fromDaemons[1].bytes()[(48 + 3 * 32)...])
    #expect(body[16..<20] == [68, 0, 0, 0])
    #expect(body[20 + 68] == 1)
  }

  // MARK: - What is refused

  @Test(
    "A type without exactly one service or command ends the session",
    arguments: [0, 0x30, 0x1_0010, 0x3_0000, 0x40, 0x1000, 0x7F00_0000] as [UInt32]
  )
  func types(word: UInt32) throws {
    #expect(throws: ClientMessage.Illegal.type) {
      try ClientMessage(try frame(type: word), of: Self.me)
    }
  }

  @Test(
    "Every bit of a daemon's words is refused in a message to others",
    arguments: UInt32(8)..<24
  )
  func forged(bit: UInt32) throws {
    let word: UInt32 = 1 << bit | 0x10
    #expect(throws: (16...18).contains(bit) ? ClientMessage.Illegal.type : .forged) {
      try ClientMessage(try frame(type: word), of: Self.me)
    }
  }

  @Test(
    "High bits and SELF_DISCARD are passed on",
    arguments: [6, 24, 25, 26, 27, 28, 29, 30] as [UInt32]
  )
  func passed(bit: UInt32) throws {
    let frame = try frame(type: 1 << bit | 0x20)
    guard case .multicast(let multicast) = try ClientMessage(frame, of: Self.me) else {
      Issue.record("not a message")
      return
    }
    #expect(multicast.type.rawValue == 1 << bit | 0x20)
    #expect(multicast.type.service == .safe)
  }

  @Test("Commands ignore what else their word holds, and all groups but the first")
  func commands() throws {
    let groups = NameField.bytes(of: [name("first"), name("second")])
    let frame = try frame(type: 0x7F00_1040 | 0x1_0000, groups: groups, data: [1, 2])
    #expect(try ClientMessage(frame, of: Self.me) == .join(name("first")))
    #expect(throws: ClientMessage.Illegal.noGroup) {
      try ClientMessage(try self.frame(type: 0x1_0000), of: Self.me)
    }
    #expect(throws: ClientMessage.Illegal.noGroup) {
      try ClientMessage(try self.frame(type: 0x2_0000), of: Self.me)
    }
    #expect(try ClientMessage(try self.frame(type: 0x4_0000), of: Self.me) == .kill)
  }

  @Test("Another's name, and marks that mean nothing, are refused")
  func nameAndHint() throws {
    #expect(throws: ClientMessage.Illegal.name) {
      try ClientMessage(try frame(type: 0x10), of: name("#b#dA"))
    }
    for wire in [0x8000_0000, 0x8100_0080, 0x8000_0081, 0x0000_0080] as [UInt32] {
      #expect(Hint(wire: wire).tag == nil)
      #expect(throws: ClientMessage.Illegal.hint) {
        try ClientMessage(try frame(type: 0x10, hint: Hint(wire: wire)), of: Self.me)
      }
    }
    #expect(Hint(-1).wire == 0x80FF_FF80 && Hint(-1).tag == -1)
    #expect(Hint(-1, order: .big).wire == 0x00FF_FF00)
  }

  @Test("Counts below zero or above the limits are refused by the header alone")
  func counts() throws {
    var header = ClientMessage.multicast(
      SessionMulticast(service: .agreed, groups: [], data: [])
    ).bytes(from: Self.me)
    header.replaceSubrange(36..<40, with: [0xFF, 0xFF, 0xFF, 0xFF])
    #expect(throws: WireError.self) {
      try MessageFrame.parse(header[...], from: .client, limits: .test)
    }
    header.replaceSubrange(36..<40, with: [101, 0, 0, 0])
    #expect(throws: WireError.self) {
      try MessageFrame.parse(header[...], from: .client, limits: .test)
    }
    header.replaceSubrange(36..<40, with: [100, 0, 0, 0])
    #expect(try MessageFrame.parse(header[...], from: .client, limits: .test) == .incomplete)
    header.replaceSubrange(44..<48, with: [0x00, 0x33, 0x02, 0x00])
    #expect(throws: WireError.self) {
      try MessageFrame.parse(header[...], from: .client, limits: .test)
    }
    header.replaceSubrange(44..<48, with: [0, 0, 0, 0x80])
    #expect(throws: WireError.self) {
      try MessageFrame.parse(header[...], from: .client, limits: .test)
    }
    header[3] = 0
    #expect(throws: WireError.malformed(field: "type")) {
      try MessageFrame.parse(header[...], from: .client, limits: .test)
    }
  }

  @Test("A name is what precedes the NUL; the last byte is taken for one")
  func names() {
    #expect(NameField.name(in: [UInt8](repeating: 0x61, count: 32)[...]).count == 31)
    #expect(NameField.name(in: [0x61, 0, 0x62, 0x63]) == name("a"))
    #expect(NameField.name(in: [UInt8](repeating: 0, count: 32)[...]) == .empty)
    #expect(
      NameField.bytes(of: [name("ab")]) == Array("ab".utf8) + [UInt8](repeating: 0, count: 30)
    )
  }

  @Test("Views that contradict themselves are refused")
  func views() throws {
    let good = Self.fromDaemons[1].bytes()
    let body = 48 + 3 * 32
    func decode(_ change: (inout [UInt8]) -> Void) throws -> DaemonMessage? {
      var bytes = good
      change(&bytes)
      guard
        case .complete(let frame, _) = try MessageFrame.parse(
          bytes[...],
          from: .daemon,
          limits: .test
        )
      else {
        return nil
      }
      return try DaemonMessage(frame)
    }
    #expect(try decode { _ in } != nil)
    // An offset between two sets, more sets than there are, a set longer than the body, two causes.
    for (at, value) in [(16, 4), (12, 3), (12, 200), (15, 0x7F), (20, 9), (23, 0x7F)] {
      #expect(throws: WireError.self) { try decode { $0[body + at] = UInt8(value) } }
    }
    #expect(throws: WireError.self) { try decode { $0[1] |= 1 } }
  }

  @Test("Damaged bytes never trap a decoder")
  func damage() {
    var random = SplitMix64(seed: 5)
    var samples = Self.fromDaemons.map { $0.bytes() }
    samples += Self.fromClients.map { $0.bytes(from: Self.me) }
    var read = 0
    for _ in 0..<20_000 {
      var bytes = samples[Int.random(in: 0..<samples.count, using: &random)]
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        bytes[at] = UInt8.random(in: 0...255, using: &random)
      }
      guard
        case .complete(let frame, _)? = try? MessageFrame.parse(
          bytes[...],
          from: .daemon,
          limits: .test
        )
      else { continue }
      if (try? DaemonMessage(frame)) != nil { read += 1 }
      if (try? ClientMessage(frame, of: Self.me)) != nil { read += 1 }
    }
    #expect(read > 1_000)
  }

  private func frame(
    type: UInt32,
    hint: Hint = Hint(0),
    groups: [UInt8] = [],
    data: [UInt8] = []
  ) throws -> MessageFrame {
    let header = MessageHeader(
      type: MessageType(rawValue: type),
      name: Self.me,
      groupCount: groups.count / 32,
      hint: hint,
      dataLength: data.count
    )
    var writer = ByteWriter()
    header.write(to: &writer)
    let bytes = writer.bytes + groups + data
    guard
      case .complete(let frame, _) = try MessageFrame.parse(
        bytes[...],
        from: .client,
        limits: .test
      )
    else {
      throw WireError.malformed(field: "test")
    }
    return frame
  }
}

@Suite("Envelopes between daemons")
struct SessionEnvelopeTests {
  @Test("What is written is read", arguments: [nil, 0, 1, 100] as [Int?])
  func roundTrip(groups: Int?) throws {
    for options in [[], .selfDiscard, MessageType(rawValue: 0x7F00_0040)] as [MessageType] {
      let envelope = SessionEnvelope(
        options: options,
        hint: Hint(-5, order: .big),
        groups: groups.map { [UInt8](repeating: 0x61, count: $0 * 32)[...] },
        data: [1, 2, 3]
      )
      let bytes = envelope.bytes
      #expect(try SessionEnvelope(decoding: bytes[...]) == envelope)
      #expect(bytes.count - 3 <= SessionEnvelope.longest)
      for length in 0..<6 {
        #expect(throws: WireError.self) { try SessionEnvelope(decoding: bytes.prefix(length)) }
      }
    }
  }

  @Test("Forged bits, other versions and too many names are refused")
  func refused() {
    let good = SessionEnvelope(options: [], hint: Hint(0), groups: nil, data: []).bytes
    for (place, byte) in [(0, 2), (0, 0x41), (1, 0x80), (2, 0x81)] as [(Int, UInt8)] {
      var bytes = good
      bytes[place] = byte
      #expect(throws: WireError.self) { try SessionEnvelope(decoding: bytes[...]) }
    }
    let many = [0x21, 0] + good[2...] + [101] + [UInt8](repeating: 0, count: 101 * 32)
    #expect(throws: WireError.self) { try SessionEnvelope(decoding: many[...]) }
  }
}

@Suite("Handshake")
struct HandshakeTests {
  @Test("CONNECT has a patch byte from 3.15 on", arguments: [(3, 12), (3, 14), (3, 15), (4, 4)])
  func connect(version: (UInt8, UInt8)) throws {
    let request = ConnectRequest(
      version: Version(version.0, version.1, 0),
      wantsMembership: true,
      priority: 1,
      name: Array("abc".utf8)
    )
    let bytes = request.bytes
    #expect(bytes.count == (version.1 >= 15 || version.0 == 4 ? 8 : 7))
    for length in 0..<bytes.count {
      #expect(try ConnectRequest.parse(bytes.prefix(length)) == .incomplete)
    }
    let parsed = try ConnectRequest.parse(([9] + bytes + [1, 2])[1...])
    #expect(parsed == .complete(request, length: bytes.count))
  }

  @Test("What cannot be served is refused by its code")
  func refused() {
    #expect(throws: Refusal.version) { try ConnectRequest.parse([3, 0]) }
    #expect(throws: Refusal.illegalName) { try ConnectRequest.parse([4, 4, 0, 1, 11]) }
    #expect(throws: Refusal.illegalName) { try ConnectRequest.parse([4, 4, 0, 1, 0xFF]) }
    for byte in [0, 0x20, 0x21, 0x22, 0x23, 0x7F, 0x80, 0xFF] as [UInt8] {
      #expect(throws: Refusal.illegalName) { try ConnectRequest.parse([4, 4, 0, 1, 1, byte]) }
    }
    #expect(Refusal.allCases.map(\.byte).allSatisfy { $0 >= 0x80 })
  }

  @Test("A request that stops is one of a short name, or nothing")
  func endsInName() {
    #expect(!ConnectRequest.endsInName([]))
    #expect(!ConnectRequest.endsInName([4, 4, 0, 1]))
    #expect(ConnectRequest.endsInName([4, 4, 0, 1, 3]))
    #expect(ConnectRequest.endsInName([3, 14, 1, 3, 0x61]))
    #expect(!ConnectRequest.endsInName([3, 14, 1]))
  }

  @Test("Methods end with a blank each, and a list holds 90 bytes")
  func methods() throws {
    #expect(MethodList.methods(["NULL", "IP"]).bytes == [8] + Array("NULL IP ".utf8))
    let long = MethodList.methods((0..<40).map { "M\($0)" }).bytes
    #expect(long.count <= 91 && Int(long[0]) == long.count - 1)
    #expect(throws: WireError.self) { try MethodList.parse([91]) }
    #expect(try MethodList.parse([5, 0x4E]) == .incomplete)
    #expect(try MethodList.parse([0xFA]) == .complete(.refused(code: -6), length: 1))
    // The last blank may be missing.
    let unblanked = [4] + Array("NULL".utf8)
    #expect(try MethodList.parse(unblanked[...]) == .complete(.methods(["NULL"]), length: 5))
  }

  @Test("A choice is 90 bytes: three slots, the first empty one ends it")
  func choice() {
    let null = MethodChoice(["NULL"])
    #expect(null.bytes == Array("NULL".utf8) + [UInt8](repeating: 0, count: 86))
    #expect(MethodChoice.parse(null.bytes.prefix(89)) == .incomplete)
    #expect(MethodChoice.parse((null.bytes + [7])[...]) == .complete(null, length: 90))
    let full = MethodChoice(["NULL", "IP", "PWORD", "MORE"])
    #expect(full.methods.count == 3 && full.bytes.count == 90)
    #expect(MethodChoice.parse(full.bytes[...]) == .complete(full, length: 90))
    // A slot without a NUL ends with the slot; a gap ends the walk.
    let filled = [UInt8](repeating: 0x41, count: 90)
    guard case .complete(let walked, _) = MethodChoice.parse(filled[...]) else { return }
    #expect(walked.methods.map(\.utf8.count) == [30, 30, 30])
    let gap = [UInt8](repeating: 0, count: 30) + null.bytes.prefix(60)
    #expect(MethodChoice.parse(gap[...]) == .complete(MethodChoice([]), length: 90))
  }

  @Test("ACCEPT has a patch byte for clients from 3.15 on")
  func acceptance() throws {
    let answer = Acceptance.accepted(.own, privateName: Array("#a#dA".utf8))
    #expect(answer.bytes(for: .own) == [1, 4, 4, 0, 5] + Array("#a#dA".utf8))
    #expect(answer.bytes(for: Version(3, 14)) == [1, 4, 4, 5] + Array("#a#dA".utf8))
    for version in [Version(3, 14), .own] {
      let bytes = answer.bytes(for: version)
      #expect(
        try Acceptance.parse(bytes[...], for: version) == .complete(answer, length: bytes.count)
      )
      for length in 0..<bytes.count {
        #expect(try Acceptance.parse(bytes.prefix(length), for: version) == .incomplete)
      }
    }
    #expect(
      try Acceptance.parse([0xF7], for: .own) == .complete(.refused(code: -9), length: 1)
    )
    #expect(throws: WireError.self) { try Acceptance.parse([2], for: .own) }
    #expect(throws: WireError.self) { try Acceptance.parse([1, 4, 4, 0, 32], for: .own) }
    #expect(throws: WireError.self) { try Acceptance.parse([1, 4, 4, 0, 3], for: .own) }
  }
}
