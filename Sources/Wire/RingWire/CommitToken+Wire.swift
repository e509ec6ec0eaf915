// SPDX-License-Identifier: Apache-2.0

import Bytes
import GroupModel

/// Obligations are bits over one list of names, the members and then `strangers`: were every member to
/// name those that it has promised to deliver, a token of 80 members would outgrow a datagram.
///
/// ```
/// sender | ring | hop 2 | members 1 | (node | incarnation 8)... | strangers 2 | node... | past... | known
/// past: flag 1 | ring | aru 8 | delivered 8 | highest 8 | received | obligations ceil(names / 8) | configuration 8
/// ```
extension CommitToken {
  init(reading reader: inout ByteReader) throws(WireError) {
    sender = try reader.readNode()
    ring = try reader.readRing()
    hop = try reader.read()
    let count = try reader.readCount("members", limit: WireLimits.members)
    var names: [NodeID] = []
    var incarnations: [Incarnation] = []
    names.reserveCapacity(count)
    for _ in 0..<count {
      try names.append(reader.readNode(after: names.last, of: "members"))
      incarnations.append(Incarnation(try reader.read()))
    }
    let strangers = try Self.readStrangers(from: &reader)
    names += strangers
    members = []
    members.reserveCapacity(count)
    for (node, incarnation) in zip(names, incarnations) {
      let past = try reader.readFlag("past") ? Past(reading: &reader, names: names) : nil
      members.append(Entry(node: node, incarnation: incarnation, past: past))
    }
    known = try reader.readKnown()
    guard ring.representative == members.first?.node, hop <= 2 * UInt16(count) else {
      throw .malformed(field: "commit token")
    }
    guard strangers == self.strangers else { throw .malformed(field: "strangers") }
  }

  func write(to writer: inout ByteWriter) {
    let strangers = strangers
    writer.write(sender)
    writer.write(ring)
    writer.write(hop)
    writer.writeCount(members.count)
    for entry in members {
      writer.write(entry.node)
      writer.write(entry.incarnation.rawValue)
    }
    writer.write(UInt16(strangers.count))
    for node in strangers { writer.write(node) }
    let names = members.map(\.node) + strangers
    for entry in members {
      writer.write(UInt8(entry.past == nil ? 0 : 1))
      entry.past?.write(to: &writer, names: names)
    }
    writer.write(known)
  }

  /// Those that somebody is obliged to and that are no members, in ascending order.
  private var strangers: [NodeID] {
    let roster = roster
    let obliged = members.flatMap { $0.past?.obligations.nodes ?? [] }
    return Roster(obliged.filter { !roster.contains($0) }).nodes
  }

  private static func readStrangers(from reader: inout ByteReader) throws(WireError) -> [NodeID] {
    let count: UInt16 = try reader.read()
    let limit = WireLimits.members * WireLimits.members
    guard count <= limit else {
      throw .excessive(field: "strangers", value: UInt64(count), limit: UInt64(limit))
    }
    var strangers: [NodeID] = []
    for _ in 0..<count {
      try strangers.append(reader.readNode(after: strangers.last, of: "strangers"))
    }
    return strangers
  }
}

extension CommitToken.Past {
  fileprivate init(reading reader: inout ByteReader, names: [NodeID]) throws(WireError) {
    ring = try reader.readOptionalRing()
    aru = try reader.readSequence()
    delivered = try reader.readSequence()
    highest = try reader.readSequence()
    received = try reader.readOptionalRing()
    obligations = try reader.readSelection(of: names, "obligations")
    configuration = try reader.read()
    guard delivered <= aru, aru <= highest else { throw .malformed(field: "past") }
  }

  fileprivate func write(to writer: inout ByteWriter, names: [NodeID]) {
    writer.write(ring)
    writer.write(aru)
    writer.write(delivered)
    writer.write(highest)
    writer.write(received)
    writer.write(obligations, asSelectionOf: names)
    writer.write(configuration)
  }
}

extension ByteReader {
  /// Reads one bit for each name, the lowest first; the bits that fill the last byte are zero.
  fileprivate mutating func readSelection(
    of names: [NodeID],
    _ field: StaticField
  ) throws(WireError) -> Roster {
    var selected: [NodeID] = []
    for start in stride(from: 0, to: names.count, by: 8) {
      let bits: UInt8 = try read()
      for bit in 0..<8 where bits >> UInt8(bit) & 1 == 1 {
        guard start + bit < names.count else { throw .malformed(field: field) }
        selected.append(names[start + bit])
      }
    }
    guard selected.count <= WireLimits.members else {
      throw .excessive(
        field: field,
        value: UInt64(selected.count),
        limit: UInt64(WireLimits.members)
      )
    }
    return Roster(selected)
  }
}

extension ByteWriter {
  /// Every node of `roster` is among `names`.
  fileprivate mutating func write(_ roster: Roster, asSelectionOf names: [NodeID]) {
    for start in stride(from: 0, to: names.count, by: 8) {
      var bits: UInt8 = 0
      for bit in 0..<8 where start + bit < names.count && roster.contains(names[start + bit]) {
        bits |= 1 << UInt8(bit)
      }
      write(bits)
    }
  }
}
