// SPDX-License-Identifier: Apache-2.0

/// One member as a configuration has it: a digest of its name and its address.
///
/// Equal at two machines exactly when both call it by the same name and reach it at the same address.
package struct MemberMark: Sendable, Hashable, Comparable {
  package let rawValue: UInt64

  package init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Takes the address as any text that is the same wherever the address is.
  package init(of node: NodeID, at address: String) {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in node.name.bytes + [0] + Array(address.utf8) {
      hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
    }
    rawValue = hash
  }

  package static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// The members that a machine has configured, or that all members of a ring have configured alike.
///
/// The order in which they were configured plays no part.
package struct KnownMembers: Sendable, Hashable {
  /// In ascending order, each once.
  package let marks: [MemberMark]

  package init(_ marks: some Sequence<MemberMark>) { self.marks = Set(marks).sorted() }

  private init(sorted marks: [MemberMark]) { self.marks = marks }

  package func contains(_ mark: MemberMark) -> Bool {
    var (low, high) = (0, marks.count)
    while low < high {
      let middle = (low + high) / 2
      if marks[middle] < mark { low = middle + 1 } else { high = middle }
    }
    return low < marks.count && marks[low] == mark
  }

  package func intersection(_ other: Self) -> Self {
    Self(sorted: marks.filter { other.contains($0) })
  }

  /// One number for all of them, to tell configurations apart.
  package var digest: UInt64 {
    marks.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ $1.rawValue) &* 0x100_0000_01b3 }
  }
}
