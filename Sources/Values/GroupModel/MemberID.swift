// SPDX-License-Identifier: Apache-2.0

/// One process that uses groups: its own name and the daemon it is connected to.
///
/// Printed as the private name `#process#node` of the Spread client protocol. Members of one view
/// are in ascending order of node, then process.
package struct MemberID: Sendable, Hashable, Comparable {
  package let node: NodeID
  /// The connection's name at its daemon; unique there.
  package let process: InlineName

  package init(node: NodeID, process: InlineName) {
    (self.node, self.process) = (node, process)
  }

  package static func < (lhs: Self, rhs: Self) -> Bool {
    (lhs.node, lhs.process) < (rhs.node, rhs.process)
  }
}

extension MemberID: CustomStringConvertible {
  package var description: String { "#\(process.text)#\(node)" }
}
