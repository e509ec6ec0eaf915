// SPDX-License-Identifier: Apache-2.0

import Bytes
import GroupModel
import Machine
import RingWire
import Testing

@Suite("Datagrams")
struct DatagramTests {
  static let ring = RingID(sequence: 9, representative: "a")
  static let header = DatagramHeader(
    kind: .data,
    cluster: 0x0102_0304_0506_0708,
    counter: 77,
    boot: BootID(1, 2, 3, 4)
  )

  static let packets: [Packet] = [
    .data(
      DataPacket(
        sender: "b",
        originator: "c",
        ring: ring,
        sequence: 5,
        content: .messages([
          Fragment(service: .agreed, position: .whole, payload: [1, 2, 3]),
          Fragment(service: .safe, position: .first(total: 70_000), payload: [4]),
          Fragment(service: .safe, position: .middle, payload: []),
          Fragment(service: .fifo, position: .last, payload: [5]),
        ])
      )
    ),
    .data(
      DataPacket(
        sender: "b",
        originator: "b",
        ring: ring,
        sequence: 1,
        content: .recovered(
          DataPacket.Recovered(
            ring: RingID(sequence: 3, representative: "b"),
            originator: "a",
            sequence: 12,
            fragments: [Fragment(service: .causal, position: .whole, payload: [9])]
          )
        )
      )
    ),
    .token(token),
    .join(
      Join(
        sender: "a",
        incarnation: Incarnation(4),
        ringSequence: 8,
        considered: ["a", "b", "c"],
        failed: ["b"],
        known: known
      )
    ),
    .commitToken(
      CommitToken(
        sender: "a",
        ring: ring,
        hop: 1,
        members: [
          CommitToken.Entry(
            node: "a",
            incarnation: Incarnation(1),
            past: CommitToken.Past(
              ring: RingID(sequence: 3, representative: "b"),
              aru: 4,
              delivered: 3,
              highest: 9,
              received: ring,
              obligations: ["a", "z"],
              configuration: 17
            )
          ),
          CommitToken.Entry(node: "b", incarnation: Incarnation(2)),
        ],
        known: known
      )
    ),
    .beacon(Beacon(sender: "a", ring: ring)),
    .announcement(
      Announcement(
        sender: "a",
        ring: ring,
        members: ["a", "b"],
        heard: [RingID(sequence: 2, representative: "x")],
        known: known
      )
    ),
    .hurry(Hurry(sender: "a", ring: ring)),
    .departure(Departure(sender: "a", incarnation: Incarnation(3))),
  ]

  static let known = KnownMembers([
    MemberMark(of: "a", at: "10.0.0.1:4803"), MemberMark(of: "b", at: "10.0.0.2:4803"),
  ])

  static var token: Token {
    var token = Token(sender: "a", ring: ring)
    (token.hop, token.sequence, token.aru, token.aruHolder) = (4, 100, 90, "b")
    token.lastRound = Token.Report(retransmitted: 1, backlog: 2)
    token.thisRound = Token.Report(retransmitted: 3, backlog: 4)
    token.requests = [SequenceRange(91, 92), SequenceRange(95, 95)].compactMap { $0 }
    return token
  }

  @Test("What was encoded is decoded", arguments: packets)
  func roundTrip(packet: Packet) throws {
    let bytes = Datagram.encode(packet, header: Self.header)
    let (header, decoded) = try Datagram.decode(bytes[...])
    #expect(decoded == packet)
    #expect(header.kind == packet.kind)
    #expect(header.boot == Self.header.boot)
    #expect(header.cluster == Self.header.cluster)
    #expect(header.counter == 77)
  }

