// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import Bytes
internal import GroupModel

/// The largest counts that are read; a message beyond them is refused as a whole.
enum Limits {
  static let members = 1_024
  static let vifs = 4_096
  static let groups = 1_024
  static let checks = 1_024
  static let history = 1_024
}

/// Requires keys to be strictly ascending, which also means that there are no duplicates.
func requireAscending<Element, Key: Comparable>(
  _ elements: [Element],
  by path: (Element) -> Key,
  _ field: StaticField
) throws(WireError) {
  for index in elements.indices.dropFirst()
  where path(elements[index - 1]) >= path(elements[index]) {
    throw .malformed(field: field)
  }
}

extension Facts {
  /// Stands for no limit where a number of acquisitions is expected.
  private static let all = UInt16.max

  func encode(into writer: inout ByteWriter) {
    writer.write(serial)
    writer.write(weight)
    writer.write(UInt8((drained ? 1 : 0) | (leaving ? 2 : 0)))
    writer.write(shared.functionVersion)
    writer.write(shared.acquisitionsPerRound ?? Self.all)
    writer.write(count: shared.apart.count)
    for group in shared.apart { writer.write(vifs: group) }
    writer.write(count: vifs.count)
    for vif in vifs {
      writer.write(vif.id)
      writer.write(vif.readiness.rawValue)
      writer.write(UInt8(vif.preferred ? 1 : 0))
    }
  }

  init(from reader: inout ByteReader) throws(WireError) {
    let serial = try reader.read(UInt64.self)
    let weight = try reader.read(UInt16.self)
    guard weight >= 1 else { throw .malformed(field: "weight") }
    let flags = try reader.read(UInt8.self)
    let function = try reader.read(UInt8.self)
    let perRound = try reader.read(UInt16.self)
    var apart: [[VIFID]] = []
    for _ in 0..<(try reader.readCount("apart", limit: Limits.groups)) {
      apart.append(try reader.readVIFs())
    }
    var vifs: [VIFFact] = []
    for _ in 0..<(try reader.readCount("vifs", limit: Limits.vifs)) {
      let id = try reader.readVIF()
      let readiness = Readiness(rawValue: try reader.read()) ?? .other
      let preferred = try reader.read(UInt8.self) & 1 == 1
      vifs.append(VIFFact(id: id, readiness: readiness, preferred: preferred))
    }
    try requireAscending(vifs, by: \.id, "vifs")
    self.init(
      serial: serial,
      weight: weight,
      drained: flags & 1 != 0,
      leaving: flags & 2 != 0,
      shared: SharedSettings(
        functionVersion: function,
        acquisitionsPerRound: perRound == Self.all ? nil : perRound,
        apart: apart
      ),
      vifs: vifs
    )
  }
}

extension Facts {
  /// Stands for all VIFs where the number of those that a check concerns is expected.
  private static let everything = UInt16.max

  /// What version 2 added.
  func encodeSecondPart(into writer: inout ByteWriter) {
    writer.write(shared.policy.rawValue)
    writer.write(shared.quorum?.members ?? 0)
    writer.write(UInt8(shared.quorum?.isStrict ?? false ? 1 : 0))
    writer.write(count: failing.count)
    for check in failing {
      writer.write(check.name)
      if let vifs = check.vifs { writer.write(vifs: vifs) } else { writer.write(Self.everything) }
    }
  }

  mutating func readSecondPart(from reader: inout ByteReader) throws(WireError) {
    // What a newer version may add here is not known to be harmless: nobody is to hold too much.
    shared.policy = Policy(rawValue: try reader.read()) ?? .drop
    let members = try reader.read(UInt16.self)
    let isStrict = try reader.read(UInt8.self) & 1 == 1
    shared.quorum = members == 0 ? nil : Quorum(members: members, isStrict: isStrict)
    failing = []
    for _ in 0..<(try reader.readCount("checks", limit: Limits.checks)) {
      let name = try reader.readName()
      var peek = reader
      if try peek.read(UInt16.self) == Self.everything {
        reader = peek
        failing.append(FailingCheck(name: name))
      } else {
        failing.append(FailingCheck(name: name, vifs: try reader.readVIFs()))
      }
    }
  }
}

