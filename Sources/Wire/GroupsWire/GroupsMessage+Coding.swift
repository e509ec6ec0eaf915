// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import GroupModel

/// The largest counts that are read; a message beyond them is refused as a whole.
private enum Limits {
  static let daemons = 1_024
}

/// The first byte of every message; a change of a layout takes a new number.
private enum Kind: UInt8 {
  case join = 1
  case leave = 2
  case disconnect = 3
  case data = 4
  case state = 5
}

extension GroupsMessage {
  /// The message as bytes.
  package var bytes: [UInt8] {
    var writer = ByteWriter(reserving: roughLength)
    switch self {
    case .join(let process, let group):
      writer.write(Kind.join.rawValue)
      writer.write(process)
      writer.write(group.name)
    case .leave(let process, let group):
      writer.write(Kind.leave.rawValue)
      writer.write(process)
      writer.write(group.name)
    case .disconnect(let process):
      writer.write(Kind.disconnect.rawValue)
      writer.write(process)
    case .data(let multicast):
      writer.write(Kind.data.rawValue)
      multicast.encode(into: &writer)
    case .state(let chunk):
      writer.write(Kind.state.rawValue)
      chunk.encode(into: &writer)
    }
    return writer.bytes
  }

  /// Reads a message; the payload of data shares the storage of `bytes`.
  ///
  /// - Throws: what is wrong with the bytes.
  package init(decoding bytes: ArraySlice<UInt8>) throws(WireError) {
    var reader = ByteReader(bytes)
    let raw = try reader.read(UInt8.self)
    guard let kind = Kind(rawValue: raw) else { throw .unknown(field: "kind", value: UInt64(raw)) }
    switch kind {
    case .join:
      self = .join(process: try reader.readProcess(), group: try reader.readGroup())
    case .leave:
      self = .leave(process: try reader.readProcess(), group: try reader.readGroup())
    case .disconnect:
      self = .disconnect(process: try reader.readProcess())
    case .data:
      self = .data(try Multicast(from: &reader))
    case .state:
      self = .state(try StateChunk(from: &reader))
    }
    try reader.finish()
  }

  private var roughLength: Int {
    switch self {
    case .join, .leave, .disconnect: 1 + 2 * 32
    case .data(let multicast): 36 + 32 * multicast.destinations.count + multicast.payload.count
    case .state: 32 << 10
    }
  }
}

extension Multicast {
  fileprivate func encode(into writer: inout ByteWriter) {
    writer.write(sender)
    writer.write(tag)
    writer.write(UInt8(clamping: destinations.count))
    for destination in destinations { writer.write(destination.name) }
    writer.write(payload)
  }

  fileprivate init(from reader: inout ByteReader) throws(WireError) {
    sender = try reader.readProcess()
    tag = try reader.read()
    let count = Int(try reader.read(UInt8.self))
    guard count > 0 else { throw .malformed(field: "destinations") }
    guard count <= Self.destinationLimit else {
      throw .excessive(
        field: "destinations",
        value: UInt64(count),
        limit: UInt64(Self.destinationLimit)
      )
    }
    var destinations: [GroupName] = []
    destinations.reserveCapacity(count)
    for _ in 0..<count {
      guard let name = GroupName(destination: try reader.readNameBytes()) else {
        throw .malformed(field: "destination")
      }
      destinations.append(name)
    }
    self.destinations = destinations
    payload = reader.readRest()
  }
}

extension StateChunk {
  /// Whether these are the bytes of a ``GroupsMessage/state(_:)``, or nothing else at least.
  package static func isState(_ bytes: ArraySlice<UInt8>) -> Bool {
    bytes.first == Kind.state.rawValue
  }

