// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import Bytes

/// A neighbour advertisement with the IPv6 header that carries it (RFC 4861 section 4.4).
package struct NeighborAdvertisement: Sendable, Hashable {
  /// All nodes on the link.
  package static let allNodes = IPv6Address(0xFF02 << 112 | 1)
  private static let messageType: UInt8 = 136
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
    let packet = try ICMPv6Packet(decoding: bytes)
    (source, destination) = (packet.source, packet.destination)
    var reader = try packet.body(of: Self.messageType)
    let flags = try reader.read(UInt32.self)
    router = flags & 0x8000_0000 != 0
    solicited = flags & 0x4000_0000 != 0
    override = flags & 0x2000_0000 != 0
    target = IPv6Address(try reader.read())
    guard target.octets[0] != 0xFF else { throw .malformed(field: "target") }
    guard !(solicited && destination.octets[0] == 0xFF) else {
      throw .malformed(field: "solicited flag")
    }
    hardware = try ICMPv6Packet.hardware(in: Self.linkLayerOption, &reader)
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
    return ICMPv6Packet.encoded(message, from: source, to: destination)
  }

  /// The packet in a frame, to the multicast address of its destination if no other is given.
  package func framed(to destination: MACAddress? = nil, from source: MACAddress) -> EthernetFrame {
    EthernetFrame(
      destination: destination ?? self.destination.multicastHardware,
      source: source,
      kind: .ipv6,
      payload: encoded()
    )
  }
}
