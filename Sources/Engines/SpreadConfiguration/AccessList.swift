// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import ConfigurationText

/// Who may connect by the method IP: the file `spread.access_ip`.
///
/// One rule in each line: `unix` for clients on this machine's unix socket, `local` for loopback
/// addresses, or an address with an optional prefix length. What no rule names is refused. `#`
/// starts a comment.
package struct AccessList: Sendable, Equatable {
  /// The most bytes a file may have.
  package static let longestText = 1 << 20

  private var unix = false
  private var networks: [IPPrefix] = []

  /// Refuses everybody.
  package init() {}

  /// - Throws: everything that is wrong, each with its place.
  package static func parse(text: [UInt8], file: String) throws(Diagnostics) -> Self {
    var collector = DiagnosticCollector()
    let tokens = Lexer.tokens(
      of: text,
      file: file,
      longest: longestText,
      reportingTo: &collector
    )
    var list = Self()
    for token in tokens where token.kind != .end {
      do throws(Diagnostic) {
        guard token.startsLine else {
          throw Diagnostic(
            "\(token.shown) follows a rule",
            at: token.location,
            advice: "write one rule in each line"
          )
        }
        try list.add(token)
      } catch {
        collector.report(error)
      }
    }
    guard !collector.foundAny else { throw collector.diagnostics }
    return list
  }

  /// Whether a client from there may connect; `nil` stands for a unix socket.
  package func admits(_ address: IPAddress?) -> Bool {
    guard let address else { return unix }
    return networks.contains { $0.covers(address.unmapped) }
  }

  private mutating func add(_ token: Token) throws(Diagnostic) {
    switch token.text {
    case "unix":
      unix = true
      return
    case "local":
      let loopback = [
        IPPrefix(address: .v4(IPv4Address(127 << 24)), length: 8),
        IPPrefix(address: .v6(IPv6Address(1)), length: 128),
      ]
      networks += loopback.compactMap { $0 }
      return
    default: break  // not ours: text
    }
    let parts = token.text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let (address, rest) = try AddressText.split(String(parts[0]), at: token.location)
    let length = parts.count == 1 ? address.bitWidth : wholeNumber(String(parts[1]))
    guard token.kind == .word, rest.isEmpty, let length,
      let network = IPPrefix(address: address, length: length)
    else {
      throw Diagnostic(
        "\(token.shown) is not a rule",
        at: token.location,
        advice: "write unix, local, or an address as in 10.0.0.0/8 or [2001:db8::]/32"
      )
    }
    networks.append(network)
  }
}

extension IPAddress {
  /// The IPv4 address within an IPv6 address that stands for one (::ffff:0:0/96).
  fileprivate var unmapped: IPAddress {
    guard case .v6(let value) = self, value.rawValue >> 32 == 0xFFFF else { return self }
    return .v4(IPv4Address(UInt32(truncatingIfNeeded: value.rawValue)))
  }
}
