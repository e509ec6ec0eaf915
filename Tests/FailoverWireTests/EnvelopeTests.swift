// SPDX-License-Identifier: Apache-2.0

import Bytes
import FailoverWire
import GroupModel
import Machine
import Testing

/// Envelopes there and back, and what their tags are over.
@Suite struct EnvelopeTests {
  private static let a = MemberID(node: "a", process: NodeID("wack1").name)
  private static let b = MemberID(node: "b", process: NodeID("wack2").name)
  private static let view = ViewID(epoch: 7, origin: 0xABCD, index: 2)

  private func envelope(_ payload: [UInt8] = [2, 3]) -> Envelope {
    Envelope(
      keyID: 0x0102,
      counter: 5,
      view: Self.view,
      tag: PayloadTag(0x1112_1314_1516_1718, 0x2122_2324_2526_2728),
      payload: payload[...]
    )
  }

  @Test("The layout, byte by byte, and back")
  func layout() throws {
    let bytes = envelope().encoded()
    let head: [UInt8] = [0x81, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 5]
    let view: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0xAB, 0xCD, 0, 0, 0, 2]
    let tag: [UInt8] = Array(0x11...0x18) + Array(0x21...0x28)
    #expect(bytes == head + view + tag + [2, 3])
    #expect(bytes.count == Envelope.overhead + 2)
    #expect(try Envelope(decoding: bytes[...]) == envelope())
    #expect(try Envelope(decoding: envelope([]).encoded()[...]).payload.isEmpty)
  }

  @Test("Every truncation of the head, another version and another kind are refused")
  func refused() {
    var bytes = envelope([]).encoded()
    for count in bytes.indices {
      #expect(throws: WireError.self) { try Envelope(decoding: bytes[..<count]) }
    }
    bytes[0] = 0x82
    #expect(throws: WireError.unknown(field: "envelope version", value: 0x82)) {
      try Envelope(decoding: bytes[...])
    }
    bytes[0] = Envelope.version
    bytes[1] = 3
    #expect(throws: WireError.malformed(field: "envelope")) {
      try Envelope(decoding: bytes[...])
    }
  }

  @Test("An envelope is no message whatever its key, and no message is an envelope")
  func toldApart() {
    for key in [UInt16(1), 0x0301, 0xFFFF] {
      var sealed = envelope()
      sealed.keyID = key
      #expect(throws: WireError.unknown(field: "kind", value: 0)) {
        try FailoverMessage(decoding: sealed.encoded()[...])
      }
      #expect(Envelope.isOne(sealed.encoded()[...]))
    }
    #expect(!Envelope.isOne([]))
    for message in FailoverMessageTests.messages {
      #expect(!Envelope.isOne(message.encoded()[...]))
      #expect(!Envelope.isOne(message.encoded(as: 1)[...]))
    }
  }

  @Test("Each part of an envelope and of where it is delivered changes its statement")
  func statements() {
    func statement(
      _ group: GroupName = "wack1",
      _ members: [MemberID] = [Self.a, Self.b],
      _ sender: MemberID = Self.a,
      _ change: (inout Envelope) -> Void = { _ in }
    ) -> [UInt8] {
      var envelope = envelope()
      change(&envelope)
      return envelope.statement(group: group, members: members, sender: sender)
    }
    let longer = MemberID(node: "aw", process: NodeID("ack1").name)
    let statements = [
      statement(),
      statement("wack2"),
      statement("wack1", [Self.a]),
      statement("wack1", [Self.a, longer]),
      statement("wack1", [Self.a, Self.b], Self.b),
      statement("wack1", [Self.a, Self.b], longer),
      statement("wack1", [Self.a, Self.a, Self.b]),
      statement { $0.keyID = 1 },
      statement { $0.counter = 6 },
      statement { $0.view = ViewID(epoch: 7, origin: 0xABCD, index: 3) },
      statement { $0.view = ViewID(epoch: 8, origin: 0xABCD, index: 2) },
      statement { $0.payload = [2, 4] },
      statement { $0.payload = [2] },
    ]
    #expect(Set(statements).count == statements.count)
    // The tag itself is not part of it.
    #expect(statement { $0.tag = PayloadTag(0, 0) } == statements[0])
  }

  @Test(
    "What speaks of its view is not sent again in another",
    arguments: FailoverMessageTests.messages
  )
  func boundToView(message: FailoverMessage) {
    let isBound =
      switch message {
      case .state, .balance, .without, .suspect, .heartbeat: true
      case .facts, .mature, .released, .moveFailed, .cancel, .order: false
      }
    #expect(FailoverMessage.isBoundToView(message.encoded()[...]) == isBound)
  }

  @Test("Random and damaged bytes never trap, and what is read is written again")
  func hostile() {
    var random = SplitMix64(seed: 12)
    for _ in 0..<20_000 {
      var bytes = envelope([1, 2, 3, 4]).encoded()
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
      }
      bytes.removeLast(Int.random(in: 0...8, using: &random))
      guard let read = try? Envelope(decoding: bytes[...]) else { continue }
      #expect(read.encoded() == bytes)
    }
  }
}
