// SPDX-License-Identifier: Apache-2.0

package import Health

/// One request of HTTP/1.1 and the beginning of its answer: enough to see how a server is.
package struct HTTPExchange: Sendable, Equatable {
  /// What the answer says.
  package enum Verdict: Sendable, Equatable {
    /// Not enough of it has come.
    case incomplete
    /// The three digits of the status.
    case status(Int)
    /// This is no answer of HTTP.
    case malformed
  }

  /// The longest first line that is looked at, in bytes.
  package static let longestLine = 1_024

  private var line: [UInt8] = []

  package init() {}

  /// The bytes to send.
  package static func request(_ request: Check.Request) -> [UInt8] {
    Array(
      ("GET \(request.target) HTTP/1.1\r\nHost: \(request.host)\r\nUser-Agent: wackamole\r\n"
        + "Accept: */*\r\nConnection: close\r\n\r\n").utf8
    )
  }

  /// Takes what was received; nothing further is needed once the answer is complete.
  package mutating func take(_ bytes: some Sequence<UInt8>) -> Verdict {
    for byte in bytes {
      if byte == UInt8(ascii: "\n") { return verdict }
      guard line.count < Self.longestLine else { return .malformed }
      line.append(byte)
    }
    return .incomplete
  }

  /// What the whole first line says: `HTTP/1.x SP three digits`, then a blank or nothing.
  private var verdict: Verdict {
    var text = line[...]
    if text.last == UInt8(ascii: "\r") { text = text.dropLast() }
    let start = Array("HTTP/1.".utf8)
    guard text.starts(with: start) else { return .malformed }
    let rest = text.dropFirst(start.count)
    let digits = rest.dropFirst(2).prefix(3)
    let isNumber = { (byte: UInt8) in (0x30...0x39).contains(byte) }
    guard rest.first.map(isNumber) == true, rest.dropFirst().first == UInt8(ascii: " "),
      digits.count == 3, digits.allSatisfy(isNumber)
    else { return .malformed }
    let after = rest.dropFirst(5).first
    guard after == nil || after == UInt8(ascii: " ") else { return .malformed }
    return .status(digits.reduce(0) { $0 * 10 + Int($1 - 0x30) })
  }
}
