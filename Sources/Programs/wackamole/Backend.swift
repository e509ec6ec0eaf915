// SPDX-License-Identifier: Apache-2.0

import Addresses
import Configuration
import Failover
import GroupModel
import Logging
import Machine
import Netlink
import Reactor
import Reports

/// What carries the group's messages, with what the daemon needs of it beyond the port.
protocol Backend: AnyObject {
  /// The port; to be used as it is, or wrapped by what protects payloads on the way.
  var connection: any GroupConnection { get }
  var health: StatusReport.EngineHealth { get }
  /// Where a node's engine is; `nil` where that is not known.
  func address(of node: NodeID) -> IPAddress?
  /// Takes on what of a configuration can change while it runs; throws before anything does.
  func take(_ configuration: WackamoleConfiguration) throws
}

/// How the fail-over engine is set up on a backend.
struct BackendTraits {
  /// This node's name; a placeholder while only the Spread daemon knows it.
  var node: NodeID
  /// Whether others use the group too, and a member whose loop hangs stays in the view.
  var isShared: Bool
  /// How many members there are at most; `nil` if nobody knows.
  var members: Int?
  var onLoss: FailoverEngine.BackendLoss
  /// How long a node waits for a merge after its carrier has returned.
  var settle: Duration
  /// For how long a proof of liveness counts where the ring gives it; `nil` where own messages do.
  var proofLife: Duration?

  init(_ backend: WackamoleConfiguration.Backend) {
    let timers: RingTimers
    switch backend {
    case .embedded(let engine):
      (node, isShared, members, onLoss) = (engine.node, false, engine.peers.count, .release)
      timers = engine.timers
      proofLife = timers.tokenLoss
    case .spread(let spread):
      (node, isShared, members) = (spread.node ?? "unknown", true, nil)
      onLoss =
        switch spread.onLoss {
        case .release: .release
        case .keep: .keep
        }
      // Those of the daemon are not known here; a slower one only brings its merge later.
      timers = RingTimers.Profile.lan.timers
    }
    settle = timers.announcement * 3 + Self.neighbourRetry
  }

  /// How long the kernel may wait before it asks again for a neighbour that did not answer while the
  /// link was down (`retrans_time_ms`); until then no announcement reaches anybody.
  private static let neighbourRetry: Duration = .seconds(1)
}
