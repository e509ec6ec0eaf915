// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import GroupModel

extension FailoverEngine {
  /// What is fixed while the engine runs.
  package struct Settings: Sendable, Equatable {
    /// This node's configured name.
    package var node: NodeID
    package var group: GroupName
    /// In ascending order of primary address, each once.
    package var vifs: [VirtualInterface]
    /// The VIFs this node is to hold if it can, in ascending order.
    package var prefers: [VIFID] = []
    /// How many VIFs this node carries for one of a node of weight 1; at least 1.
    package var weight: UInt16 = 1
    /// Sets of VIFs that are kept on different nodes where possible.
    package var apart: [[VIFID]] = []
    /// How long a node that meets no mature node waits before it may hold anything.
    package var mature: Duration = .seconds(5)
    /// The time between two rounds of balance.
    package var balanceInterval: Duration = .seconds(10)
    /// The most VIFs moved in one round; `nil` for all.
    package var acquisitionsPerRound: UInt16?
    /// How long a node waits, after the carrier returned, for a merge before it may hold anything:
    /// three ring announcements.
    package var settle: Duration = .milliseconds(600)
    /// How long the removal of an address may take before the move is cancelled.
    package var moveTimeout: Duration = .seconds(2)
    /// How long leaving may take in all before the process ends nevertheless.
    package var leaveTimeout: Duration = .seconds(1)
    /// How long a node that could not put a VIF on its interface waits before it tries again.
    package var retryAfterFailure: Duration = .seconds(60)

    package init(node: NodeID, group: GroupName, vifs: [VirtualInterface]) {
      (self.node, self.group) = (node, group)
      self.vifs = vifs.sorted()
    }
  }
}
