// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import GroupModel

// Layout: version (1 byte), kind (1 byte), then the fields of the kind. A later version may add
// fields at the end of a kind, which earlier ones skip, and kinds, which earlier ones ignore.
// Version 2 added the second parts of state and facts, and kinds 8 to 11. Kind 12 is
// ``NeighborsReport``.

extension FailoverMessage {
  /// The newest version of the format, which is written unless an older one is asked for.
  package static let version: UInt8 = 2

  enum Kind: UInt8 {
    case state = 1
    case facts = 2
    case mature = 3
    case released = 4
    case moveFailed = 5
    case cancel = 6
    case balance = 7
    case without = 8
    case heartbeat = 9
    case suspect = 10
    case order = 11

    /// The version of the format that brought it.
    var since: UInt8 { rawValue <= Self.balance.rawValue ? 1 : 2 }
  }

  /// The oldest version of the format that can carry the message.
  package var oldestVersion: UInt8 { kind.since }

  var kind: Kind {
    switch self {
    case .state: .state
    case .facts: .facts
    case .mature: .mature
    case .released: .released
    case .moveFailed: .moveFailed
    case .cancel: .cancel
    case .balance: .balance
    case .without: .without
    case .heartbeat: .heartbeat
    case .suspect: .suspect
    case .order: .order
    }
  }

  /// The bytes of the message, as carried in a group payload.
  ///
  /// In an older `version` they say less, and are what a program of that version would write; a
  /// message that it does not know comes out all the same, and is ignored by it.
  package func encoded(as version: UInt8 = Self.version) -> [UInt8] {
    var writer = ByteWriter(reserving: 256)
    writer.write(version)
    writer.write(kind.rawValue)
    switch self {
    case .state(let report):
      report.encode(into: &writer)
      if version >= 2 { report.encodeSecondPart(into: &writer) }
    case .facts(let report):
      report.facts.encode(into: &writer)
      writer.write(vifs: report.withdrawn)
      if version >= 2 { report.facts.encodeSecondPart(into: &writer) }
    case .mature: break
    case .released(let vif, let id), .moveFailed(let vif, let id):
      writer.write(vif)
      writer.write(id.rawValue)
    case .cancel(let vif, let id, let member):
      writer.write(vif)
      writer.write(id.rawValue)
      writer.write(member)
    case .balance(let report): report.encode(into: &writer)
    case .without(let report):
      writer.write(report.view)
      writer.write(report.round)
      writer.write(members: report.members)
    case .heartbeat(let number): writer.write(number)
    case .suspect(let view, let member):
      writer.write(view)
      writer.write(member)
    case .order(let number, let order):
      writer.write(number)
      order.encode(into: &writer)
    }
    return writer.bytes
  }

  /// Reads a message.
  ///
  /// A reader of an older version is one that knows no more than that version has.
  ///
  /// - Throws: `unknown(field: "kind")` for a kind of a newer version, which is to be ignored;
  ///   everything else is no message of any version.
  package init(
    decoding bytes: ArraySlice<UInt8>,
    as known: UInt8 = Self.version
  ) throws(WireError) {
    var reader = ByteReader(bytes)
    let version = try reader.read(UInt8.self)
    guard version >= 1 else { throw .unknown(field: "version", value: UInt64(version)) }
    let rawKind = try reader.read(UInt8.self)
    guard let kind = Kind(rawValue: rawKind), kind.since <= known else {
      throw .unknown(field: "kind", value: UInt64(rawKind))
    }
    switch kind {
    case .state:
      var report = try StateReport(from: &reader)
      if min(version, known) >= 2 { try report.readSecondPart(from: &reader) }
      self = .state(report)
    case .facts:
      var facts = try Facts(from: &reader)
      let withdrawn = try reader.readVIFs()
      if min(version, known) >= 2 { try facts.readSecondPart(from: &reader) }
      self = .facts(FactsReport(facts: facts, withdrawn: withdrawn))
    case .mature: self = .mature
    case .released: self = .released(try reader.readVIF(), MoveID(try reader.read()))
    case .moveFailed: self = .moveFailed(try reader.readVIF(), MoveID(try reader.read()))
    case .cancel:
      let vif = try reader.readVIF()
      let id = MoveID(try reader.read())
      self = .cancel(vif, id, try reader.readMember())
    case .balance: self = .balance(try BalanceReport(from: &reader))
    case .without:
      let view = try reader.readView()
      let round = try reader.read(UInt32.self)
      self = .without(WithoutReport(view: view, round: round, members: try reader.readMembers()))
    case .heartbeat: self = .heartbeat(try reader.read())
    case .suspect:
      let view = try reader.readView()
      self = .suspect(view, try reader.readMember())
    case .order:
      let number = try reader.read(UInt64.self)
      self = .order(number, try OperatorOrder(from: &reader))
    }
    if version <= known { try reader.finish() }
  }
}

