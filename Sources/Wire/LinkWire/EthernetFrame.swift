// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import Bytes

/// An Ethernet II frame without its check sequence (IEEE 802.3, clause 3).
package struct EthernetFrame: Sendable, Equatable {
  /// What the payload is.
  package enum Kind: UInt16, Sendable, Hashable {
    case ipv4 = 0x0800
    case arp = 0x0806
    case ipv6 = 0x86DD
  }

  /// The shortest frame without check sequence, in bytes; shorter payloads are padded with zeros.
  package static let minimum = 60

  package var destination: MACAddress
  package var source: MACAddress
  package var kind: Kind
  /// May end in padding, whose length only the payload's own format tells.
  package var payload: ArraySlice<UInt8>

  package init(
    destination: MACAddress,
    source: MACAddress,
    kind: Kind,
    payload: some Sequence<UInt8>
  ) {
    self.destination = destination
    self.source = source
    self.kind = kind
    self.payload = ArraySlice(payload)
  }

  /// Reads a frame; 802.1Q tags and other kinds are refused as unknown.
  package init(decoding bytes: ArraySlice<UInt8>) throws(WireError) {
    var reader = ByteReader(bytes)
    destination = try reader.readHardware()
    source = try reader.readHardware()
    let rawKind = try reader.read(UInt16.self)
    guard let kind = Kind(rawValue: rawKind) else {
      throw .unknown(field: "ethernet kind", value: UInt64(rawKind))
    }
    self.kind = kind
    payload = reader.readRest()
  }

  /// The bytes, padded to the shortest frame.
  package func encoded() -> [UInt8] {
    var writer = ByteWriter(reserving: max(Self.minimum, 14 + payload.count))
    writer.write(destination.octets)
    writer.write(source.octets)
    writer.write(kind.rawValue)
    writer.write(payload)
    if writer.count < Self.minimum {
      writer.write(repeatElement(0, count: Self.minimum - writer.count))
    }
    return writer.bytes
  }
}

extension ByteReader {
  /// Reads the six octets of a hardware address.
  mutating func readHardware() throws(WireError) -> MACAddress {
    guard let address = MACAddress(octets: try readSlice(count: 6)) else {
      throw .malformed(field: "hardware address")
    }
    return address
  }
}
