// SPDX-License-Identifier: Apache-2.0

import Bytes
import GroupModel

extension ByteReader {
  mutating func readCount(_ field: StaticField, limit: Int) throws(WireError) -> Int {
    let count: UInt8 = try read()
    guard count <= limit else {
      throw .excessive(field: field, value: UInt64(count), limit: UInt64(limit))
    }
    return Int(count)
  }

  mutating func readFlag(_ field: StaticField) throws(WireError) -> Bool {
    let value: UInt8 = try read()
    guard value <= 1 else { throw .unknown(field: field, value: UInt64(value)) }
    return value == 1
  }

  /// Reads a sequence number that leaves room for arithmetic.
  mutating func readSequence() throws(WireError) -> UInt64 {
    let value: UInt64 = try read()
    guard value < WireLimits.sequence else {
      throw .excessive(field: "sequence", value: value, limit: WireLimits.sequence)
    }
    return value
  }

  mutating func readRingSequence() throws(WireError) -> UInt64 {
    let value: UInt64 = try read()
    guard value < WireLimits.ringSequence else {
      throw .excessive(field: "ring sequence", value: value, limit: WireLimits.ringSequence)
    }
    return value
  }

  mutating func readNode() throws(WireError) -> NodeID {
    guard let node = try readOptionalNode() else { throw .malformed(field: "node") }
    return node
  }

  /// Reads a name; an empty one stands for none.
  mutating func readOptionalNode() throws(WireError) -> NodeID? {
    let length: UInt8 = try read()
    guard length > 0 else { return nil }
    guard let node = NodeID(slice: try readSlice(count: Int(length))) else {
      throw .malformed(field: "node")
    }
    return node
  }

  mutating func readRing() throws(WireError) -> RingID {
    let sequence = try readRingSequence()
    return RingID(sequence: sequence, representative: try readNode())
  }

  mutating func readOptionalRing() throws(WireError) -> RingID? {
    try readFlag("ring") ? try readRing() : nil
  }

  /// Reads members, which must be in ascending order, each once.
  mutating func readRoster(_ field: StaticField) throws(WireError) -> Roster {
    let count = try readCount(field, limit: WireLimits.members)
    var nodes: [NodeID] = []
    nodes.reserveCapacity(count)
    for _ in 0..<count { try nodes.append(readNode(after: nodes.last, of: field)) }
    return Roster(nodes)
  }

  /// Reads the next of a list in ascending order.
  mutating func readNode(after last: NodeID?, of field: StaticField) throws(WireError) -> NodeID {
    let node = try readNode()
    if let last, last >= node { throw .malformed(field: field) }
    return node
  }

  /// Reads marks, which must be in ascending order, each once.
  mutating func readKnown() throws(WireError) -> KnownMembers {
    let count = try readCount("known members", limit: WireLimits.members)
    var marks: [MemberMark] = []
    marks.reserveCapacity(count)
    for _ in 0..<count {
      let mark = MemberMark(rawValue: try read())
      if let last = marks.last, last >= mark { throw .malformed(field: "known members") }
      marks.append(mark)
    }
    return KnownMembers(marks)
  }
}

extension ByteWriter {
  mutating func writeCount(_ count: Int) {
    precondition(count <= Int(UInt8.max), "a count beyond the format's limits")
    write(UInt8(count))
  }

  mutating func write(_ node: NodeID?) {
    guard let node else { return write(UInt8(0)) }
    let bytes = node.name.bytes
    write(UInt8(bytes.count))
    write(bytes)
  }

  mutating func write(_ ring: RingID) {
    write(ring.sequence)
    write(ring.representative)
  }

  mutating func write(_ ring: RingID?) {
    write(UInt8(ring == nil ? 0 : 1))
    if let ring { write(ring) }
  }

  mutating func write(_ roster: Roster) {
    writeCount(roster.count)
    for node in roster.nodes { write(node) }
  }

  mutating func write(_ known: KnownMembers) {
    writeCount(known.marks.count)
    for mark in known.marks { write(mark.rawValue) }
  }
}
