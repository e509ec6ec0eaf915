// SPDX-License-Identifier: Apache-2.0

package import Bytes
import GroupModel

/// The clear part of every datagram, the same for all versions to come.
///
/// ```
/// version 1 | kind 1 | key id 2 | cluster id 8 | counter 8 | boot id 32 | tag 16 | body
/// ```
package struct DatagramHeader: Sendable, Equatable {
  package static let version: UInt8 = 1
  /// The length in bytes, the tag included.
  package static let size = 68
  /// Where the authentication tag stands; what precedes it is authenticated, not encrypted.
  package static let tagOffset = 52
  package static let tagSize = 16

  package var kind: PacketKind
  /// Which key seals the body; 0 if it is not sealed, and then the tag is zero.
  package var keyID: UInt16
  package var cluster: UInt64
  /// The number of this datagram within its boot.
  package var counter: UInt64
  package var boot: BootID

  package init(
    kind: PacketKind,
    keyID: UInt16 = 0,
    cluster: UInt64,
    counter: UInt64,
    boot: BootID
  ) {
    (self.kind, self.keyID, self.cluster) = (kind, keyID, cluster)
    (self.counter, self.boot) = (counter, boot)
  }

  /// Reads a header; the body, perhaps sealed, is what follows ``size`` bytes.
  package init(decoding bytes: ArraySlice<UInt8>) throws(WireError) {
    var reader = ByteReader(bytes)
    let version: UInt8 = try reader.read()
    guard version == Self.version else {
      throw .unknown(field: "version", value: UInt64(version))
    }
    let rawKind: UInt8 = try reader.read()
    guard let kind = PacketKind(rawValue: rawKind) else {
      throw .unknown(field: "kind", value: UInt64(rawKind))
    }
    self.kind = kind
    keyID = try reader.read()
    cluster = try reader.read()
    counter = try reader.read()
    boot = BootID(high: try reader.read(), low: try reader.read())
    _ = try reader.readSlice(count: Self.tagSize)
  }

  /// Appends the header, with a tag of zeros.
  package func write(to writer: inout ByteWriter) {
    writer.write(Self.version)
    writer.write(kind.rawValue)
    writer.write(keyID)
    writer.write(cluster)
    writer.write(counter)
    for word in boot.words { writer.write(word) }
    for _ in 0..<2 { writer.write(UInt64(0)) }
  }
}

/// A random number of 256 bits that a daemon draws when it starts.
package struct BootID: Sendable, Hashable {
  fileprivate let high: UInt128
  fileprivate let low: UInt128

  fileprivate init(high: UInt128, low: UInt128) { (self.high, self.low) = (high, low) }

  package init(_ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64) {
    high = UInt128(first) << 64 | UInt128(second)
    low = UInt128(third) << 64 | UInt128(fourth)
  }

  /// The number from its most significant word on.
  package var words: [UInt64] {
    [
      UInt64(truncatingIfNeeded: high >> 64), UInt64(truncatingIfNeeded: high),
      UInt64(truncatingIfNeeded: low >> 64), UInt64(truncatingIfNeeded: low),
    ]
  }
}

/// Whole datagrams, header and body.
package enum Datagram {
  /// Encodes an unsealed datagram; the header's kind is that of the packet.
  package static func encode(_ packet: Packet, header: DatagramHeader) -> [UInt8] {
    var header = header
    header.kind = packet.kind
    var writer = ByteWriter(reserving: 1_500)
    header.write(to: &writer)
    packet.write(to: &writer)
    return writer.bytes
  }

  /// Decodes an unsealed datagram; payloads stay slices of `bytes`.
  ///
  /// - Throws: what is wrong with the bytes; a key id other than 0 is `unknown`.
  package static func decode(
    _ bytes: ArraySlice<UInt8>
  ) throws(WireError) -> (DatagramHeader, Packet) {
    let header = try DatagramHeader(decoding: bytes)
    guard header.keyID == 0 else {
      throw .unknown(field: "key id", value: UInt64(header.keyID))
    }
    let body = bytes.dropFirst(DatagramHeader.size)
    return (header, try Packet(kind: header.kind, body: body))
  }
}

extension Packet {
  /// Decodes a body that was not sealed, or has been opened.
  package init(kind: PacketKind, body: ArraySlice<UInt8>) throws(WireError) {
    var reader = ByteReader(body)
    switch kind {
    case .data: self = .data(try DataPacket(reading: &reader))
    case .token: self = .token(try Token(reading: &reader))
    case .join: self = .join(try Join(reading: &reader))
    case .commitToken: self = .commitToken(try CommitToken(reading: &reader))
    case .beacon: self = .beacon(try Beacon(reading: &reader))
    case .announcement: self = .announcement(try Announcement(reading: &reader))
    case .hurry: self = .hurry(try Hurry(reading: &reader))
    case .departure: self = .departure(try Departure(reading: &reader))
    case .obituary, .challenge: throw .unknown(field: "kind", value: UInt64(kind.rawValue))
    }
    try reader.finish()
  }

  /// Appends the body, without a header.
  package func write(to writer: inout ByteWriter) {
    switch self {
    case .data(let data): data.write(to: &writer)
    case .token(let token): token.write(to: &writer)
    case .join(let join): join.write(to: &writer)
    case .commitToken(let token): token.write(to: &writer)
    case .beacon(let beacon): beacon.write(to: &writer)
    case .announcement(let announcement): announcement.write(to: &writer)
    case .hurry(let hurry): hurry.write(to: &writer)
    case .departure(let departure): departure.write(to: &writer)
    }
  }
}
