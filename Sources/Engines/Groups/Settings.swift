// SPDX-License-Identifier: Apache-2.0

package import GroupModel

extension GroupsEngine {
  /// What is fixed while the engine runs.
  package struct Settings: Sendable, Equatable {
    package var me: NodeID
    /// The longest payload of a process's message, in bytes.
    package var longestPayload = 8 << 20
    /// The most requests held back while the ring takes none or state is exchanged.
    package var heldRequests = 4_096
    /// The most bytes of such requests.
    package var heldBytes = 16 << 20
    /// The most local processes.
    package var localProcesses = 4_096
    /// The length that a message of an exchange aims at, in bytes.
    package var chunkLength = 32 << 10
    /// About how many notices are given in one call, when a change concerns very many groups.
    package var noticesAtOnce = 512
    /// The most messages of an exchange that a daemon has under way, so that others get their turn.
    package var chunksInFlight = 4

    package init(me: NodeID) { self.me = me }
  }
}
