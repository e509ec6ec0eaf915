// SPDX-License-Identifier: Apache-2.0

import Addresses

extension IPAddress {
  /// In 224.0.0.0/4 or ff00::/8.
  var isMulticast: Bool {
    switch self {
    case .v4(let address): address.rawValue >> 28 == 0xE
    case .v6(let address): address.rawValue >> 120 == 0xFF
    }
  }

  var isLoopback: Bool {
    switch self {
    case .v4(let address): address.rawValue >> 24 == 127
    case .v6(let address): address.rawValue == 1
    }
  }
}

extension IPv6Address {
  var isLinkLocal: Bool { rawValue >> 118 == 0xFE80 >> 6 }
}

extension IPPrefix {
  /// Whether the address lies in the network of the prefix.
  func covers(_ other: IPAddress) -> Bool {
    switch (address, other) {
    case (.v4(let mine), .v4(let theirs)):
      (mine.rawValue ^ theirs.rawValue) >> UInt32(32 - length) == 0
    case (.v6(let mine), .v6(let theirs)):
      (mine.rawValue ^ theirs.rawValue) >> UInt128(128 - length) == 0
    case (.v4, .v6), (.v6, .v4): false
    }
  }

  /// Why the address is not that of one host on a network; `nil` if it is.
  var unfitness: String? {
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
