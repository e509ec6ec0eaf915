// SPDX-License-Identifier: Apache-2.0

import Bytes
package import GroupModel

/// What a client says in an open session.
package enum ClientMessage: Sendable, Equatable {
  case join(InlineName)
  case leave(InlineName)
  /// The client is about to close its connection.
  case kill
  case multicast(SessionMulticast)

  /// The most groups of one message.
  package static let mostGroups = 100

  /// Why a client's message ends its session.
  package enum Illegal: Error, Sendable, Hashable, CaseIterable {
    /// Not exactly one service or command.
    case type
    /// Bits in a message to others that only a daemon may set.
    case forged
    /// The name is not the session's own.
    case name
    /// A join or leave of no group.
    case noGroup
    /// Bits in the sender's mark that mean nothing.
    case hint
  }

  /// The message as bytes, from the session of that private name.
  package func bytes(from sender: InlineName, order: ByteOrder = .little) -> [UInt8] {
    var type: MessageType
    var hint = Hint(0, order: order)
    var groups: ArraySlice<UInt8>
    var data: ArraySlice<UInt8> = []
    switch self {
    case .join(let group): (type, groups) = (.join, NameField.bytes(of: [group])[...])
    case .leave(let group): (type, groups) = (.leave, NameField.bytes(of: [group])[...])
    case .kill: (type, groups) = (.kill, NameField.bytes(of: [sender])[...])
    case .multicast(let multicast):
      type = multicast.type
      (hint, groups, data) = (multicast.hint, multicast.groups, multicast.data)
    }
    return MessageHeader(type: type, order: order, name: sender, hint: hint)
      .bytes(groups: groups, data: data)
  }

  /// Reads a frame of the session of that private name.
  ///
  /// - Throws: why the session is to be ended.
  package init(_ frame: MessageFrame, of session: InlineName) throws(Illegal) {
    let header = frame.header
    let choice = header.type.intersection([.regular, .commands])
    guard choice.rawValue.nonzeroBitCount == 1 else { throw .type }
    guard header.name == session else { throw .name }
    guard header.hint.tag != nil else { throw .hint }
    let first = frame.groups.prefix(NameField.length)
    switch choice {
    case .join:
      guard !first.isEmpty else { throw .noGroup }
      self = .join(NameField.name(in: first))
    case .leave:
      guard !first.isEmpty else { throw .noGroup }
      self = .leave(NameField.name(in: first))
    case .kill: self = .kill
    default:  // not ours: one of the six services
      guard header.type.isDisjoint(with: .reserved) else { throw .forged }
      self = .multicast(
        SessionMulticast(
          type: header.type,
          hint: header.hint,
          groups: frame.groups,
          data: frame.data
        )
      )
    }
  }
}

/// A message of a client to groups and private names, as it stands on the wire.
package struct SessionMulticast: Sendable, Equatable {
  /// One service, and what ``MessageType/passed`` lets through.
  package let type: MessageType
  package let hint: Hint
  /// The fields of the destinations as the sender wrote them; receivers get them verbatim.
  package let groups: ArraySlice<UInt8>
  package let data: ArraySlice<UInt8>

  package init(
    type: MessageType,
    hint: Hint,
    groups: ArraySlice<UInt8>,
    data: ArraySlice<UInt8>
  ) {
    (self.type, self.hint, self.groups, self.data) = (type, hint, groups, data)
  }

  /// Makes a message of names; `options` are of ``MessageType/passed``.
  package init(
    service: Service,
    options: MessageType = [],
    tag: Int16 = 0,
    groups: [InlineName],
    data: ArraySlice<UInt8>
  ) {
    self.init(
      type: MessageType(service).union(options),
      hint: Hint(tag),
      groups: NameField.bytes(of: groups)[...],
      data: data
    )
  }

  /// The names of the destinations.
  package var destinations: [InlineName] { NameField.names(in: groups) }
}

extension MessageHeader {
  /// The whole message: this header, with counts that fit what follows, and what follows.
  func bytes(
    groups: ArraySlice<UInt8>,
    data: ArraySlice<UInt8>,
    oldType: MessageType? = nil
  ) -> [UInt8] {
    var writer = ByteWriter(reserving: Self.length + 4 + groups.count + data.count)
    MessageHeader(
      type: type,
      order: order,
      name: name,
      groupCount: groups.count / NameField.length,
      hint: hint,
      dataLength: data.count
    ).write(to: &writer)
    if let oldType { writer.write(oldType.rawValue | order.ownMarks, order) }
    writer.write(groups)
    writer.write(data)
    return writer.bytes
  }
}
