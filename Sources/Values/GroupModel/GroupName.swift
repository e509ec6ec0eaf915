// SPDX-License-Identifier: Apache-2.0

/// The name of a process group, or a member's private name used as a destination.
///
/// 1 to 31 bytes of 0x24 to 0x7E, as in the Spread client protocol; a private name starts with `#`.
package struct GroupName: Sendable, Hashable, Comparable {
  package let name: InlineName

  /// Takes the name of a group to join; `nil` if it is not one.
  package init?(_ bytes: some Collection<UInt8>) {
    // Of one type from here on: names are read by the thousand.
    self.init(Array(bytes)[...])
  }

  /// Takes the name of a group to join; `nil` if it is not one.
  package init?(_ bytes: ArraySlice<UInt8>) {
    guard !bytes.isEmpty, bytes.allSatisfy({ (0x24...0x7E).contains($0) }),
      let name = InlineName(bytes)
    else { return nil }
    self.name = name
  }

  package init?(text: String) { self.init(Array(text.utf8)) }

  private init(unchecked name: InlineName) { self.name = name }

  package static func < (lhs: Self, rhs: Self) -> Bool { lhs.name < rhs.name }
}

extension GroupName {
  /// The first byte of a private name, which no name of a group has.
  private static let privateMark = UInt8(ascii: "#")

  /// The private name `#process#node` of a member; `nil` if that is no destination, for
  /// want of room within 31 bytes or because of other bytes in the process's name.
  package init?(privateNameOf member: MemberID) {
    let mark = [Self.privateMark]
    self.init(destination: mark + member.process.bytes + mark + member.node.name.bytes)
  }

  /// Takes a destination: the name of a group, or a private name; `nil` if it is neither.
  package init?(destination bytes: some Collection<UInt8>) {
    self.init(destination: Array(bytes)[...])
  }

  /// Takes a destination: the name of a group, or a private name; `nil` if it is neither.
  package init?(destination bytes: ArraySlice<UInt8>) {
    guard bytes.first == Self.privateMark else {
      self.init(bytes)
      return
    }
    guard let name = InlineName(bytes) else { return nil }
    self.init(unchecked: name)
    if member == nil { return nil }
  }

  /// Whether this is a private name, a destination that nobody joins.
  package var isPrivate: Bool { name.first == Self.privateMark }

  /// Whom a private name stands for; `nil` for the name of a group.
  package var member: MemberID? {
    guard isPrivate else { return nil }
    let parts = name.bytes.split(separator: Self.privateMark, omittingEmptySubsequences: false)
    guard parts.count == 3, let process = Self(parts[1]), let node = NodeID(parts[2]) else {
      return nil
    }
    return MemberID(node: node, process: process.name)
  }
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
