// SPDX-License-Identifier: Apache-2.0

extension IPAddress {
  /// In 224.0.0.0/4 or ff00::/8.
  package var isMulticast: Bool {
    switch self {
    case .v4(let address): address.rawValue >> 28 == 0xE
    case .v6(let address): address.rawValue >> 120 == 0xFF
    }
  }

  /// In 127.0.0.0/8, or ::1.
  package var isLoopback: Bool {
    switch self {
    case .v4(let address): address.rawValue >> 24 == 127
    case .v6(let address): address.rawValue == 1
    }
  }
}

extension IPAddress {
  /// Why other machines cannot reach a daemon at the address; `nil` if they can.
  ///
  /// A loopback address is left to those who know whether there are other machines.
  package var unreachability: String? {
    guard !isLoopback, let whole = IPPrefix(address: self, length: bitWidth) else { return nil }
    if case .v6(let value) = self, value.isLinkLocal {
      return "link-local, and does not say on which link"
    }
    return whole.unfitness
  }
}

extension IPv6Address {
  /// Whether the address means something on one link only (fe80::/10).
  package var isLinkLocal: Bool { Self.linkLocal.contains(rawValue) }

  /// All such addresses, as numbers.
  package static var linkLocal: ClosedRange<UInt128> { 0xFE80 << 112...(0xFEC0 << 112) - 1 }
}

extension IPAddress {
  /// Whether it is an IPv6 address that means something on one link only.
  package var isLinkLocal: Bool {
    if case .v6(let value) = self { value.isLinkLocal } else { false }
  }
}

extension IPPrefix {
  /// Whether the address lies in the network of the prefix.
  package func covers(_ other: IPAddress) -> Bool {
    switch (address, other) {
    case (.v4(let mine), .v4(let theirs)):
      (mine.rawValue ^ theirs.rawValue) >> UInt32(32 - length) == 0
    case (.v6(let mine), .v6(let theirs)):
      (mine.rawValue ^ theirs.rawValue) >> UInt128(128 - length) == 0
    case (.v4, .v6), (.v6, .v4): false
    }
  }

  /// Why the address is not that of one host on a network; `nil` if it is.
  package var unfitness: String? {
    switch address {
    case .v4(let address):
      let hostBits = 32 - length
      let host =
        hostBits == 32 ? address.rawValue : address.rawValue & ((1 << UInt32(hostBits)) - 1)
      switch address.rawValue >> 24 {
      case 0: return "in 0.0.0.0/8, which means no host"
      case 127: return "a loopback address"
      case 224...239: return "a multicast address"
      case 240...255: return "reserved, or the broadcast address"
      default: break  // not ours: a number
      }
      guard hostBits > 1 else { return nil }
      if host == 0 { return "the network's own address with the mask /\(length)" }
      if host == (1 << UInt32(hostBits)) - 1 {
        return "the broadcast address with the mask /\(length)"
      }
      return nil
    case .v6(let address):
      if address.rawValue == 0 { return "the unspecified address" }
      if address.rawValue == 1 { return "the loopback address" }
      if address.rawValue >> 120 == 0xFF { return "a multicast address" }
      if address.rawValue >> 32 == 0xFFFF { return "an IPv4 address in IPv6 clothing" }
      return nil
    }
  }
}

extension IPPrefix {
  /// The network that both describe; `nil` if they have no address in common.
  package func intersection(_ other: Self) -> Self? {
    let (wide, narrow) = length <= other.length ? (self, other) : (other, self)
    return wide.covers(narrow.address) ? narrow : nil
  }

  /// The first and the last address of the network, as numbers.
  package var range: ClosedRange<UInt128> {
    let host = UInt128(1) << UInt128(address.bitWidth - length)
    let number = address.number
    // All of the IPv6 addresses are one more than can be counted.
    guard host > 0 else { return 0...UInt128.max }
    let first = number - number % host
    return first...(first + (host - 1))
  }
}

extension IPAddress {
  /// The octets as one number.
  package var number: UInt128 {
    switch self {
    case .v4(let address): UInt128(address.rawValue)
    case .v6(let address): address.rawValue
    }
  }

  /// The address with that number in the same family.
  package func with(number: UInt128) -> IPAddress {
    switch self {
    case .v4: .v4(IPv4Address(UInt32(truncatingIfNeeded: number)))
    case .v6: .v6(IPv6Address(number))
    }
  }
}
