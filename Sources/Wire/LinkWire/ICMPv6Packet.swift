// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import Bytes

/// A message of ICMPv6 with the IPv6 header that carries it (RFC 8200 section 3, RFC 4443).
struct ICMPv6Packet {
  static let protocolNumber: UInt8 = 58
  /// What every message of neighbour discovery has, so that none comes from another link.
  static let hopLimit: UInt8 = 255

  let source: IPv6Address
  let destination: IPv6Address
  /// From the type on.
  let message: ArraySlice<UInt8>

  /// Reads the payload of a frame: neighbour discovery, by the first checks of RFC 4861 section 7.1.
  init(decoding bytes: ArraySlice<UInt8>) throws(WireError) {
    var header = ByteReader(bytes)
    guard try header.read(UInt32.self) >> 28 == 6 else { throw .malformed(field: "IP version") }
    let length = Int(try header.read(UInt16.self))
    let next = try header.read(UInt8.self)
    guard next == Self.protocolNumber else {
      throw .unknown(field: "next header", value: UInt64(next))
    }
    guard try header.read(UInt8.self) == Self.hopLimit else { throw .malformed(field: "hop limit") }
    source = IPv6Address(try header.read())
    destination = IPv6Address(try header.read())
    message = try header.readSlice(count: length)
    guard Self.checksum(of: message, from: source, to: destination) == 0 else {
      throw .malformed(field: "checksum")
    }
  }

  /// What follows the checksum of a message of neighbour discovery of this type.
  func body(of expected: UInt8) throws(WireError) -> ByteReader {
    var reader = ByteReader(message)
    let type = try reader.read(UInt8.self)
    guard type == expected else { throw .unknown(field: "ICMPv6 type", value: UInt64(type)) }
    guard try reader.read(UInt8.self) == 0 else { throw .malformed(field: "ICMPv6 code") }
    _ = try reader.read(UInt16.self)
    return reader
  }

  /// The payload of a frame, with the checksum filled in at its place behind type and code.
  static func encoded(
    _ message: ByteWriter,
    from source: IPv6Address,
    to destination: IPv6Address
  ) -> [UInt8] {
    var message = message
    message.patch(checksum(of: message.bytes[...], from: source, to: destination), at: 2)
    var packet = ByteWriter(reserving: 40 + message.count)
    packet.write(UInt32(6) << 28)
    packet.write(UInt16(truncatingIfNeeded: message.count))
    packet.write(protocolNumber)
    packet.write(hopLimit)
    packet.write(source.rawValue)
    packet.write(destination.rawValue)
    packet.write(message.bytes)
    return packet.bytes
  }

  /// The hardware address in the last option of a type; `nil` without one.
  ///
  /// `reader` stands at the first option.
  static func hardware(
    in option: UInt8,
    _ reader: inout ByteReader
  ) throws(WireError) -> MACAddress? {
    var found: MACAddress?
    while reader.remaining > 0 {
      let type = try reader.read(UInt8.self)
      let units = Int(try reader.read(UInt8.self))
      guard units > 0 else { throw .malformed(field: "option length") }
      let body = try reader.readSlice(count: units * 8 - 2)
      if type == option, units == 1 { found = MACAddress(octets: body) }
    }
    return found
  }

  /// The checksum (RFC 4443 section 2.3); zero over a message that carries a right one.
  private static func checksum(
    of message: ArraySlice<UInt8>,
    from source: IPv6Address,
    to destination: IPv6Address
  ) -> UInt16 {
    let pseudo = UInt64(message.count) + UInt64(protocolNumber)
    return InternetChecksum.of(source.octets[...], destination.octets[...], message, plus: pseudo)
  }
}

/// The checksum of IP and its companions (RFC 1071).
enum InternetChecksum {
  /// Over parts each of which, but for the last, has an even number of octets.
  static func of(_ parts: ArraySlice<UInt8>..., plus start: UInt64 = 0) -> UInt16 {
    var sum = start
    for octets in parts {
      for (index, octet) in octets.enumerated() {
        sum += index % 2 == 0 ? UInt64(octet) << 8 : UInt64(octet)
      }
    }
    while sum >> 16 != 0 { sum = (sum & 0xFFFF) + (sum >> 16) }
    return ~UInt16(truncatingIfNeeded: sum)
  }
}

extension IPv6Address {
  /// The hardware address of a multicast group (RFC 2464 section 7).
  var multicastHardware: MACAddress {
    MACAddress(0x3333 << 32 | UInt64(UInt32(truncatingIfNeeded: rawValue)))
  }
}
