// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import ConfigurationText
package import GroupModel
package import Health

/// What `wackamole.conf` says, complete and consistent.
///
/// Whether an interface exists is not known here: that is found out when the program starts.
package struct WackamoleConfiguration: Sendable, Equatable {
  /// The most bytes a configuration file may have.
  package static let longestText = 1 << 20
  /// The most addresses that can be managed, those in sets included.
  package static let mostAddresses = 4_096
  /// The largest weight of a node.
  package static let heaviest = 1_000
  /// The most health checks.
  package static let mostChecks = 64
  /// The version that `FailoverWire` has.
  package static let newestProtocol: UInt8 = 2
  /// The most scripts to run.
  package static let mostScripts = 64

  package var backend: Backend
  package var group: GroupName
  /// Path of the control socket: absolute, at most 107 bytes.
  package var control: String
  /// The group, by name or number, whose members may use the control socket besides root.
  package var controlGroup: String?
  /// What log lines are marked with where they go to syslog.
  package var logFacility: LogFacility
  /// The version of the messages between members, and of what follows from them: 1 to
  /// ``newestProtocol``; the lowest of all members counts.
  package var protocolVersion: UInt8
  /// How long a member that meets no mature one waits before it may hold an address.
  package var mature: Duration
  /// How often the members tell each other which hosts they know.
  package var arpCache: Duration
  package var balance: Balance
  /// Whom to tell of a VIF besides everybody, in the order of the file.
  package var notifications: [Notification]
  /// The VIFs this node prefers, in ascending order, each once.
  package var preferred: [VIFID]
  /// The share of VIFs this node is to carry, relative to others: 1 to ``heaviest``.
  package var weight: UInt16
  /// Sets of VIFs to keep on different nodes where possible: each ascending, of two or more.
  package var apart: [[VIFID]]
  /// Health checks with names of their own, in the order of the file.
  package var checks: [Check]
  package var policy: Policy
  package var quorum: Quorum
  /// The scripts to run, in the order of the file.
  package var scripts: [Script]
  /// The VIFs in the order of the file, at least one.
  ///
  /// No address and no primary address occurs twice.
  package var virtualInterfaces: [VirtualInterface]
  /// The `nNET` hints that were given, in the order of the file.
  package var networkHints: [NetworkHint]
  package var interfaces: InterfaceSettings

  /// Parses the text of a configuration file.
  ///
  /// `file` is what the file is called in diagnostics. `node` is this machine's name if it was
  /// given outside the file; it then wins over `Node`, and `spread` over `Spread`. `include` reads
  /// other files.
  ///
  /// - Throws: everything that is wrong, each with its place.
  package static func parse(
    text: [UInt8],
    file: String,
    node: NodeOverride? = nil,
    spread: SpreadOverride? = nil,
    include: Include? = nil
  ) throws(Diagnostics) -> Self {
    var parser = Parser(text: text, file: file, include: include)
    return try parser.configuration(node: node, spread: spread)
  }

  /// Reads the files that a path or a pattern names, sorted by name; the second argument is the file
  /// that has the statement.
  package typealias Include =
    @Sendable (String, String) throws(IncludeFailure) -> [IncludedFile]

  /// A file that another one includes.
  package struct IncludedFile: Sendable {
    /// What it is called in diagnostics.
    package var path: String
    package var text: [UInt8]

    package init(path: String, text: [UInt8]) { (self.path, self.text) = (path, text) }
  }

  /// Why files cannot be included.
  package struct IncludeFailure: Error {
    package let text: String
    package init(_ text: String) { self.text = text }
  }
}

extension WackamoleConfiguration {
  /// What carries the group messages.
  package enum Backend: Sendable, Equatable {
    /// The engine inside the program.
    case embedded(EngineConfiguration)
    /// A Spread daemon, ours or a genuine one.
    case spread(SpreadBackend)
  }

  /// When and how far load is evened out.
  package struct Balance: Sendable, Equatable {
    /// The time between two rounds; longer than 0.
    package var interval: Duration = .seconds(10)
    /// The most VIFs one node takes over in a round; `nil`: as many as there are, 0: none ever.
    package var acquisitionsPerRound: UInt16?

    package init(interval: Duration = .seconds(10), acquisitionsPerRound: UInt16? = nil) {
      (self.interval, self.acquisitionsPerRound) = (interval, acquisitionsPerRound)
    }
  }

  /// Who is told of a VIF by unicast, besides the announcement to everybody.
  package enum Notification: Sendable, Hashable {
    /// Every address of a network, through `interface` if one is named.
    ///
    /// At most `throttle` hosts a second; `nil` for no limit. With `ping` an echo request follows.
    case network(IPPrefix, interface: InterfaceName?, throttle: UInt16?, ping: Bool)
    /// The hosts that the members have heard of.
    case knownHosts(ping: Bool)
  }

