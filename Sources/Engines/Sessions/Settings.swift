// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import GroupModel
package import SessionWire

extension SessionsEngine {
  /// Where a client connects from.
  package enum Peer: Sendable, Hashable {
    /// A unix socket, as this user.
    case user(UInt32)
    case address(IPAddress)
  }

  /// What happens to a session whose client does not keep up.
  package enum SlowPolicy: Sendable, Hashable, CaseIterable {
    /// It is closed, as by the genuine daemon.
    case disconnect
    /// Its oldest messages go, but none about membership.
    case dropOldest
  }

  /// A daemon of the configuration, in the order of the file.
  package struct Daemon: Sendable, Equatable {
    package let node: NodeID
    /// Stands for it in group ids.
    package let address: IPAddress

    package init(node: NodeID, address: IPAddress) { (self.node, self.address) = (node, address) }
  }

  /// What the daemon's operator has chosen.
  package struct Settings: Sendable, Equatable {
    package var me: NodeID
    /// In the order of the configuration, which is the order of members in views.
    package var daemons: [Daemon]
    /// What clients are told this daemon is.
    package var version = Version.own
    /// The methods that clients may choose, in the order they are told.
    package var methods: [Method] = [.null]
    /// The methods that are always checked.
    package var requiredMethods: [Method] = []
    /// The most sessions, those that are not accepted yet included.
    package var sessions = 4_000
    /// The most sessions of one address or unix user; 0 for no limit.
    package var sessionsPerPeer = 0
    /// The most sessions that are not accepted yet; the oldest makes room for the next.
    package var handshakes = 1_024
    /// How long a client may take for the handshake.
    package var handshakeTime: Duration = .seconds(10)
    /// How long a refused client may take to read why and to close.
    package var farewellTime: Duration = .seconds(1)
    /// The most messages that wait for a client that does not read; 0 lets none ever wait.
    package var queuedMessages = 1_000
    /// The most bytes that wait for a client that does not read.
    package var queuedBytes = 32 << 20
    /// The most bytes that wait for all clients together; what waits for several counts once.
    package var waitingBytes = 512 << 20
    package var slowPolicy = SlowPolicy.disconnect
    /// The most groups that a session is in; a join beyond that is rejected.
    package var sessionGroups = 10_000
    /// The most bytes of data and group names of one message, 32 for each name.
    package var longestMessage = 144_000

    package init(me: NodeID, daemons: [Daemon]) { (self.me, self.daemons) = (me, daemons) }
  }

  /// A way to authenticate.
  package enum Method: String, Sendable, Hashable, CaseIterable {
    /// Nobody is asked anything.
    case null = "NULL"
    /// The address must be allowed.
    case ip = "IP"
  }
}
