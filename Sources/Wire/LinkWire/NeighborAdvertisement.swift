// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import Bytes

/// A neighbour advertisement with the IPv6 header that carries it (RFC 4861 section 4.4).
package struct NeighborAdvertisement: Sendable, Hashable {
  /// All nodes on the link.
  package static let allNodes = IPv6Address(0xFF02 << 112 | 1)
  private static let messageType: UInt8 = 136
  private static let icmpv6: UInt8 = 58
  private static let hopLimit: UInt8 = 255
  private static let linkLayerOption: UInt8 = 2

  package var source: IPv6Address
  package var destination: IPv6Address
  /// The address that is spoken of.
  package var target: IPv6Address
  /// Where it is: the target link-layer address option; `nil` without one.
  package var hardware: MACAddress?
  /// The sender is a router.
  package var router: Bool
  /// The answer to a solicitation.
  package var solicited: Bool
  /// Replaces what neighbours have cached.
  package var override: Bool

  /// The announcement (RFC 4861 section 7.2.6): unsolicited, to all nodes, replacing what they know.
  package init(unsolicitedFor target: IPv6Address, at hardware: MACAddress, router: Bool) {
    source = target
    destination = Self.allNodes
    self.target = target
    self.hardware = hardware
    self.router = router
    solicited = false
    override = true
  }

  /// Reads the payload of a frame, by the checks of RFC 4861 section 7.1.2.
  package init(decoding bytes: ArraySlice<UInt8>) throws(WireError) {
    var header = ByteReader(bytes)
    guard try header.read(UInt32.self) >> 28 == 6 else { throw .malformed(field: "IP version") }
    let length = Int(try header.read(UInt16.self))
    let next = try header.read(UInt8.self)
    guard next == Self.icmpv6 else { throw .unknown(field: "next header", value: UInt64(next)) }
    guard try header.read(UInt8.self) == Self.hopLimit else { throw .malformed(field: "hop limit") }
    source = IPv6Address(try header.read())
    destination = IPv6Address(try header.read())
    let message = try header.readSlice(count: length)
    guard Self.checksum(of: message, from: source, to: destination) == 0 else {
      throw .malformed(field: "checksum")
    }
    var reader = ByteReader(message)
    let type = try reader.read(UInt8.self)
    guard type == Self.messageType else {
      throw .unknown(field: "ICMPv6 type", value: UInt64(type))
    }
    guard try reader.read(UInt8.self) == 0 else { throw .malformed(field: "ICMPv6 code") }
    _ = try reader.read(UInt16.self)
    let flags = try reader.read(UInt32.self)
    router = flags & 0x8000_0000 != 0
    solicited = flags & 0x4000_0000 != 0
    override = flags & 0x2000_0000 != 0
    target = IPv6Address(try reader.read())
    guard target.octets[0] != 0xFF else { throw .malformed(field: "target") }
    guard !(solicited && destination.octets[0] == 0xFF) else {
      throw .malformed(field: "solicited flag")
    }
    hardware = nil
    while reader.remaining > 0 {
      let option = try reader.read(UInt8.self)
      let units = Int(try reader.read(UInt8.self))
      guard units > 0 else { throw .malformed(field: "option length") }
      let body = try reader.readSlice(count: units * 8 - 2)
      if option == Self.linkLayerOption, units == 1 { hardware = MACAddress(octets: body) }
    }
  }

  /// The payload of a frame.
  package func encoded() -> [UInt8] {
    var message = ByteWriter(reserving: 32)
    message.write(Self.messageType)
    message.write(UInt8(0))
    message.write(UInt16(0))
    message.write(
      UInt32(
        (router ? 0x8000_0000 : 0) | (solicited ? 0x4000_0000 : 0) | (override ? 0x2000_0000 : 0)
      )
    )
    message.write(target.rawValue)
    if let hardware {
      message.write(Self.linkLayerOption)
      message.write(UInt8(1))
      message.write(hardware.octets)
    }
    message.patch(Self.checksum(of: message.bytes[...], from: source, to: destination), at: 2)
    var packet = ByteWriter(reserving: 40 + message.count)
    packet.write(UInt32(6) << 28)
    packet.write(UInt16(truncatingIfNeeded: message.count))
    packet.write(Self.icmpv6)
    packet.write(Self.hopLimit)
    packet.write(source.rawValue)
    packet.write(destination.rawValue)
    packet.write(message.bytes)
    return packet.bytes
  }

  /// The packet in a frame to the multicast address of its destination (RFC 2464 section 7).
  package func multicast(from source: MACAddress) -> EthernetFrame {
    EthernetFrame(
      destination: MACAddress(
        0x3333 << 32 | UInt64(UInt32(truncatingIfNeeded: destination.rawValue))
      ),
      source: source,
      kind: .ipv6,
      payload: encoded()
    )
  }

  /// The ICMPv6 checksum (RFC 4443 section 2.3); zero over a message that carries a right one.
  private static func checksum(
    of message: ArraySlice<UInt8>,
    from source: IPv6Address,
    to destination: IPv6Address
  ) -> UInt16 {
    var sum = UInt64(message.count) + UInt64(icmpv6)
    for octets in [source.octets[...], destination.octets[...], message] {
      for (index, octet) in octets.enumerated() {
        sum += index % 2 == 0 ? UInt64(octet) << 8 : UInt64(octet)
      }
    }
    while sum >> 16 != 0 { sum = (sum & 0xFFFF) + (sum >> 16) }
    return ~UInt16(truncatingIfNeeded: sum)
  }
}
