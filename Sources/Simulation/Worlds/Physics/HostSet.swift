// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// Hosts of a world, by their place in ring order: 0 to 31.
package struct HostSet: Sendable, Hashable {
  package private(set) var bits: UInt32 = 0

  package init(bits: UInt32 = 0) { self.bits = bits }
  package init(_ hosts: some Sequence<Int>) { for host in hosts { insert(host) } }

  /// The first `count` hosts.
  package static func first(_ count: Int) -> Self { Self(0..<count) }

  package var isEmpty: Bool { bits == 0 }
  package var count: Int { bits.nonzeroBitCount }
  package func contains(_ host: Int) -> Bool { bits >> UInt32(host) & 1 == 1 }
  package mutating func insert(_ host: Int) { bits |= 1 << UInt32(host) }
  package mutating func remove(_ host: Int) { bits &= ~(1 << UInt32(host)) }
  package func union(_ other: Self) -> Self { Self(bits: bits | other.bits) }
  package func intersection(_ other: Self) -> Self { Self(bits: bits & other.bits) }
  package func subtracting(_ other: Self) -> Self { Self(bits: bits & ~other.bits) }
  package func isSubset(of other: Self) -> Bool { bits & ~other.bits == 0 }

  /// The host at this place among the members, which must exist.
  package func member(at place: Int) -> Int {
    var rest = bits
    for _ in 0..<place { rest &= rest - 1 }
    return rest.trailingZeroBitCount
  }
}

extension HostSet: Sequence {
  /// Goes through the members in ascending order.
  package struct Iterator: IteratorProtocol {
    fileprivate var rest: UInt32

    package mutating func next() -> Int? {
      guard rest != 0 else { return nil }
      defer { rest &= rest - 1 }
      return rest.trailingZeroBitCount
    }
  }

  package func makeIterator() -> Iterator { Iterator(rest: bits) }
}

/// The hosts of a world and their names, `n1` to `n31`, in ring order.
package struct Cast: Sendable, Equatable {
  /// The most hosts of a world, which fit a ``HostSet``.
  package static let most = 31

  package let roster: Roster
  package var count: Int { roster.count }
  package var everyone: HostSet { .first(count) }

  /// Takes 1 to ``most`` hosts; more than nine have two digits each, so that the order of names is
  /// the order of numbers.
  package init(count: Int) {
    precondition((1...Self.most).contains(count), "\(count) hosts; 1 to \(Self.most) are possible")
    let pad = { (number: Int) in count > 9 && number < 10 ? "0\(number)" : "\(number)" }
    roster = Roster((1...count).compactMap { NodeID(text: "n" + pad($0)) })
  }

  package func node(_ host: Int) -> NodeID { roster.nodes[host] }
  package func host(_ node: NodeID) -> Int? { roster.index(of: node) }

  /// The hosts of these names; `nil` if one is not of this world.
  package func hosts(_ members: Roster) -> HostSet? {
    var set = HostSet()
    for node in members.nodes {
      guard let host = host(node) else { return nil }
      set.insert(host)
    }
    return set
  }

  package func text(_ hosts: HostSet) -> String {
    "{" + hosts.map { node($0).description }.joined(separator: " ") + "}"
  }
}
