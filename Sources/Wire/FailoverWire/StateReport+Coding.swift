// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import GroupModel

// What version 2 added to a state. Members and views of the history are named once and then meant by
// their positions, as a history of all VIFs would otherwise be most of the message.

extension StateReport {
  private static let nobody = UInt16.max

  func encodeSecondPart(into writer: inout ByteWriter) {
    writer.write(round)
    for record in records {
      writer.write(UInt8(record.suspected ? 1 : 0))
      record.facts.encodeSecondPart(into: &writer)
    }
    writer.write(members: strangers)
    writer.write(lastOverride)
    writer.write(count: overrides.count)
    for override in overrides {
      writer.write(override.vif)
      writer.write(override.node)
      writer.write(override.stamp.counter)
      writer.write(override.stamp.node.name)
    }
    writer.write(count: fences.count)
    for fence in fences {
      writer.write(fence.vif)
      writer.write(fence.remaining)
    }
    writer.write(lastChange)
    encodeHistory(into: &writer)
  }

  private func encodeHistory(into writer: inout ByteWriter) {
    let members = Self.distinct(history.flatMap { [$0.from, $0.to].compactMap(\.self) })
    let views = Self.distinct(history.map(\.view))
    writer.write(members: members)
    writer.write(count: views.count)
    for view in views { writer.write(view) }
    writer.write(count: history.count)
    for entry in history {
      writer.write(UInt16(clamping: views.insertionIndex(of: entry.view, by: \.self)))
      writer.write(entry.number)
      writer.write(entry.vif)
      for member in [entry.from, entry.to] {
        let index = member.map { UInt16(clamping: members.insertionIndex(of: $0, by: \.self)) }
        writer.write(index ?? Self.nobody)
      }
      writer.write(entry.reason.code.reason)
      writer.write(entry.reason.code.readiness)
      writer.write(entry.age)
    }
  }

  private static func distinct<Key: Comparable>(_ keys: [Key]) -> [Key] {
    var result: [Key] = []
    for key in keys.sorted() where result.last.map({ $0 < key }) ?? true { result.append(key) }
    return result
  }

  mutating func readSecondPart(from reader: inout ByteReader) throws(WireError) {
    round = try reader.read()
    for index in records.indices {
      records[index].suspected = try reader.read(UInt8.self) & 1 == 1
      try records[index].facts.readSecondPart(from: &reader)
    }
    strangers = try reader.readMembers()
    lastOverride = try reader.read()
    overrides = []
    for _ in 0..<(try reader.readCount("overrides", limit: Limits.vifs)) {
      let vif = try reader.readVIF()
      let node = try reader.readNode()
      let counter = try reader.read(UInt64.self)
      guard let author = try reader.readNode(), counter <= lastOverride else {
        throw .malformed(field: "override")
      }
      let stamp = Override.Stamp(counter: counter, node: author)
      overrides.append(Override(vif: vif, node: node, stamp: stamp))
    }
    try requireAscending(overrides, by: \.vif, "overrides")
    fences = []
    for _ in 0..<(try reader.readCount("fences", limit: Limits.vifs)) {
      let vif = try reader.readVIF()
      fences.append(Fence(vif: vif, remaining: try reader.read()))
    }
    try requireAscending(fences, by: \.vif, "fences")
    lastChange = try reader.read()
    try readHistory(from: &reader)
  }

  private mutating func readHistory(from reader: inout ByteReader) throws(WireError) {
    let members = try reader.readMembers()
    var views: [ViewID] = []
    for _ in 0..<(try reader.readCount("views", limit: Limits.history)) {
      views.append(try reader.readView())
    }
    history = []
    for _ in 0..<(try reader.readCount("history", limit: Limits.history)) {
      let view = Int(try reader.read(UInt16.self))
      guard view < views.count else { throw .malformed(field: "view position") }
      let number = try reader.read(UInt64.self)
      let vif = try reader.readVIF()
      let from = try Self.readPosition(from: &reader, in: members)
      let to = try Self.readPosition(from: &reader, in: members)
      let reason = try reader.read(UInt8.self)
      let readiness = try reader.read(UInt8.self)
      history.append(
        HistoryEntry(
          view: views[view],
          number: number,
          vif: vif,
          from: from,
          to: to,
          reason: ChangeReason(reason: reason, readiness: readiness),
          age: try reader.read()
        )
      )
    }
  }

  private static func readPosition(
    from reader: inout ByteReader,
    in members: [MemberID]
  ) throws(WireError) -> MemberID? {
    let position = try reader.read(UInt16.self)
    guard position != nobody else { return nil }
    guard Int(position) < members.count else { throw .malformed(field: "member position") }
    return members[Int(position)]
  }
}
