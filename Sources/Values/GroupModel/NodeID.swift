// SPDX-License-Identifier: Apache-2.0

/// The identity of one daemon on the ring: its configured name, never a looked-up host name.
///
/// The order of names is ring order, so it is the same at every member whatever the order of a
/// configuration file.
package struct NodeID: Sendable, Hashable, Comparable {
  package let name: InlineName

  /// Takes 1 to 31 letters, digits, and `-`, `_`, `.`; otherwise `nil`.
  package init?(_ bytes: some Collection<UInt8>) { self.init(slice: Array(bytes)[...]) }

  /// Takes the bytes by the rule of ``init(_:)``; for decoders, which must be fast.
  package init?(slice bytes: ArraySlice<UInt8>) {
    guard !bytes.isEmpty, bytes.allSatisfy(Self.allows), let name = InlineName(bytes) else {
      return nil
    }
    self.name = name
  }

  /// Takes the name as text, by the rule of ``init(_:)``.
  package init?(text: String) { self.init(Array(text.utf8)) }

  package static func < (lhs: Self, rhs: Self) -> Bool { lhs.name < rhs.name }

  private static func allows(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    case UInt8(ascii: "0")...UInt8(ascii: "9"): true
    case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
    default: false
    }
  }
}

extension NodeID: CustomStringConvertible {
  package var description: String { name.text }
}

extension NodeID: ExpressibleByStringLiteral {
  /// For names written in source text, which must be valid.
  package init(stringLiteral text: String) {
    guard let node = Self(text: text) else { preconditionFailure("not a node name: \(text)") }
    self = node
  }
}
