// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import FailoverWire
package import GroupModel

extension FailoverEngine {
  /// What the configuration says; all but ``node``, ``group`` and ``isShared`` may change while the
  /// engine runs (``Command/reload(_:)``).
  package struct Settings: Sendable, Hashable {
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
    /// Who holds a VIF when the health checks of all fail.
    package var policy: Policy = .keep
    /// How many members a component needs; `nil`: any component holds all VIFs.
    package var quorum: Quorum?
    /// How long an address lives in the kernel without being renewed; `nil`: for ever.
    ///
    /// Measures how long the silence of a member is borne, and what strict quorum waits for.
    package var lease: Duration?
    /// The group is carried by a daemon that serves others too (Spread, Corosync): anybody may join
    /// it, and a member whose loop hangs stays in the view.
    package var isShared = false
    /// What happens to the addresses when the backend is lost.
    package var onBackendLoss: BackendLoss = .release
    /// How long a node that meets no mature node waits before it may hold anything.
    package var mature: Duration = .seconds(5)
    /// The time between two rounds of balance.
    package var balanceInterval: Duration = .seconds(10)
    /// The most VIFs moved in one round; `nil` for all, 0 for none ever.
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
    /// On a shared backend: how long the others wait for the state of a member before they go on
    /// without it.
    package var strangerTimeout: Duration = .seconds(1)
    /// Whether what follows from events for the interfaces waits until time is next looked at: with very
    /// many VIFs that costs much, and once is enough for all events of one turn of a loop.
    package var settlesLater = false
    /// When a node that changes too often rests, and for how long.
    package var flapping = Flapping()
    /// The version of the messages and of the allocation that this node is to use, 1 or 2.
    ///
    /// The lowest present counts for all; so a cluster can be held at the older one until every
    /// node has the new program.
    package var protocolVersion = FailoverMessage.version

    package init(node: NodeID, group: GroupName, vifs: [VirtualInterface]) {
      (self.node, self.group) = (node, group)
      self.vifs = vifs.sorted()
    }
  }

  /// What a node does that has lost its backend.
  package enum BackendLoss: Sendable, Hashable {
    /// It holds nothing until it is back.
    case release
    /// It keeps what it holds; others may acquire it too, since nobody can tell them apart.
    case keep
  }

  /// A node whose own eligibility changed more than ``limit`` times within ``window`` declares
  /// itself ineligible for ``rest``, doubled every time up to ``longestRest``.
  package struct Flapping: Sendable, Hashable {
    package var limit = 5
    package var window: Duration = .seconds(60)
    package var rest: Duration = .seconds(30)
    package var longestRest: Duration = .seconds(600)

    package init() {}
  }
}

extension FailoverEngine.Settings {
  /// On a shared backend: for how long an own message that came back proves that this node may hold
  /// anything, counted from when it was sent (``FailoverEngine/Effect/proven(_:)``).
  ///
  /// A third of the lease at most. Also less than what suspicion waits beyond the lease: an address
  /// that is renewed at the last moment that a heartbeat proves ends before the others, who may have
  /// heard that heartbeat and none since, take it over.
  package var proofLife: Duration { min(silence / 3, .seconds(1)) }

  /// On a shared backend: how often each member gives a sign of life, so that there is always proof.
  var heartbeat: Duration { proofLife / 2 }

  /// The lease, or what stands for it when there is none.
  var silence: Duration { lease ?? .seconds(9) }

  /// What contradicts itself, for the operator, a line each; an engine is not to be started or
  /// reloaded with such settings.
  package var problems: [String] {
    var lines: [String] = []
    if quorum?.isStrict ?? false, lease == nil {
      lines.append("Quorum strict needs a lease: with Lease = off nothing says when a peer's end")
    }
    if !(1...FailoverMessage.version).contains(protocolVersion) {
      lines.append(
        "protocol version \(protocolVersion): this program has 1 to \(FailoverMessage.version)"
      )
    }
    if zip(vifs, vifs.dropFirst()).contains(where: { $0.id == $1.id }) {
      lines.append("two VIFs have the same primary address")
    }
    return lines
  }
}
