// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import GroupModel

/// What an operator decided about a VIF; it counts before what members prefer.
package struct Override: Sendable, Hashable {
  package var vif: VIFID
  /// The node that is to hold it; `nil` if the operator took an earlier decision back.
  package var node: NodeID?
  package var stamp: Stamp

  /// Of two decisions about one VIF the one with the higher stamp counts.
  package struct Stamp: Sendable, Hashable, Comparable {
    package var counter: UInt64
    /// Where it was ordered.
    package var node: NodeID

    package init(counter: UInt64, node: NodeID) { (self.counter, self.node) = (counter, node) }

    package static func < (lhs: Self, rhs: Self) -> Bool {
      (lhs.counter, lhs.node) < (rhs.counter, rhs.node)
    }
  }

  package init(vif: VIFID, node: NodeID?, stamp: Stamp) {
    (self.vif, self.node, self.stamp) = (vif, node, stamp)
  }
}

/// A VIF that must not be acquired before the lease of its last holder has run out.
package struct Fence: Sendable, Hashable {
  package var vif: VIFID
  /// In milliseconds from the moment of the report.
  package var remaining: UInt32

  package init(vif: VIFID, remaining: UInt32) { (self.vif, self.remaining) = (vif, remaining) }
}
