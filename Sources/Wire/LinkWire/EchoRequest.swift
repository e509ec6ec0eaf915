// SPDX-License-Identifier: Apache-2.0

package import Addresses
internal import Bytes

/// An echo request without data, with the IP header that carries it (RFC 792, RFC 4443 section 4.1).
///
/// A host that answers has looked up where the asking address is.
package struct EchoRequest: Sendable, Hashable {
  private static let ipv4Type: UInt8 = 8
  private static let ipv6Type: UInt8 = 128
  private static let icmp: UInt8 = 1
  private static let timeToLive: UInt8 = 64

  /// Identifier and sequence number; nobody waits for the answer.
  package static let identifier: UInt16 = 0xFEFE

  /// The addresses are of one family.
  private enum Addresses: Sendable, Hashable {
    case v4(from: IPv4Address, to: IPv4Address)
    case v6(from: IPv6Address, to: IPv6Address)
  }

  private let addresses: Addresses

  /// `nil` if the addresses are not of one family.
  package init?(from source: IPAddress, to destination: IPAddress) {
    switch (source, destination) {
    case (.v4(let source), .v4(let destination)): addresses = .v4(from: source, to: destination)
    case (.v6(let source), .v6(let destination)): addresses = .v6(from: source, to: destination)
    case (.v4, .v6), (.v6, .v4): return nil
    }
  }

  /// The packet in a frame.
  package func framed(to destination: MACAddress, from source: MACAddress) -> EthernetFrame {
    switch addresses {
    case .v4(let sender, let target):
      return EthernetFrame(
        destination: destination,
        source: source,
        kind: .ipv4,
        payload: Self.encoded(from: sender, to: target)
      )
    case .v6(let sender, let target):
      return EthernetFrame(
        destination: destination,
        source: source,
        kind: .ipv6,
        payload: ICMPv6Packet.encoded(Self.message(Self.ipv6Type), from: sender, to: target)
      )
    }
  }

  private static func message(_ type: UInt8) -> ByteWriter {
    var message = ByteWriter(reserving: 8)
    message.write(type)
    message.write(UInt8(0))
    message.write(UInt16(0))
    message.write(identifier)
    message.write(identifier)
    return message
  }

  private static func encoded(from source: IPv4Address, to destination: IPv4Address) -> [UInt8] {
    var message = message(ipv4Type)
    message.patch(InternetChecksum.of(message.bytes[...]), at: 2)
    var packet = ByteWriter(reserving: 20 + message.count)
    packet.write(UInt16(0x4500))
    packet.write(UInt16(truncatingIfNeeded: 20 + message.count))
    packet.write(UInt32(0x4000))  // No identification; not to be fragmented.
    packet.write(timeToLive)
    packet.write(icmp)
    packet.write(UInt16(0))
    packet.write(source.rawValue)
    packet.write(destination.rawValue)
    packet.patch(InternetChecksum.of(packet.bytes[...]), at: 10)
    packet.write(message.bytes)
    return packet.bytes
  }
}
