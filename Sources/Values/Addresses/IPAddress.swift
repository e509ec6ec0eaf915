// SPDX-License-Identifier: Apache-2.0

/// An address of either family; IPv4 sorts before IPv6.
package enum IPAddress: Sendable, Hashable, Comparable {
  case v4(IPv4Address)
  case v6(IPv6Address)

  /// Parses either form, without brackets.
  package init?(text: some StringProtocol) {
    if let address = IPv4Address(text: text) {
      self = .v4(address)
    } else if let address = IPv6Address(text: text) {
      self = .v6(address)
    } else {
      return nil
    }
  }

  /// The width of the family in bits: 32 or 128.
  package var bitWidth: Int {
    switch self {
    case .v4: 32
    case .v6: 128
    }
  }

  /// The octets in network order: 4 or 16.
  package var octets: [UInt8] {
    switch self {
    case .v4(let address): address.octets
    case .v6(let address): address.octets
    }
  }
}

extension IPAddress: CustomStringConvertible {
  package var description: String {
    switch self {
    case .v4(let address): address.description
    case .v6(let address): address.description
    }
  }
}

/// An address as it stands on an interface: with the length of its network's prefix.
package struct IPPrefix: Sendable, Hashable, Comparable {
  package let address: IPAddress
  /// 0 to 32, or 0 to 128.
  package let length: Int

  /// Is `nil` if the length does not fit the family.
  package init?(address: IPAddress, length: Int) {
    guard (0...address.bitWidth).contains(length) else { return nil }
    (self.address, self.length) = (address, length)
  }

  package static func < (lhs: Self, rhs: Self) -> Bool {
    (lhs.address, lhs.length) < (rhs.address, rhs.length)
  }
}

extension IPPrefix: CustomStringConvertible {
  package var description: String { "\(address)/\(length)" }
}

/// An address and a UDP port.
package struct Endpoint: Sendable, Hashable, Comparable {
  package let address: IPAddress
  package let port: UInt16

  package init(address: IPAddress, port: UInt16) {
    (self.address, self.port) = (address, port)
  }

  package static func < (lhs: Self, rhs: Self) -> Bool {
    (lhs.address, lhs.port) < (rhs.address, rhs.port)
  }
}

extension Endpoint: CustomStringConvertible {
  package var description: String {
    switch address {
    case .v4(let address): "\(address):\(port)"
    case .v6(let address): "[\(address)]:\(port)"
    }
  }
}
