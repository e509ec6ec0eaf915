// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import GroupModel

/// The 48 bytes before every message of an open session, in both directions.
package struct MessageHeader: Sendable, Equatable {
  /// Its length in bytes.
  package static let length = 48

  /// What the message is, without marks.
  package let type: MessageType
  /// The order in which the type, the counts and a membership body are written.
  package let order: ByteOrder
  /// The private name of the sender, or the group that a membership message is about.
  package let name: InlineName
  /// How many names follow; never negative.
  package let groupCount: Int
  package let hint: Hint
  /// How many bytes follow the names; never negative.
  package let dataLength: Int

  package init(
    type: MessageType,
    order: ByteOrder = .little,
    name: InlineName,
    groupCount: Int = 0,
    hint: Hint = .none,
    dataLength: Int = 0
  ) {
    (self.type, self.order, self.name) = (type, order, name)
    (self.groupCount, self.hint, self.dataLength) = (groupCount, hint, dataLength)
  }

  /// Reads a header from the first ``length`` bytes.
  ///
  /// - Throws: what is wrong with it: too few bytes, marks that disagree, a negative count.
  package init(decoding bytes: ArraySlice<UInt8>) throws(WireError) {
    var reader = ByteReader(bytes)
    let word = try reader.read(UInt32.self)
    order = try ByteOrder(marksOf: word, field: "type")
    type = MessageType(rawValue: order.value(of: word) & ~ByteOrder.marks)
    name = NameField.name(in: try reader.readSlice(count: NameField.length))
    let groups = try reader.read(order)
    hint = Hint(wire: try reader.read())
    let data = try reader.read(order)
    guard groups < 1 << 31 else { throw .malformed(field: "number of groups") }
    guard data < 1 << 31 else { throw .malformed(field: "data length") }
    (groupCount, dataLength) = (Int(groups), Int(data))
  }

  /// How many bytes follow the header in a message of a side.
  package func bodyLength(from sender: MessageFrame.Sender) -> Int {
    groupCount * NameField.length + dataLength
      + (hasOldType(from: sender) ? MemoryLayout<UInt32>.size : 0)
  }

  /// Only daemons reject; a client that sets the bit sends no further word for it.
  func hasOldType(from sender: MessageFrame.Sender) -> Bool {
    sender == .daemon && type.contains(.reject)
  }

  package func write(to writer: inout ByteWriter) {
    writer.write(type.rawValue | order.ownMarks, order)
    writer.write(field: name)
    writer.write(UInt32(truncatingIfNeeded: groupCount), order)
    writer.write(hint.wire)
    writer.write(UInt32(truncatingIfNeeded: dataLength), order)
  }
}

/// A whole message of an open session, cut into its parts but not interpreted.
package struct MessageFrame: Sendable, Equatable {
  package let header: MessageHeader
  /// In a rejected message the type of the original, without marks.
  package let oldType: MessageType?
  /// The fields of the names, as they came.
  package let groups: ArraySlice<UInt8>
  package let data: ArraySlice<UInt8>

  /// What a reader accepts, so that nobody makes it wait for, or hold, too much.
  package struct Limits: Sendable, Equatable {
    package var groups: Int
    /// The most bytes of names and data together.
    package var body: Int

    package init(groups: Int, body: Int) { (self.groups, self.body) = (groups, body) }
  }

  /// Which side of a session wrote a message.
  package enum Sender: Sendable, Hashable {
    case client
    case daemon
  }

  /// Reads a message from the start of a stream; its slices share the storage of `bytes`.
  ///
  /// - Throws: what is wrong with it, as soon as the header shows it.
  package static func parse(
    _ bytes: ArraySlice<UInt8>,
    from sender: Sender,
    limits: Limits
  ) throws(WireError) -> Parsed<Self> {
    guard bytes.count >= MessageHeader.length else { return .incomplete }
    let header = try MessageHeader(decoding: bytes.prefix(MessageHeader.length))
    try check(header, limits: limits)
    let length = MessageHeader.length + header.bodyLength(from: sender)
    guard bytes.count >= length else { return .incomplete }
    var reader = ByteReader(bytes.dropFirst(MessageHeader.length))
    var oldType: MessageType?
    if header.hasOldType(from: sender) {
      let word = try reader.read(header.order)
      oldType = MessageType(rawValue: word & ~ByteOrder.marks)
    }
    let groups = try reader.readSlice(count: header.groupCount * NameField.length)
    let data = try reader.readSlice(count: header.dataLength)
    let frame = Self(header: header, oldType: oldType, groups: groups, data: data)
    return .complete(frame, length: length)
  }

  /// Throws if the header announces more than the limits allow.
  private static func check(_ header: MessageHeader, limits: Limits) throws(WireError) {
    guard header.groupCount <= limits.groups else {
      throw .excessive(
        field: "number of groups",
        value: UInt64(header.groupCount),
        limit: UInt64(limits.groups)
      )
    }
    let body = header.groupCount * NameField.length + header.dataLength
    guard body <= limits.body else {
      throw .excessive(field: "length", value: UInt64(body), limit: UInt64(limits.body))
    }
  }
}