  /// What becomes of a VIF for which no member is healthy.
  package enum Policy: String, Sendable, Hashable, CaseIterable {
    /// A live member holds it all the same.
    case keep
    /// Nobody does.
    case drop
  }

  /// How many members must see each other so that they hold anything.
  package enum Quorum: Sendable, Hashable {
    case none
    /// At least so many; when `strict`, leases of those not seen must have run out too.
    case members(Int, strict: Bool)
    /// More than half of all configured; `strict` as above.
    case majority(strict: Bool)
  }

  /// A program that is run at an event.
  package struct Script: Sendable, Hashable {
    /// An absolute path.
    package var path: String
    package var event: ScriptEvent
    /// The name of the user it runs as; `nil` for the daemon's own.
    package var user: String?
    /// How long it may run; longer than 0.
    package var timeout: Duration

    package init(
      path: String,
      event: ScriptEvent,
      user: String? = nil,
      timeout: Duration = .seconds(30)
    ) {
      (self.path, self.event, self.user, self.timeout) = (path, event, user, timeout)
    }
  }

  /// When a script runs.
  package enum ScriptEvent: String, Sendable, Hashable, CaseIterable {
    /// A VIF is on this node's interfaces.
    case onUp = "on up"
    /// A VIF has left this node's interfaces.
    case onDown = "on down"
    /// Once after one or more VIFs came up.
    case postUp = "post up"
    /// Once after one or more VIFs went down.
    case postDown = "post down"
  }

  /// How wide the network is to which an address is directly attached (`nNET`).
  package struct NetworkHint: Sendable, Equatable {
    package let address: InterfaceAddress
    /// The length of the network's prefix in bits: 1 up to the family's width.
    package let length: Int

    package init(address: InterfaceAddress, length: Int) {
      (self.address, self.length) = (address, length)
    }
  }

  /// This machine's name, given outside the file.
  package struct NodeOverride: Sendable, Equatable {
    package var name: String
    /// Where it was given, as an operator would say it: `--node` or `WACKAMOLE_NODE`.
    package var origin: String

    package init(name: String, origin: String) {
      (self.name, self.origin) = (name, origin)
    }
  }
}

/// The embedded engine as configured: who is on the ring, and how fast it is.
package struct EngineConfiguration: Sendable, Equatable {
  /// The port used unless one is configured.
  package static let defaultPort: UInt16 = 4813
  /// What is taken for the network's longest IP packet unless it is configured.
  package static let defaultMTU = 1_500
  /// The most members of one ring.
  package static let mostPeers = 128

  /// This machine; always one of `peers`.
  package var node: NodeID
  /// All members in ring order, this one included; names and addresses are unique and of one family.
  package var peers: [Peer]
  package var port: UInt16
  /// The multicast group that carries what is for all members; `nil`: it is sent to each.
  package var multicast: IPAddress?
  /// The longest IP packet that the network between the members carries, in bytes.
  package var mtu: Int
  package var key: Key
  package var profile: Profile
  /// The time-outs of the profile with the configured exceptions; their inequalities hold.
  package var timers: RingTimers
  /// An absolute path; `nil` if nothing is to be kept.
  package var stateDirectory: String?

  /// All members.
  package var roster: Roster { Roster(peers.map(\.node)) }

  /// The longest datagram that goes in one packet, without the headers of IP and UDP.
  package var longestDatagram: Int {
    let isVersion4 = peers.first?.address.bitWidth == 32
    return mtu - (isVersion4 ? 20 : 40) - 8
  }

  /// Where a member listens; `nil` if it is not configured.
  package func endpoint(of node: NodeID) -> Endpoint? {
    guard let peer = peers.first(where: { $0.node == node }) else { return nil }
    return Endpoint(address: peer.address, port: port)
  }

  /// One member of the ring and the address its engine uses.
  package struct Peer: Sendable, Hashable {
    package var node: NodeID
    package var address: IPAddress

    package init(node: NodeID, address: IPAddress) {
      (self.node, self.address) = (node, address)
    }
  }

  /// What datagrams are sealed with.
  package enum Key: Sendable, Hashable {
    /// Nothing: datagrams are neither secret nor authentic.
    case none
    /// The cluster keys in the ``KeyFile`` of this absolute path.
    case file(String)
  }

  package typealias Profile = RingTimers.Profile
}

/// The facilities of syslog that a daemon may use.
package enum LogFacility: String, Sendable, Hashable, CaseIterable {
  case user, daemon, auth, authpriv, local0, local1, local2, local3, local4, local5, local6, local7

  /// The number of RFC 5424.
  package var number: Int {
    switch self {
    case .user: 1
    case .daemon: 3
    case .auth: 4
    case .authpriv: 10
    case .local0: 16
    case .local1: 17
    case .local2: 18
    case .local3: 19
    case .local4: 20
    case .local5: 21
    case .local6: 22
    case .local7: 23
    }
  }
}
