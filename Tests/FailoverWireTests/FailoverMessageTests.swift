// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import FailoverWire
import GroupModel
import Machine
import Testing

/// Messages there and back, and bytes that are none.
@Suite struct FailoverMessageTests {
  private static let a = MemberID(node: "a", process: NodeID("a").name)
  private static let b = MemberID(node: "b", process: NodeID("wack").name)
  private static let v4 = VIFID(primary: .v4(IPv4Address(0x0A00_0065)))
  private static let v6 = VIFID(primary: .v6(IPv6Address(0x2001_0DB8 << 96 | 1)))
  private static let view = ViewID(epoch: 7, origin: 0xABCD, index: 2)

  private static let facts = Facts(
    serial: 3,
    weight: 2,
    drained: true,
    leaving: false,
    shared: SharedSettings(acquisitionsPerRound: 4, apart: [[v4, v6]]),
    vifs: [
      VIFFact(id: v4, readiness: .ready, preferred: true),
      VIFFact(id: v6, readiness: .noCarrier),
    ]
  )

  static let messages: [FailoverMessage] = [
    .state(
      StateReport(
        view: view,
        records: [
          MemberRecord(member: a, mature: true, facts: facts),
          MemberRecord(member: b, mature: false, facts: Facts(vifs: [])),
        ],
        lastMove: MoveID(9),
        claims: [
          Claim(
            vif: v4,
            holder: a,
            stuck: true,
            removals: [Removal(member: b, id: MoveID(9), cause: .conflict)]
          ),
          Claim(
            vif: v6,
            holder: b,
            pending: true,
            removals: [Removal(member: a, id: MoveID(2), cause: .move)]
          ),
        ]
      )
    ),
    .state(StateReport(view: view, records: [], lastMove: MoveID(0), claims: [])),
    .facts(FactsReport(facts: facts, withdrawn: [v4, v6])),
    .facts(FactsReport(facts: Facts(vifs: []), withdrawn: [])),
    .mature,
    .released(v4, MoveID(1)),
    .moveFailed(v6, MoveID(.max)),
    .cancel(v4, MoveID(5), b),
    .balance(BalanceReport(view: view, moves: [.init(vif: v6, from: a, to: b)])),
    .state(full),
    .without(WithoutReport(view: view, round: 3, members: [a, b])),
    .heartbeat(77),
    .suspect(view, b),
    .order(1, .prefer(v4, "web1")),
    .order(2, .prefer(v6, nil)),
    .order(3, .move(v6, "web2")),
    .order(4, .balance),
    .order(5, .announce(v4)),
  ]

  /// A state with everything that version 2 brought.
  private static let full: StateReport = {
    var facts = Self.facts
    facts.shared.policy = .drop
    facts.shared.quorum = Quorum(members: 2, isStrict: true)
    facts.failing = [FailingCheck(name: GroupName("http").name, vifs: [v4])]
    facts.failing.append(FailingCheck(name: GroupName("tcp").name))
    let record = MemberRecord(member: a, mature: true, suspected: true, facts: facts)
    var report = StateReport(view: view, records: [record], lastMove: MoveID(9), claims: [])
    report.round = 2
    report.strangers = [b]
    report.overrides = [
      Override(vif: v4, node: "web1", stamp: .init(counter: 4, node: "web2")),
      Override(vif: v6, node: nil, stamp: .init(counter: 5, node: "web1")),
    ]
    report.lastOverride = 5
    report.fences = [Fence(vif: v6, remaining: 1_200)]
    report.lastChange = 12
    let reasons: [ChangeReason] = [
      .uncovered, .holderGone, .notEligible(.unhealthy), .drained, .leaving, .conflict, .merged,
      .balance, .cancelled, .asked, .disconnected, .silent, .quorum, .ordered, .reconfigured,
      .other,
    ]
    report.history = reasons.enumerated().map { index, reason in
      HistoryEntry(
        view: index < 5 ? ViewID(epoch: 1, origin: 2, index: 3) : view,
        number: UInt64(index),
        vif: index < 5 ? v6 : v4,
        from: index == 3 ? nil : b,
        to: index == 4 ? nil : a,
        reason: reason,
        age: UInt32(90 - index)
      )
    }
    return report
  }()

