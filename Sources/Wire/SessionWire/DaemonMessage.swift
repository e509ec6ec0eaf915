// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import GroupModel

/// What a daemon says in an open session.
package enum DaemonMessage: Sendable, Equatable {
  /// A message of a client, whose private name is `sender`.
  case regular(sender: InlineName, SessionMulticast)
  /// A new view of a group.
  case membership(MembershipMessage)
  /// The view named by `ending` is about to lose daemons.
  case transition(group: InlineName, ending: GroupID)
  /// The session's own leave took effect.
  case selfLeave(group: InlineName)
  /// A message of the session itself that the daemon refused.
  case rejected(sender: InlineName, original: MessageType, SessionMulticast)

  /// The message as bytes.
  package func bytes(order: ByteOrder = .little) -> [UInt8] {
    switch self {
    case .regular(let sender, let multicast):
      MessageHeader(type: multicast.type, order: order, name: sender, hint: multicast.hint)
        .bytes(groups: multicast.groups, data: multicast.data)
    case .membership(let message): message.bytes(order: order)
    case .transition(let group, let ending):
      Self.plain(.transition, group, order, body: ending)
    case .selfLeave(let group):
      Self.plain(.causedByLeave, group, order, body: nil)
    case .rejected(let sender, let original, let multicast):
      MessageHeader(
        type: original.intersection(.selfDiscard).union(.reject),
        order: order,
        name: sender,
        hint: multicast.hint
      ).bytes(groups: multicast.groups, data: multicast.data, oldType: original)
    }
  }

  private static func plain(
    _ type: MessageType,
    _ group: InlineName,
    _ order: ByteOrder,
    body: GroupID?
  ) -> [UInt8] {
    var writer = ByteWriter()
    body?.write(order, to: &writer)
    return MessageHeader(type: type, order: order, name: group, hint: Hint(0, order: order))
      .bytes(groups: [], data: writer.bytes[...])
  }

  /// Reads a frame from a daemon.
  ///
  /// - Throws: what is wrong with it.
  package init(_ frame: MessageFrame) throws(WireError) {
    let type = frame.header.type
    let name = frame.header.name
    if let oldType = frame.oldType {
      self = .rejected(
        sender: name,
        original: oldType,
        SessionMulticast(
          type: oldType,
          hint: frame.header.hint,
          groups: frame.groups,
          data: frame.data
        )
      )
    } else if !type.isDisjoint(with: .regular) {
      guard type.service != nil, type.isDisjoint(with: .membership) else {
        throw .unknown(field: "type", value: UInt64(type.rawValue))
      }
      self = .regular(
        sender: name,
        SessionMulticast(
          type: type,
          hint: frame.header.hint,
          groups: frame.groups,
          data: frame.data
        )
      )
    } else if type.contains(.regularMembership) {
      self = .membership(try MembershipMessage(frame))
    } else if type.contains(.transition) {
      var reader = ByteReader(frame.data)
      let ending = try GroupID(frame.header.order, from: &reader)
      try reader.finish()
      guard frame.groups.isEmpty else { throw .malformed(field: "number of groups") }
      self = .transition(group: name, ending: ending)
    } else if type.contains(.causedByLeave) {
      guard frame.groups.isEmpty, frame.data.isEmpty else { throw .malformed(field: "length") }
      self = .selfLeave(group: name)
    } else {
      throw .unknown(field: "type", value: UInt64(type.rawValue))
    }
  }
}
