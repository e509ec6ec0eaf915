// SPDX-License-Identifier: Apache-2.0

import Addresses

extension Parser {
  // MARK: - VirtualInterfaces

  mutating func parseVirtualInterfaces(at token: Token) throws(Diagnostic) {
    markSeen("VirtualInterfaces", at: token.location)
    draft.addressesAreDoubtful = draft.addressesAreDoubtful || next.kind != .open
    let block = try takeOpening(of: token.text)
    var empty = true
    while let element = takeElement(of: block) {
      empty = false
      if element.kind == .open {
        parseSet(openedAt: element.location)
      } else if let address = managedAddress(element) {
        draft.virtualInterfaces.append([address])
      }
    }
    if empty {
      report(emptiness(of: block, advice: "add an address, as in eth0:10.0.0.101/32"))
    }
  }

  /// Reads the addresses of one VIF up to its closing brace.
  private mutating func parseSet(openedAt opening: SourceLocation) {
    let block = Block(name: "a set of addresses", opening: opening)
    var empty = true
    var addresses: [Located<InterfaceAddress>] = []
    while let element = takeElement(of: block) {
      empty = false
      if element.kind == .open {
        report(
          Diagnostic(
            "a set of addresses inside another",
            at: element.location,
            advice: "close the set that begins in line \(opening.line) first"
          )
        )
        parseSet(openedAt: element.location)
      } else if let address = managedAddress(element) {
        addresses.append(address)
      }
    }
    if empty { report(emptiness(of: block, advice: "add an address or remove the braces")) }
    draft.virtualInterfaces.append(addresses)
  }

  /// Takes `INTERFACE:ADDRESS/LENGTH[nNET]`; reports what is wrong with it.
  private mutating func managedAddress(_ token: Token) -> Located<InterfaceAddress>? {
    do throws(Diagnostic) {
      let parts = try AddressText.parts(token)
      guard let interface = parts.interface else {
        throw Diagnostic(
          "\(token.shown) does not say on which interface",
          at: token.location,
          advice: "write it as in eth0:\(token.text)"
        )
      }
      guard let length = parts.length else {
        throw Diagnostic(
          "\(token.shown) has no mask",
          at: token.location,
          advice: "add /\(parts.address.bitWidth), or the length of the network's prefix"
        )
      }
      guard let prefix = IPPrefix(address: parts.address, length: length), length > 0 else {
        throw Diagnostic(
          "the mask /\(length) of \(token.shown) covers every address",
          at: parts.location,
          advice: "write /\(parts.address.bitWidth), or the length of the network's prefix"
        )
      }
      if let reason = Self.unfitness(of: prefix) {
        throw Diagnostic(
          "\(parts.address) cannot be managed: it is \(reason)",
          at: parts.location,
          advice: "write the address of a host"
        )
      }
      let address = InterfaceAddress(interface: interface, prefix: prefix)
      if let hint = parts.hint {
        draft.networkHints.append(.init(address: address, length: hint))
      }
      return Located(value: address, location: parts.location)
    } catch {
      draft.addressesAreDoubtful = true
      report(error)
      return nil
    }
  }

  /// Why an address is not that of one host on a network; `nil` if it is.
  static func unfitness(of prefix: IPPrefix) -> String? {
    switch prefix.address {
    case .v4(let address):
      let hostBits = 32 - prefix.length
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
      if host == 0 { return "the network's own address with the mask /\(prefix.length)" }
      if host == (1 << UInt32(hostBits)) - 1 {
        return "the broadcast address with the mask /\(prefix.length)"
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

  // MARK: - Prefer

  mutating func parsePrefer(at token: Token) throws(Diagnostic) {
    markSeen("Prefer", at: token.location)
    if next.kind == .open {
      let block = try takeOpening(of: "Prefer")
      var empty = true
      while let element = takeElement(of: block) {
        empty = false
        addPreference(element)
      }
      if empty { report(emptiness(of: block, advice: "add an address, or write Prefer None")) }
      return
    }
    if next.kind == .equals {
      throw Diagnostic(
        "Prefer takes no =",
        at: next.location,
        advice: "write Prefer ADDRESS, Prefer { ADDRESS ... }, or Prefer None"
      )
    }
    let value = try takeText("None, an address, or {")
    if value.kind == .word, asciiLowercased(value.text) == "none" {
      draft.preferNone = draft.preferNone ?? token.location
    } else {
      addPreference(value)
    }
  }

  private mutating func addPreference(_ token: Token) {
    do throws(Diagnostic) {
      let parts = try AddressText.parts(token)
      let length = parts.length ?? parts.address.bitWidth
      guard let prefix = IPPrefix(address: parts.address, length: length) else { return }
      draft.preferences.append(Located(value: prefix, location: parts.location))
    } catch {
      report(error)
    }
  }
}
