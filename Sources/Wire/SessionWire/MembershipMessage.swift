// SPDX-License-Identifier: Apache-2.0

import Bytes
package import GroupModel

/// A view of a group.
package struct MembershipMessage: Sendable, Equatable {
  /// Why a view came to be.
  package enum Cause: Sendable, Hashable, CaseIterable {
    case join
    case leave
    case disconnect
    case network

    package var type: MessageType {
      switch self {
      case .join: .causedByJoin
      case .leave: .causedByLeave
      case .disconnect: .causedByDisconnect
      case .network: .causedByNetwork
      }
    }
  }

  package let group: InlineName
  package let cause: Cause
  package let id: GroupID
  /// The private names, in the order of the daemon's configuration, then of names.
  package let members: [InlineName]
  /// Who joined, left or vanished, alone; or, after a network change, those who came together.
  package let sets: [[InlineName]]
  /// The place in ``sets`` of the one that the receiver came with; 0 for simple causes.
  package let ownSet: Int

  package init(
    group: InlineName,
    cause: Cause,
    id: GroupID,
    members: [InlineName],
    sets: [[InlineName]],
    ownSet: Int
  ) {
    (self.group, self.cause, self.id) = (group, cause, id)
    (self.members, self.sets, self.ownSet) = (members, sets, ownSet)
  }

  /// Who joined, left or vanished; `nil` after a network change.
  package var changed: InlineName? {
    switch cause {
    case .join, .leave, .disconnect: sets.first?.first
    case .network: nil
    }
  }

  func bytes(order: ByteOrder) -> [UInt8] {
    let names = sets.reduce(0) { $0 + $1.count }
    var body = ByteWriter(reserving: 20 + 4 * sets.count + NameField.length * names)
    id.write(order, to: &body)
    body.write(UInt32(sets.count), order)
    body.write(UInt32(Self.offset(of: ownSet, in: sets)), order)
    for set in sets {
      body.write(UInt32(set.count), order)
      for name in set { body.write(field: name) }
    }
    return MessageHeader(
      type: [.regularMembership, cause.type],
      order: order,
      name: group,
      hint: Hint(0, order: order)
    ).bytes(groups: NameField.bytes(of: members)[...], data: body.bytes[...])
  }

  /// Where a set starts, in bytes behind the first.
  private static func offset(of set: Int, in sets: [[InlineName]]) -> Int {
    sets.prefix(set).reduce(0) { $0 + 4 + NameField.length * $1.count }
  }

  init(_ frame: MessageFrame) throws(WireError) {
    let type = frame.header.type
    let matching = Cause.allCases.filter { type.contains($0.type) }
    guard matching.count == 1, let cause = matching.first else {
      throw .unknown(field: "cause", value: UInt64(type.rawValue))
    }
    let order = frame.header.order
    var reader = ByteReader(frame.data)
    id = try GroupID(order, from: &reader)
    let count = try reader.read(order)
    let offset = try reader.read(order)
    // Each set has its count at least.
    guard count <= reader.remaining / 4 else {
      throw .truncated(needed: Int(count) * 4, available: reader.remaining)
    }
    let start = reader.remaining
    var sets: [[InlineName]] = []
    var ownSet: Int?
    for _ in 0..<count {
      if start - reader.remaining == Int(offset) { ownSet = sets.count }
      let names = Int(try reader.read(order))
      sets.append(NameField.names(in: try reader.readSlice(count: names * NameField.length)))
    }
    try reader.finish()
    guard let ownSet else { throw .malformed(field: "own set") }
    if cause != .network, sets.map(\.count) != [1] { throw .malformed(field: "changed member") }
    (group, self.cause, self.sets, self.ownSet) = (frame.header.name, cause, sets, ownSet)
    members = NameField.names(in: frame.groups)
  }
}
