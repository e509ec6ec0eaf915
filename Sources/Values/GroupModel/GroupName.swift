// SPDX-License-Identifier: Apache-2.0

/// The name of a process group, or a member's private name used as a destination.
///
/// 1 to 31 bytes of 0x24 to 0x7E, as in the Spread client protocol; a private name starts with `#`.
package struct GroupName: Sendable, Hashable, Comparable {
  package let name: InlineName

  /// Takes the name of a group to join; `nil` if it is not one.
  package init?(_ bytes: some Collection<UInt8>) {
    guard !bytes.isEmpty, bytes.allSatisfy({ (0x24...0x7E).contains($0) }),
      let name = InlineName(bytes)
    else { return nil }
    self.name = name
  }

  package init?(text: String) { self.init(Array(text.utf8)) }

  package static func < (lhs: Self, rhs: Self) -> Bool { lhs.name < rhs.name }
}

extension GroupName: CustomStringConvertible {
  package var description: String { name.text }
}

extension GroupName: ExpressibleByStringLiteral {
  /// For names written in source text, which must be valid.
  package init(stringLiteral text: String) {
    guard let group = Self(text: text) else { preconditionFailure("not a group name: \(text)") }
    self = group
  }
}
