// SPDX-License-Identifier: Apache-2.0

/// The name of a network interface: 1 to 15 bytes, no blank, no `/`, not `.` or `..` (as in Linux).
package struct InterfaceName: Sendable, Hashable, Comparable {
  package let text: String

  package init?(_ text: some StringProtocol) {
    let bytes = Array(text.utf8)
    guard (1...15).contains(bytes.count), text != ".", text != "..",
      bytes.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "/") })
    else { return nil }
    self.text = String(text)
  }

  package static func < (lhs: Self, rhs: Self) -> Bool { lhs.text < rhs.text }
}

extension InterfaceName: CustomStringConvertible {
  package var description: String { text }
}

/// An address and the interface it belongs on: one part of a VIF.
package struct InterfaceAddress: Sendable, Hashable, Comparable {
  package let interface: InterfaceName
  package let prefix: IPPrefix

  package init(interface: InterfaceName, prefix: IPPrefix) {
    (self.interface, self.prefix) = (interface, prefix)
  }

  package static func < (lhs: Self, rhs: Self) -> Bool {
    (lhs.prefix, lhs.interface) < (rhs.prefix, rhs.interface)
  }
}

extension InterfaceAddress: CustomStringConvertible {
  package var description: String {
    switch prefix.address {
    case .v4: "\(interface):\(prefix)"
    case .v6(let address): "\(interface):[\(address)]/\(prefix.length)"
    }
  }
}

/// A 48-bit Ethernet address.
package struct MACAddress: Sendable, Hashable, Comparable {
  /// The lower 48 bits; the first octet is the most significant.
  package let rawValue: UInt64

  package init(_ rawValue: UInt64) { self.rawValue = rawValue & 0xFFFF_FFFF_FFFF }

  /// Is `nil` unless there are six octets.
  package init?(octets: some Collection<UInt8>) {
    guard octets.count == 6 else { return nil }
    rawValue = octets.reduce(0) { $0 << 8 | UInt64($1) }
  }

  package static let broadcast = MACAddress(0xFFFF_FFFF_FFFF)

  package var octets: [UInt8] {
    (0..<6).map { UInt8(truncatingIfNeeded: rawValue >> UInt64(8 * (5 - $0))) }
  }

  /// Whether it can be that of one station: neither a group's (IEEE 802, section 8.2.2) nor zero.
  package var isOneStation: Bool { rawValue >> 40 & 1 == 0 && rawValue != 0 }

  package static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

extension MACAddress: CustomStringConvertible {
  package var description: String {
    octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
  }
}

/// A host on a link, and where it is there.
package struct Neighbor: Sendable, Hashable {
  package let address: IPAddress
  package let hardware: MACAddress

  package init(_ address: IPAddress, at hardware: MACAddress) {
    (self.address, self.hardware) = (address, hardware)
  }
}
