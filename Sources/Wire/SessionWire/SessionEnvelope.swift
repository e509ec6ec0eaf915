// SPDX-License-Identifier: Apache-2.0

package import Bytes
import GroupModel

/// What daemons add to a client's message when they send it to each other, so that receivers get it
/// as the sender wrote it.
///
/// The group layer carries the destinations as names, the service and the sender; this is its
/// payload. Destinations that are no names, or have bytes behind their NUL, travel here verbatim.
package struct SessionEnvelope: Sendable, Equatable {
  /// The most bytes that are added to a message's data.
  package static let longest = 7 + ClientMessage.mostGroups * NameField.length

  private static let version: UInt8 = 1
  private static let versionMask: UInt8 = 0x0F
  private static let selfDiscardFlag: UInt8 = 0x10
  private static let verbatimFlag: UInt8 = 0x20

  /// What the type has besides the service: of ``MessageType/passed``.
  package let options: MessageType
  package let hint: Hint
  /// The fields of the destinations; `nil` if they are the names that the group layer carries.
  package let groups: ArraySlice<UInt8>?
  package let data: ArraySlice<UInt8>

  package init(
    options: MessageType,
    hint: Hint,
    groups: ArraySlice<UInt8>?,
    data: ArraySlice<UInt8>
  ) {
    (self.options, self.hint, self.groups, self.data) = (options, hint, groups, data)
  }

  package var bytes: [UInt8] {
    var flags = Self.version
    if options.contains(.selfDiscard) { flags |= Self.selfDiscardFlag }
    if groups != nil { flags |= Self.verbatimFlag }
    var writer = ByteWriter(reserving: 7 + (groups?.count ?? 0) + data.count)
    writer.write(flags)
    writer.write(UInt8(truncatingIfNeeded: options.rawValue >> 24))
    writer.write(hint.wire)
    if let groups {
      writer.write(UInt8(groups.count / NameField.length))
      writer.write(groups)
    }
    writer.write(data)
    return writer.bytes
  }

  /// Reads an envelope; its slices share the storage of `bytes`.
  ///
  /// - Throws: what is wrong with it.
  package init(decoding bytes: ArraySlice<UInt8>) throws(WireError) {
    var reader = ByteReader(bytes)
    let flags = try reader.read(UInt8.self)
    guard flags & Self.versionMask == Self.version,
      flags & ~(Self.versionMask | Self.selfDiscardFlag | Self.verbatimFlag) == 0
    else { throw .unknown(field: "envelope", value: UInt64(flags)) }
    let high = try reader.read(UInt8.self)
    let options = MessageType(rawValue: UInt32(high) << 24)
      .union(flags & Self.selfDiscardFlag != 0 ? .selfDiscard : [])
    guard MessageType.passed.isSuperset(of: options) else {
      throw .unknown(field: "type", value: UInt64(high))
    }
    self.options = options
    hint = Hint(wire: try reader.read())
    guard hint.tag != nil else { throw .malformed(field: "hint") }
    if flags & Self.verbatimFlag != 0 {
      let count = Int(try reader.read(UInt8.self))
      guard count <= ClientMessage.mostGroups else {
        throw .excessive(
          field: "number of groups",
          value: UInt64(count),
          limit: UInt64(ClientMessage.mostGroups)
        )
      }
      groups = try reader.readSlice(count: count * NameField.length)
    } else {
      groups = nil
    }
    data = reader.readRest()
  }
}
