// SPDX-License-Identifier: Apache-2.0

/// An IPv6 address; integer order is numeric order.
package struct IPv6Address: Sendable, Hashable, Comparable {
  package let rawValue: UInt128

  package init(_ rawValue: UInt128) { self.rawValue = rawValue }

  /// Parses the text forms of RFC 4291 section 2.2, without a zone.
  package init?(text: some StringProtocol) {
    let colon = UInt8(ascii: ":")
    var parts = text.utf8.split(separator: colon, omittingEmptySubsequences: false)
      .map { Array($0) }
    guard (3...9).contains(parts.count) else { return nil }
    // Nothing but colons is an address only as "::".
    guard parts.count == 3 || !parts.allSatisfy(\.isEmpty) else { return nil }
    if let last = parts.last, last.contains(UInt8(ascii: ".")) {
      guard let tail = IPv4Address(text: String(decoding: last, as: UTF8.self)) else { return nil }
      parts.removeLast()
      parts.append(Array(String(tail.rawValue >> 16, radix: 16).utf8))
      parts.append(Array(String(tail.rawValue & 0xFFFF, radix: 16).utf8))
    }
    // A leading or trailing "::" leaves two empty parts at that end; one of them is enough.
    if parts.count > 2, parts[0].isEmpty {
      guard parts[1].isEmpty else { return nil }
      parts.removeFirst()
    }
    if parts.count > 2, parts[parts.count - 1].isEmpty {
      guard parts[parts.count - 2].isEmpty else { return nil }
      parts.removeLast()
    }
    let gaps = parts.indices.filter { parts[$0].isEmpty }
    var groups: [UInt16] = []
    for part in parts where !part.isEmpty {
      guard part.count <= 4, part.allSatisfy(Self.isHexDigit),
        let group = UInt16(String(decoding: part, as: UTF8.self), radix: 16)
      else { return nil }
      groups.append(group)
    }
    switch gaps.count {
    case 0:
      guard groups.count == 8 else { return nil }
    case 1:
      guard groups.count < 8 else { return nil }
      groups.insert(contentsOf: Array(repeating: 0, count: 8 - groups.count), at: gaps[0])
    default:
      // "::" alone leaves two empty parts after the trimming above.
      guard parts.count == 2, groups.isEmpty else { return nil }
      groups = Array(repeating: 0, count: 8)
    }
    rawValue = groups.reduce(0) { $0 << 16 | UInt128($1) }
  }

  /// The sixteen octets in network order.
  package var octets: [UInt8] {
    (0..<16).map { UInt8(truncatingIfNeeded: rawValue >> UInt128(8 * (15 - $0))) }
  }

  package static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
      UInt8(ascii: "A")...UInt8(ascii: "F"):
      true
    default: false
    }
  }
}

extension IPv6Address: CustomStringConvertible {
  /// The text form of RFC 5952.
  package var description: String {
    let groups = (0..<8).map { UInt16(truncatingIfNeeded: rawValue >> UInt128(16 * (7 - $0))) }
    var longest = 0..<0
    var start = 0
    while start < 8 {
      var end = start
      while end < 8, groups[end] == 0 { end += 1 }
      if end - start > max(1, longest.count) { longest = start..<end }
      start = max(end, start + 1)
    }
    let text = { (range: Range<Int>) in
      groups[range].map { String($0, radix: 16) }.joined(separator: ":")
    }
    guard !longest.isEmpty else { return text(0..<8) }
    return text(0..<longest.lowerBound) + "::" + text(longest.upperBound..<8)
  }
}