  @Test("In version 1 what version 2 added is left out, and both read what is there")
  func olderVersion() throws {
    var told = Self.full
    let bytes = FailoverMessage.state(told).encoded(as: 1)
    told.records[0].suspected = false
    told.records[0].facts.shared.policy = .keep
    told.records[0].facts.shared.quorum = nil
    told.records[0].facts.failing = []
    let bare = StateReport(
      view: told.view,
      records: told.records,
      lastMove: told.lastMove,
      claims: told.claims
    )
    #expect(try FailoverMessage(decoding: bytes[...]) == .state(bare))
    let full = FailoverMessage.state(Self.full).encoded()
    #expect(try FailoverMessage(decoding: full[...], as: 1) == .state(bare))
    #expect(throws: WireError.unknown(field: "kind", value: 9)) {
      try FailoverMessage(decoding: FailoverMessage.heartbeat(1).encoded()[...], as: 1)
    }
  }

  @Test("Every message is read as it was written", arguments: messages)
  func roundTrip(message: FailoverMessage) throws {
    #expect(try FailoverMessage(decoding: message.encoded()[...]) == message)
  }

  @Test("The layout of a small message, byte by byte")
  func layout() {
    #expect(
      FailoverMessage.released(Self.v4, MoveID(0x0102)).encoded()
        == [2, 4, 4, 10, 0, 0, 101, 0, 0, 0, 0, 0, 0, 1, 2]
    )
  }

  @Test("Every truncation is refused", arguments: messages)
  func truncated(message: FailoverMessage) {
    let bytes = message.encoded()
    for count in bytes.indices {
      #expect(throws: WireError.self) { try FailoverMessage(decoding: bytes[..<count]) }
    }
  }

  @Test("A byte too many is refused in this version, and skipped in a later one")
  func trailing() throws {
    var bytes = FailoverMessage.mature.encoded() + [0]
    #expect(throws: WireError.trailing(count: 1)) { try FailoverMessage(decoding: bytes[...]) }
    bytes[0] = 3
    #expect(try FailoverMessage(decoding: bytes[...]) == .mature)
  }

  @Test("A kind of a newer version is told apart from garbage")
  func unknownKind() {
    #expect(throws: WireError.unknown(field: "kind", value: 200)) {
      try FailoverMessage(decoding: [2, 200, 1, 2, 3])
    }
    #expect(throws: WireError.unknown(field: "version", value: 0)) {
      try FailoverMessage(decoding: [0, 3])
    }
  }

  @Test("A reason of a newer version reads as a reason not to hold")
  func newerReadiness() throws {
    let facts = Facts(vifs: [VIFFact(id: Self.v4, readiness: .noCarrier)])
    var bytes = FailoverMessage.facts(FactsReport(facts: facts, withdrawn: [])).encoded(as: 1)
    let offset = bytes.count - 4
    #expect(bytes[offset] == Readiness.noCarrier.rawValue)
    bytes[offset] = 77
    let read = try FailoverMessage(decoding: bytes[...])
    guard case .facts(let report) = read else {
      Issue.record("read as \(read)")
      return
    }
    #expect(report.facts[Self.v4]?.readiness == .other)
  }

  @Test("Huge counts, no weight, disorder and impossible holders are refused")
  func rules() {
    func state(_ claims: [Claim], lastMove: UInt64 = 9) -> [UInt8] {
      let record = MemberRecord(member: Self.a, mature: true, facts: Facts(vifs: []))
      let report = StateReport(
        view: Self.view,
        records: [record],
        lastMove: MoveID(lastMove),
        claims: claims
      )
      return FailoverMessage.state(report).encoded()
    }
    let removal = Removal(member: Self.a, id: MoveID(3), cause: .move)
    let refused: [[UInt8]] = [
      state([Claim(vif: Self.v4), Claim(vif: Self.v4)]),
      state([Claim(vif: Self.v6), Claim(vif: Self.v4)]),
      state([Claim(vif: Self.v4, holder: Self.a, removals: [removal])]),
      state([Claim(vif: Self.v4, removals: [removal])], lastMove: 2),
      // The removal's member is not among the records.
      state([Claim(vif: Self.v4, removals: [Removal(member: Self.b, id: MoveID(1), cause: .move)])]
      ),
      [1, 2] + [UInt8](repeating: 0, count: 8) + [0, 0] + [UInt8](repeating: 0, count: 40),
      [1, 1] + [UInt8](repeating: 0, count: 20) + [0xFF, 0xFF],
    ]
    for bytes in refused {
      #expect(throws: WireError.self) { try FailoverMessage(decoding: bytes[...]) }
    }
  }

  @Test("Random and damaged bytes never trap, and what is read can be written")
  func hostile() throws {
    var random = SplitMix64(seed: 11)
    let seeds = Self.messages.map { $0.encoded() }
    for round in 0..<20_000 {
      var bytes = seeds[round % seeds.count]
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        let index = Int.random(in: bytes.indices, using: &random)
        bytes[index] = UInt8.random(in: 0...255, using: &random)
      }
      guard let message = try? FailoverMessage(decoding: bytes[...]) else { continue }
      let again = try FailoverMessage(decoding: message.encoded()[...])
      #expect(again == message)
    }
  }
}
