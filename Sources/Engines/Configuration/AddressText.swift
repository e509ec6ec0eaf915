// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText

extension AddressText {
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

  /// Takes the `ADDRESS[:PORT]` that `text` begins with, an IPv6 address in brackets; returns what
  /// follows it as well.
  static func endpoint(
    _ text: String,
    at location: SourceLocation
  ) throws(Diagnostic) -> (endpoint: (address: IPAddress, port: UInt16?), rest: String) {
    let head =
      text.hasPrefix("[")
      ? String(text.prefix { $0 != "]" }) + "]" : String(text.prefix { $0 != ":" && $0 != "/" })
    let (address, _) = try split(head, at: location)
    let tail = text.dropFirst(head.count)
    guard tail.hasPrefix(":") else { return ((address, nil), String(tail)) }
    let digits = tail.dropFirst().prefix { ("0"..."9").contains($0) }
    guard let number = wholeNumber(String(digits)), (1...65_535).contains(number) else {
      throw Diagnostic(
        "'\(visible(String(tail)))' does not begin with a port",
        at: location.advanced(by: head.unicodeScalars.count),
        advice: "write : and a number from 1 to 65535"
      )
    }
    return ((address, UInt16(number)), String(tail.dropFirst(1 + digits.count)))
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
    guard text.hasPrefix("/"), let length = wholeNumber(String(lengthText)),
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
    guard let hint = wholeNumber(String(hintText.dropFirst())),
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
