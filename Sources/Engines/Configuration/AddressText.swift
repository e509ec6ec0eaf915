// SPDX-License-Identifier: Apache-2.0

import Addresses

/// Addresses as they are written in a configuration.
enum AddressText {
  /// An address with whatever was written around it.
  struct Parts: Equatable {
    /// Where the address itself begins.
    let location: SourceLocation
    let interface: InterfaceName?
    let address: IPAddress
    /// The prefix length, in the family's range; `nil` if none was written.
    let length: Int?
    /// The number of the `nNET` hint, 1 up to the family's width; `nil` if none was written.
    let hint: Int?
  }

  /// Takes `[INTERFACE:]ADDRESS[/LENGTH[nNET]]`, where an IPv6 address stands in brackets.
  static func parts(_ token: Token) throws(Diagnostic) -> Parts {
    guard token.kind == .word else {
      throw Diagnostic(
        "expected an address, found \(token.shown)",
        at: token.location,
        advice: "write INTERFACE:ADDRESS/LENGTH, without quotes"
      )
    }
    let text = token.text
    var (interface, rest, place) = (InterfaceName?.none, text, token.location)
    let beforeBracket = text.prefix { $0 != "[" && $0 != "/" }
    if let colon = beforeBracket.firstIndex(of: ":") {
      let name = text[..<colon]
      let after = text[text.index(after: colon)...]
      guard after.hasPrefix("[") || !after.prefix(while: { $0 != "/" }).contains(":") else {
        throw unbracketed(token)
      }
      guard let found = InterfaceName(name) else {
        throw Diagnostic(
          "'\(visible(String(name)))' is not the name of an interface",
          at: token.location,
          advice: "use 1 to 15 characters, as ip link shows it"
        )
      }
      (interface, rest) = (found, String(after))
      place = place.advanced(by: name.unicodeScalars.count + 1)
    }
    let (address, tail) = try split(rest, at: place)
    let tailPlace = place.advanced(by: rest.unicodeScalars.count - tail.unicodeScalars.count)
    let (length, hint) = try lengths(tail, of: address, at: tailPlace)
    return Parts(
      location: place,
      interface: interface,
      address: address,
      length: length,
      hint: hint
    )
  }

  /// Takes the address that `text` begins with; returns it and what follows it.
  static func split(
    _ text: String,
    at location: SourceLocation
  ) throws(Diagnostic) -> (IPAddress, String) {
    if text.hasPrefix("[") {
      let inner = text.dropFirst().prefix { $0 != "]" }
      let tail = text.dropFirst(inner.count + 1)
      guard tail.hasPrefix("]"), let address = IPv6Address(text: inner) else {
        throw Diagnostic(
          "'\(visible(text))' does not begin with an IPv6 address in brackets",
          at: location,
          advice: "write it as in [2001:db8::1], without a zone"
        )
      }
      return (.v6(address), String(tail.dropFirst()))
    }
    let head = text.prefix { $0 != "/" }
    guard let address = IPv4Address(text: head) else {
      throw Diagnostic(
        problem(withIPv4: String(head)),
        at: location,
        advice: "write four numbers from 0 to 255 as in 10.0.0.1, "
          + "or an IPv6 address in brackets as in [2001:db8::1]"
      )
    }
    return (.v4(address), String(text.dropFirst(head.count)))
  }

  /// What is wrong with text that is no IPv4 address.
  private static func problem(withIPv4 text: String) -> String {
    let octets = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    if octets.count == 4 {
      for octet in octets {
        if let value = Parser.number(octet), value > 255 {
          return "the octet \(octet) of '\(visible(text))' is above 255"
        }
        if Parser.number(octet) != nil, octet.utf8.count > 1, octet.hasPrefix("0") {
          return "the octet \(octet) of '\(visible(text))' begins with 0, which some read as octal"
        }
      }
    }
    return "'\(visible(text))' is not an address"
  }

  private static func unbracketed(_ token: Token) -> Diagnostic {
    Diagnostic(
      "\(token.shown) has more than one colon outside brackets",
      at: token.location,
      advice: "write an IPv6 address in brackets, as in eth0:[2001:db8::1]/128"
    )
  }

  /// Takes `/LENGTH[nNET]` or nothing.
  private static func lengths(
    _ text: String,
    of address: IPAddress,
    at location: SourceLocation
  ) throws(Diagnostic) -> (length: Int?, hint: Int?) {
    guard !text.isEmpty else { return (nil, nil) }
    let range = 0...address.bitWidth
    let body = text.dropFirst()
    let lengthText = body.prefix { $0 != "n" && $0 != "N" }
    guard text.hasPrefix("/"), let length = Parser.number(String(lengthText)),
      range.contains(length)
    else {
      throw Diagnostic(
        "'\(visible(text))' is not a mask: the address has \(address.bitWidth) bits",
        at: location,
        advice: "write /LENGTH with a LENGTH up to \(address.bitWidth); "
          + "a mask 255.255.255.0 is written /24"
      )
    }
    let hintText = body.dropFirst(lengthText.count)
    guard !hintText.isEmpty else { return (length, nil) }
    guard let hint = Parser.number(String(hintText.dropFirst())),
      (1...address.bitWidth).contains(hint)
    else {
      throw Diagnostic(
        "'\(visible(String(hintText)))' is not a network hint",
        at: location.advanced(by: 1 + lengthText.unicodeScalars.count),
        advice: "write n and the network's width from 1 to \(address.bitWidth), as in /32n24"
      )
    }
    return (length, hint)
  }
}