  @Test("Every cut datagram is refused, not trusted", arguments: packets)
  func truncated(packet: Packet) {
    let bytes = Datagram.encode(packet, header: Self.header)
    for length in 0..<bytes.count {
      if case .data = packet {  // May end after any fragment, but never equals the whole.
        #expect((try? Datagram.decode(bytes[..<length]))?.1 != packet)
        continue
      }
      #expect(throws: WireError.self, "\(packet.kind) cut to \(length)") {
        try Datagram.decode(bytes[..<length])
      }
    }
  }

  @Test("Random changes never trap and what decodes encodes to the same bytes")
  func mutated() {
    var random = SplitMix64(seed: 1)
    for round in 0..<20_000 {
      var bytes = Datagram.encode(Self.packets[round % Self.packets.count], header: Self.header)
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        bytes[index] = UInt8.random(in: 0...255, using: &random)
      }
      guard let (header, packet) = try? Datagram.decode(bytes[...]) else { continue }
      var expected = bytes
      for index in DatagramHeader.tagOffset..<DatagramHeader.size { expected[index] = 0 }
      let encoded = Datagram.encode(packet, header: header)
      let again = try? Datagram.decode(encoded[...])
      #expect(again?.1 == packet)
      if case .data = packet { continue }  // A named originator may equal the sender.
      #expect(encoded == expected)
    }
  }

  @Test(
    "A commit token of 128 members with the longest names fits, whoever is obliged to whom"
  )
  func largestCommitToken() throws {
    let crowd = (0..<256).compactMap {
      NodeID(text: "\(1000 + $0)" + String(repeating: "x", count: 27))
    }
    let members = crowd.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
    let old = Roster(crowd.suffix(128))
    let token = CommitToken(
      sender: members[3],
      ring: RingID(sequence: 9, representative: members[0]),
      hop: 255,
      members: members.map { node in
        let past = CommitToken.Past(
          ring: RingID(sequence: 8, representative: crowd[128]),
          aru: 5,
          delivered: 4,
          highest: 6,
          received: RingID(sequence: 9, representative: members[0]),
          obligations: node == members[1] ? [members[1], old.nodes[1]] : old,
          configuration: 1
        )
        return CommitToken.Entry(node: node, incarnation: Incarnation(3), past: past)
      },
      known: KnownMembers(crowd.prefix(128).map { MemberMark(of: $0, at: "10.0.0.1:4803") })
    )
    let bytes = Datagram.encode(.commitToken(token), header: Self.header)
    #expect(bytes.count < 32_000)
    #expect(try Datagram.decode(bytes[...]).1 == .commitToken(token))
  }

  @Test("Reserved kinds, other versions and sealed bodies are refused by name")
  func refused() {
    var bytes = Datagram.encode(Self.packets[5], header: Self.header)
    bytes[1] = PacketKind.obituary.rawValue
    #expect(throws: WireError.unknown(field: "kind", value: 16)) {
      try Datagram.decode(bytes[...])
    }
    bytes[0] = 2
    #expect(throws: WireError.unknown(field: "version", value: 2)) {
      try Datagram.decode(bytes[...])
    }
    var sealed = Self.header
    sealed.keyID = 3
    #expect(throws: WireError.unknown(field: "key id", value: 3)) {
      try Datagram.decode(Datagram.encode(Self.packets[5], header: sealed)[...])
    }
  }

  @Test("Counts and sequence numbers beyond the limits are refused")
  func excessive() {
    var token = Self.token
    token.sequence = WireLimits.sequence
    #expect(throws: WireError.self) {
      try Datagram.decode(Datagram.encode(.token(token), header: Self.header)[...])
    }
    let crowd = (0..<130).map { NodeID(text: "n\($0)") }.compactMap { $0 }
    let announcement = Announcement(
      sender: crowd[0],
      ring: Self.ring,
      members: Roster(crowd),
      heard: [],
      known: Self.known
    )
    #expect(throws: WireError.excessive(field: "members", value: 130, limit: 128)) {
      try Datagram.decode(Datagram.encode(.announcement(announcement), header: Self.header)[...])
    }
  }

  @Test("The overhead of a data packet is the most that it costs", arguments: [1, 3, 31])
  func overhead(longestName length: Int) throws {
    let node = { (letter: String) in NodeID(text: String(repeating: letter, count: length)) }
    let (sender, originator) = (try #require(node("a")), try #require(node("b")))
    let old = DataPacket.Recovered(
      ring: RingID(sequence: 3, representative: originator),
      originator: sender,
      sequence: 1,
      fragments: [Fragment(service: .agreed, position: .first(total: 9), payload: [9])]
    )
    let packet = DataPacket(
      sender: sender,
      originator: originator,
      ring: RingID(sequence: 4, representative: sender),
      sequence: 2,
      content: .recovered(old)
    )
    let bytes = Datagram.encode(.data(packet), header: Self.header)
    let fragment = Fragment.longestOverhead + 1
    #expect(bytes.count == DataPacket.overhead(longestName: length) + fragment)
  }
}
