// SPDX-License-Identifier: Apache-2.0

/// Where a Spread daemon takes clients, as users of Spread write it.
///
/// `PORT` is a unix socket on this machine, `PORT@HOST` is TCP, and an absolute path is a unix
/// socket anywhere. An IPv6 address may stand in brackets.
package enum SpreadAddress: Sendable, Hashable {
  /// The local daemon's socket, named by its port in one of ``localDirectories``.
  case local(port: UInt16)
  case path(String)
  /// `host` is a name or an address without brackets.
  case remote(host: String, port: UInt16)

  package static let defaultPort: UInt16 = 4803
  /// Where a local daemon's socket is looked for, in this order: only root can make the first.
  package static let localDirectories = ["/run/spread", "/tmp"]
  /// The longest path of a unix socket, in bytes.
  package static let longestPath = 107
  /// The longest name of a host, in bytes.
  package static let longestHost = 253

  /// Takes the address as it is written; `nil` if it is none.
  ///
  /// Nothing at all is the local daemon at the default port.
  package init?(text: String) {
    if text.isEmpty {
      self = .local(port: Self.defaultPort)
      return
    }
    if text.hasPrefix("/") {
      guard text.utf8.count <= Self.longestPath, !text.utf8.contains(0) else { return nil }
      self = .path(text)
      return
    }
    let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts[0].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(parts[0]),
      port != 0
    else { return nil }
    guard parts.count == 2 else {
      self = .local(port: port)
      return
    }
    var host = parts[1]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
      guard IPv6Address(text: host) != nil else { return nil }
    }
    guard (1...Self.longestHost).contains(host.utf8.count),
      host.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "@") })
    else { return nil }
    self = .remote(host: String(host), port: port)
  }
}

extension SpreadAddress: CustomStringConvertible {
  package var description: String {
    switch self {
    case .local(let port): "\(port)"
    case .path(let path): path
    case .remote(let host, let port): host.contains(":") ? "\(port)@[\(host)]" : "\(port)@\(host)"
    }
  }
}