extension OperatorOrder {
  func encode(into writer: inout ByteWriter) {
    switch self {
    case .prefer(let vif, let node):
      writer.write(UInt8(1))
      writer.write(vif)
      writer.write(node)
    case .move(let vif, let node):
      writer.write(UInt8(2))
      writer.write(vif)
      writer.write(node)
    case .balance: writer.write(UInt8(3))
    case .announce(let vif):
      writer.write(UInt8(4))
      writer.write(vif)
    }
  }

  init(from reader: inout ByteReader) throws(WireError) {
    let raw = try reader.read(UInt8.self)
    switch raw {
    case 1:
      let vif = try reader.readVIF()
      self = .prefer(vif, try reader.readNode())
    case 2:
      let vif = try reader.readVIF()
      guard let node = try reader.readNode() else { throw .malformed(field: "node") }
      self = .move(vif, node)
    case 3: self = .balance
    case 4: self = .announce(try reader.readVIF())
    default: throw .unknown(field: "order", value: UInt64(raw))
    }
  }
}

extension ByteWriter {
  /// Writes a count; senders keep below ``Limits``, far below what the field can hold.
  mutating func write(count: Int) { write(UInt16(clamping: count)) }

  mutating func write(_ vif: VIFID) {
    switch vif.primary {
    case .v4(let address):
      write(UInt8(4))
      write(address.rawValue)
    case .v6(let address):
      write(UInt8(6))
      write(address.rawValue)
    }
  }

  mutating func write(vifs: [VIFID]) {
    write(count: vifs.count)
    for vif in vifs { write(vif) }
  }

  mutating func write(_ name: InlineName) {
    let bytes = name.bytes
    write(UInt8(clamping: bytes.count))
    write(bytes)
  }

  mutating func write(_ member: MemberID) {
    write(member.node.name)
    write(member.process)
  }

  mutating func write(members: [MemberID]) {
    write(count: members.count)
    for member in members { write(member) }
  }

  /// Writes a node, or an empty name for none.
  mutating func write(_ node: NodeID?) {
    if let node { write(node.name) } else { write(UInt8(0)) }
  }

  mutating func write(_ view: ViewID) {
    write(view.epoch)
    write(view.origin)
    write(view.index)
  }
}

extension ByteReader {
  mutating func readCount(_ field: StaticField, limit: Int) throws(WireError) -> Int {
    let count = Int(try read(UInt16.self))
    guard count <= limit else {
      throw .excessive(field: field, value: UInt64(count), limit: UInt64(limit))
    }
    return count
  }

  mutating func readVIF() throws(WireError) -> VIFID {
    let family = try read(UInt8.self)
    switch family {
    case 4: return VIFID(primary: .v4(IPv4Address(try read())))
    case 6: return VIFID(primary: .v6(IPv6Address(try read())))
    default: throw .unknown(field: "address family", value: UInt64(family))
    }
  }

  /// Reads a list of VIFs, which must be strictly ascending.
  mutating func readVIFs() throws(WireError) -> [VIFID] {
    var vifs: [VIFID] = []
    for _ in 0..<(try readCount("vif list", limit: Limits.vifs)) { vifs.append(try readVIF()) }
    try requireAscending(vifs, by: \.self, "vif list")
    return vifs
  }

  mutating func readName() throws(WireError) -> InlineName {
    let count = Int(try read(UInt8.self))
    guard let name = InlineName(try readSlice(count: count)) else {
      throw .malformed(field: "name")
    }
    return name
  }

  mutating func readMember() throws(WireError) -> MemberID {
    guard let node = NodeID(try readName().bytes) else { throw .malformed(field: "node") }
    return MemberID(node: node, process: try readName())
  }

  /// Reads a list of members, which must be strictly ascending.
  mutating func readMembers() throws(WireError) -> [MemberID] {
    var members: [MemberID] = []
    for _ in 0..<(try readCount("members", limit: Limits.members)) {
      members.append(try readMember())
    }
    try requireAscending(members, by: \.self, "members")
    return members
  }

  /// Reads a node; `nil` for an empty name.
  mutating func readNode() throws(WireError) -> NodeID? {
    let bytes = try readName().bytes
    guard !bytes.isEmpty else { return nil }
    guard let node = NodeID(bytes) else { throw .malformed(field: "node") }
    return node
  }

  mutating func readView() throws(WireError) -> ViewID {
    let epoch = try read(UInt64.self)
    let origin = try read(UInt64.self)
    return ViewID(epoch: epoch, origin: origin, index: try read())
  }
}
