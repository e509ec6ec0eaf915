// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText

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
        skipNestedSet(openedAt: element.location)
      } else if let address = managedAddress(element) {
        addresses.append(address)
      }
    }
    if empty { report(emptiness(of: block, advice: "add an address or remove the braces")) }
    draft.virtualInterfaces.append(addresses)
  }

  /// Reads over a set inside a set, however deep it nests; its fault has been reported.
  private mutating func skipNestedSet(openedAt opening: SourceLocation) {
    let block = Block(name: "a set of addresses", opening: opening)
    var depth = 1
    while depth > 0 {
      if let element = takeElement(of: block) {
        if element.kind == .open { depth += 1 }
      } else if next.kind == .end || beginsStatement(at: position) {
        return
      } else {
        depth -= 1
      }
    }
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
      if let reason = prefix.unfitness {
        throw Diagnostic(
          "\(parts.address) cannot be managed: it is \(reason)",
          at: parts.location,
          advice: "write the address of a host"
        )
      }
      let address = InterfaceAddress(interface: interface, prefix: prefix)
      draft.addressCount += 1
      guard draft.addressCount <= WackamoleConfiguration.mostAddresses else {
        if draft.addressCount == WackamoleConfiguration.mostAddresses + 1 {
          throw Diagnostic(
            "there are more than \(WackamoleConfiguration.mostAddresses) managed addresses",
            at: parts.location,
            advice: "divide them among several clusters"
          )
        }
        return nil
      }
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
      guard draft.preferences.count < WackamoleConfiguration.mostAddresses else {
        throw Diagnostic(
          "there are more than \(WackamoleConfiguration.mostAddresses) preferences",
          at: token.location,
          advice: "write a network that covers several of them"
        )
      }
      draft.preferences.append(try selection(token))
    } catch {
      report(error)
    }
  }

  /// Takes `[INTERFACE:]ADDRESS[/LENGTH]`, which selects each VIF whose first address lies in it.
  func selection(_ token: Token) throws(Diagnostic) -> Located<IPPrefix> {
    let parts = try AddressText.parts(token)
    let length = parts.length ?? parts.address.bitWidth
    guard let prefix = IPPrefix(address: parts.address, length: length) else {
      throw Diagnostic(
        "\(token.shown) is not an address with a mask",
        at: token.location,
        advice: "write ADDRESS or ADDRESS/LENGTH"
      )
    }
    return Located(value: prefix, location: parts.location)
  }
}