extension StateReport {
  /// Stands for no holder where the position of a record is expected.
  private static let nobody = UInt16.max

  fileprivate func encode(into writer: inout ByteWriter) {
    writer.write(view)
    writer.write(count: records.count)
    for record in records {
      writer.write(record.member)
      writer.write(UInt8(record.mature ? 1 : 0))
      record.facts.encode(into: &writer)
    }
    writer.write(lastMove.rawValue)
    writer.write(count: claims.count)
    for claim in claims {
      writer.write(claim.vif)
      writer.write(position(of: claim.holder))
      writer.write(UInt8((claim.stuck ? 1 : 0) | (claim.pending ? 2 : 0)))
      writer.write(count: claim.removals.count)
      for removal in claim.removals {
        writer.write(position(of: removal.member))
        writer.write(removal.id.rawValue)
        writer.write(removal.cause.rawValue)
      }
    }
  }

  private func position(of member: MemberID?) -> UInt16 {
    guard let member, let index = records.sortedIndex(of: member, by: \.member) else {
      return Self.nobody
    }
    return UInt16(truncatingIfNeeded: index)
  }

  fileprivate init(from reader: inout ByteReader) throws(WireError) {
    view = try reader.readView()
    records = []
    for _ in 0..<(try reader.readCount("members", limit: Limits.members)) {
      let member = try reader.readMember()
      let mature = try reader.read(UInt8.self) & 1 == 1
      records.append(.init(member: member, mature: mature, facts: try Facts(from: &reader)))
    }
    try requireAscending(records, by: \.member, "members")
    lastMove = MoveID(try reader.read())
    claims = []
    for _ in 0..<(try reader.readCount("claims", limit: Limits.vifs)) {
      var claim = Claim(vif: try reader.readVIF())
      claim.holder = try Self.readMember(from: &reader, in: records)
      let flags = try reader.read(UInt8.self)
      claim.stuck = flags & 1 != 0
      claim.pending = flags & 2 != 0
      for _ in 0..<(try reader.readCount("removals", limit: Limits.members)) {
        guard let member = try Self.readMember(from: &reader, in: records) else {
          throw .malformed(field: "removal")
        }
        let id = MoveID(try reader.read())
        let rawCause = try reader.read(UInt8.self)
        guard let cause = Removal.Cause(rawValue: rawCause) else {
          throw .unknown(field: "removal cause", value: UInt64(rawCause))
        }
        guard id <= lastMove, member != claim.holder else { throw .malformed(field: "removal") }
        claim.removals.append(Removal(member: member, id: id, cause: cause))
      }
      try requireAscending(claim.removals, by: \.member, "removals")
      claims.append(claim)
    }
    try requireAscending(claims, by: \.vif, "claims")
  }

  private static func readMember(
    from reader: inout ByteReader,
    in records: [MemberRecord]
  ) throws(WireError) -> MemberID? {
    let position = try reader.read(UInt16.self)
    guard position != nobody else { return nil }
    guard Int(position) < records.count else { throw .malformed(field: "member position") }
    return records[Int(position)].member
  }
}

extension BalanceReport {
  fileprivate func encode(into writer: inout ByteWriter) {
    writer.write(view)
    writer.write(count: moves.count)
    for move in moves {
      writer.write(move.vif)
      writer.write(move.from)
      writer.write(move.to)
    }
  }

  fileprivate init(from reader: inout ByteReader) throws(WireError) {
    view = try reader.readView()
    moves = []
    for _ in 0..<(try reader.readCount("moves", limit: Limits.vifs)) {
      let vif = try reader.readVIF()
      let from = try reader.readMember()
      moves.append(Move(vif: vif, from: from, to: try reader.readMember()))
    }
  }
}
