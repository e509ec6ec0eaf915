// SPDX-License-Identifier: Apache-2.0

package import Addresses

/// Addresses as they are written in a configuration.
package enum AddressText {
  /// Takes the address that `text` begins with; returns it and what follows it.
  package static func split(
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
        if let value = wholeNumber(octet), value > 255 {
          return "the octet \(octet) of '\(visible(text))' is above 255"
        }
        if wholeNumber(octet) != nil, octet.utf8.count > 1, octet.hasPrefix("0") {
          return "the octet \(octet) of '\(visible(text))' begins with 0, which some read as octal"
        }
      }
    }
    return "'\(visible(text))' is not an address"
  }
}
