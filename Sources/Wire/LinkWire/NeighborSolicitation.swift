// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import Bytes

/// A neighbour solicitation with the IPv6 header that carries it (RFC 4861 section 4.3).
///
/// Who is asked by it learns where the asking address is, whatever it had cached (section 7.2.3).
package struct NeighborSolicitation: Sendable, Hashable {
  private static let messageType: UInt8 = 135
  private static let linkLayerOption: UInt8 = 1

  /// Unspecified in a probe for an address that nobody may have (RFC 4862 section 5.4).
  package var source: IPv6Address
  /// The address that is asked for.
  package var target: IPv6Address
  /// Where the source is: the source link-layer address option; `nil` without one.
  package var hardware: MACAddress?
  /// The target itself, or the multicast group of those whose address ends alike.
  package var destination: IPv6Address

  /// Asks for `target`, to the group of all whose address ends like it (RFC 4291 section 2.7.1).
  package init(for target: IPv6Address, from source: IPv6Address, at hardware: MACAddress?) {
    (self.target, self.source, self.hardware) = (target, source, hardware)
    destination = IPv6Address(0xFF02 << 112 | 0x1_FF00_0000 | target.rawValue & 0xFF_FFFF)
  }

  /// Asks whether somebody has `target`.
  package init(probing target: IPv6Address) {
    self.init(for: target, from: IPv6Address(0), at: nil)
  }

  /// Reads the payload of a frame, by the checks of RFC 4861 section 7.1.1.
  package init(decoding bytes: ArraySlice<UInt8>) throws(WireError) {
    let packet = try ICMPv6Packet(decoding: bytes)
    (source, destination) = (packet.source, packet.destination)
    var reader = try packet.body(of: Self.messageType)
    _ = try reader.read(UInt32.self)
    target = IPv6Address(try reader.read())
    guard target.octets[0] != 0xFF else { throw .malformed(field: "target") }
    hardware = try ICMPv6Packet.hardware(in: Self.linkLayerOption, &reader)
    guard source.rawValue != 0 || hardware == nil else { throw .malformed(field: "source") }
  }

  /// The packet in a frame.
  package func framed(to destination: MACAddress? = nil, from source: MACAddress) -> EthernetFrame {
    var message = ByteWriter(reserving: 32)
    message.write(Self.messageType)
    message.write(UInt8(0))
    message.write(UInt16(0))
    message.write(UInt32(0))
    message.write(target.rawValue)
    if let hardware {
      message.write(Self.linkLayerOption)
      message.write(UInt8(1))
      message.write(hardware.octets)
    }
    return EthernetFrame(
      destination: destination ?? self.destination.multicastHardware,
      source: source,
      kind: .ipv6,
      payload: ICMPv6Packet.encoded(message, from: self.source, to: self.destination)
    )
  }
}
