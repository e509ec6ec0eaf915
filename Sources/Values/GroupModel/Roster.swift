// SPDX-License-Identifier: Apache-2.0

/// Daemons in ascending order, which is ring order, each once.
package struct Roster: Sendable, Hashable {
  package let nodes: [NodeID]

  package init(_ nodes: some Sequence<NodeID>) {
    var sorted = nodes.sorted()
    var kept = 0
    for index in sorted.indices where index == 0 || sorted[index] != sorted[index - 1] {
      sorted[kept] = sorted[index]
      kept += 1
    }
    sorted.removeSubrange(kept...)
    self.nodes = sorted
  }

  package static let empty = Roster([])

  package var count: Int { nodes.count }
  package var isEmpty: Bool { nodes.isEmpty }
  package var lowest: NodeID? { nodes.first }

  package func contains(_ node: NodeID) -> Bool { index(of: node) != nil }

  /// The position in ring order; `nil` if not a member.
  package func index(of node: NodeID) -> Int? {
    var (low, high) = (0, nodes.count)
    while low < high {
      let middle = (low + high) / 2
      if nodes[middle] < node { low = middle + 1 } else { high = middle }
    }
    return low < nodes.count && nodes[low] == node ? low : nil
  }

  /// The next member in ring order, cyclically; `node` itself in a roster of one.
  package func successor(of node: NodeID) -> NodeID? {
    nodes.first { $0 > node } ?? nodes.first
  }

  package func union(_ other: Self) -> Self { Self(nodes + other.nodes) }
  package func inserting(_ node: NodeID) -> Self { contains(node) ? self : Self(nodes + [node]) }
  package func removing(_ node: NodeID) -> Self { Self(sorted: nodes.filter { $0 != node }) }
  package func subtracting(_ other: Self) -> Self {
    Self(sorted: nodes.filter { !other.contains($0) })
  }
  package func intersection(_ other: Self) -> Self {
    Self(sorted: nodes.filter { other.contains($0) })
  }
  package func isSubset(of other: Self) -> Bool { nodes.allSatisfy { other.contains($0) } }
  package func isDisjoint(with other: Self) -> Bool { !nodes.contains { other.contains($0) } }

  private init(sorted nodes: [NodeID]) { self.nodes = nodes }
}

extension Roster: CustomStringConvertible {
  package var description: String {
    "{" + nodes.map(\.description).joined(separator: " ") + "}"
  }
}

extension Roster: ExpressibleByArrayLiteral {
  package init(arrayLiteral nodes: NodeID...) { self.init(nodes) }
}