  fileprivate func encode(into writer: inout ByteWriter) {
    writer.write(ring.sequence)
    writer.write(ring.representative.name)
    writer.write(UInt16(clamping: speaksFor.count))
    for node in speaksFor.nodes { writer.write(node.name) }
    writer.write(number)
    writer.write(UInt8(isLast ? 1 : 0))
    writer.write(UInt16(clamping: groups.count))
    for group in groups {
      writer.write(group.name.name)
      writer.write(group.id.epoch)
      writer.write(group.id.origin)
      writer.write(group.id.index)
      writer.write(UInt8(group.isChanged ? 1 : 0))
      writer.write(UInt16(clamping: group.members.count))
      for member in group.members {
        writer.write(member.node)
        writer.write(member.process)
      }
    }
  }

  fileprivate init(from reader: inout ByteReader) throws(WireError) {
    let sequence = try reader.read(UInt64.self)
    ring = RingID(sequence: sequence, representative: try reader.readNode())
    speaksFor = try reader.readRoster()
    number = try reader.read()
    isLast = try reader.readFlag("last")
    let count = Int(try reader.read(UInt16.self))
    var groups: [GroupRecord] = []
    groups.reserveCapacity(min(count, reader.remaining / 24))
    for _ in 0..<count {
      groups.append(try GroupRecord(from: &reader, daemons: speaksFor.count))
    }
    self.groups = groups
  }
}

extension StateChunk.GroupRecord {
  fileprivate init(from reader: inout ByteReader, daemons: Int) throws(WireError) {
    name = try reader.readGroup()
    let epoch = try reader.read(UInt64.self)
    let origin = try reader.read(UInt64.self)
    id = ViewID(epoch: epoch, origin: origin, index: try reader.read())
    isChanged = try reader.readFlag("changed")
    let count = Int(try reader.read(UInt16.self))
    guard count > 0 else { throw .malformed(field: "members") }
    var members: [StateChunk.Member] = []
    members.reserveCapacity(min(count, reader.remaining / 4))
    for _ in 0..<count {
      let node = try reader.read(UInt16.self)
      guard node < daemons else {
        throw .excessive(field: "daemon", value: UInt64(node), limit: UInt64(daemons))
      }
      members.append(StateChunk.Member(node: node, process: try reader.readProcess()))
    }
    self.members = members
  }
}

extension ByteWriter {
  fileprivate mutating func write(_ name: InlineName) {
    write(UInt8(truncatingIfNeeded: name.count))
    write(name.bytes)
  }
}

extension ByteReader {
  fileprivate mutating func readNameBytes() throws(WireError) -> ArraySlice<UInt8> {
    try readSlice(count: Int(try read(UInt8.self)))
  }

  fileprivate mutating func readProcess() throws(WireError) -> InlineName {
    // Processes have names of the same alphabet as groups.
    guard let name = GroupName(try readNameBytes()) else { throw .malformed(field: "process") }
    return name.name
  }

  fileprivate mutating func readGroup() throws(WireError) -> GroupName {
    guard let name = GroupName(try readNameBytes()) else { throw .malformed(field: "group") }
    return name
  }

  fileprivate mutating func readNode() throws(WireError) -> NodeID {
    guard let node = NodeID(slice: try readNameBytes()) else { throw .malformed(field: "node") }
    return node
  }

  fileprivate mutating func readFlag(_ field: StaticField) throws(WireError) -> Bool {
    let value = try read(UInt8.self)
    guard value <= 1 else { throw .unknown(field: field, value: UInt64(value)) }
    return value == 1
  }

  /// Reads daemons, which must be in ascending order, each once, and at least one.
  fileprivate mutating func readRoster() throws(WireError) -> Roster {
    let count = Int(try read(UInt16.self))
    guard count <= Limits.daemons else {
      throw .excessive(field: "daemons", value: UInt64(count), limit: UInt64(Limits.daemons))
    }
    var nodes: [NodeID] = []
    for _ in 0..<count {
      let node = try readNode()
      if let last = nodes.last, last >= node { throw .malformed(field: "daemons") }
      nodes.append(node)
    }
    guard !nodes.isEmpty else { throw .malformed(field: "daemons") }
    return Roster(nodes)
  }
}
