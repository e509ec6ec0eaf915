// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import ConfigurationText
package import GroupModel

/// What `spread.conf` says, complete and consistent; the same for all daemons that read the file.
///
/// Statements of Spread 4 are taken in its own strict spacing and in any natural one. Each works,
/// is refused with a reason, or is named in ``notices`` with what became of it.
package struct SpreadConfiguration: Sendable, Equatable {
  /// The most bytes a configuration file may have.
  package static let longestText = 1 << 20
  /// The port of a segment that names none.
  package static let defaultPort: UInt16 = 4803
  /// The most daemons of one ring.
  package static let mostDaemons = 128
  /// The most segments.
  package static let mostSegments = 20
  /// Where the sockets for this machine are unless the file says otherwise.
  package static let usualRuntimeDirectory = "/run/spread"
  /// The longest name of a daemon, which is the last part of its sessions' private names.
  package static let longestName = 19

  /// In the order of the file, at least one.
  package var segments: [Segment]
  /// In the order of the file, which is the order of members in views; at least one.
  ///
  /// Names and addresses are unique, and the addresses are of one family.
  package var daemons: [Daemon]
  package var ring: Ring
  package var sessions: Sessions
  package var process: Process
  package var log: Log
  /// What was taken otherwise than Spread 4 takes it, in the order of the file, for the log.
  package var notices: [Diagnostic]

  /// Parses the text of a configuration file.
  ///
  /// `file` is what the file is called in diagnostics. `resolve` looks up a daemon that has a name
  /// but no address, and returns `nil` if it cannot; it may block.
  ///
  /// - Throws: everything that is wrong, each with its place.
  package static func parse(
    text: [UInt8],
    file: String,
    resolve: (String) -> IPAddress? = { _ in nil }
  ) throws(Diagnostics) -> Self {
    var parser = Parser(text: text, file: file)
    return try parser.configuration(resolve: resolve)
  }

  /// All daemons in ring order.
  package var roster: Roster { Roster(daemons.map(\.node)) }

  /// The daemon of that name; `nil` if it is not configured.
  package func daemon(_ node: NodeID) -> Daemon? { daemons.first { $0.node == node } }

  /// The first daemon that has one of a machine's addresses, as its own or as an interface's.
  package func daemon(at addresses: Set<IPAddress>) -> Daemon? {
    daemons.first { addresses.contains($0.endpoint.address) }
      ?? daemons.first { daemon in
        daemon.clientAddresses?.contains(where: addresses.contains) ?? false
      }
  }
}

extension SpreadConfiguration {
  /// One `Spread_Segment`.
  package struct Segment: Sendable, Hashable {
    /// What reaches all daemons of the segment; `nil` for `unicast`.
    package var address: IPAddress?
    /// UDP port of the ring and TCP port for clients.
    package var port: UInt16
  }

  /// One daemon.
  package struct Daemon: Sendable, Hashable {
    /// At most ``longestName`` bytes.
    package var node: NodeID
    /// Where its ring listens; the port is also that of its clients.
    package var endpoint: Endpoint
    /// The index of its segment in the file.
    package var segment: Int
    /// The addresses its interface block opens to clients; `nil` without such a block: all.
    package var clientAddresses: [IPAddress]?
  }

  /// The ring between the daemons.
  package struct Ring: Sendable, Equatable {
    /// Tells clusters apart that share a network: datagrams of other clusters are dropped.
    package var cluster: String
    package var key: Key
    /// The time-outs as configured; their inequalities hold.
    package var timers: RingTimers
    /// The multicast group that carries what is for all daemons; `nil`: it is sent to each.
    package var multicast: IPAddress?
    /// The most packets that all daemons together send in one rotation; at least 1.
    package var window: Int
    /// The most packets that one daemon sends at one visit of the token; at most ``window``.
    package var personalWindow: Int
    package var accelerated: Bool
    /// The most packets that are sent after the token has been passed.
    package var acceleratedWindow: Int
    /// The longest IP packet that the network between the daemons carries.
    package var mtu: Int
    /// Holds the bound of ring ids: an absolute path; `nil` if nothing is to be kept.
    package var stateDirectory: String?
  }

  /// What datagrams between daemons are sealed with.
  package enum Key: Sendable, Hashable {
    /// Nothing: datagrams are neither secret nor authentic.
    case none
    /// The cluster keys in the key file of this absolute path.
    case file(String)
  }

  /// The sessions of clients.
  package struct Sessions: Sendable, Equatable {
    /// Where all daemons take clients; `nil`: where each daemon's interface block says.
    package var listeners: [Listener]?
    /// Absolute paths of unix sockets; `nil`: the two default ones.
    ///
    /// Those are named by the port, in ``Process/runtimeDirectory`` and in `/tmp`.
    package var unixSockets: [String]?
    /// The permissions of the unix sockets.
    package var unixSocketMode: UInt32
    /// At the same time, handshakes included.
    package var limit: Int
    /// At the same time from one address; `nil`: as many as there may be in all.
    package var limitPerAddress: Int?
    /// The most messages that wait for one session; at least 1.
    package var queueMessages: Int
    /// The most bytes that wait for one session.
    package var queueBytes: Int
    /// The most bytes that wait for all sessions together.
    package var waitingBytes: Int
    /// The most groups that one session is in; at least 1.
    package var groups: Int
    package var slowSession: SlowSession
    /// How long a client may take to be connected.
    package var handshakeTimeout: Duration
    /// The most bytes of a message, payload and 32 for each of its groups.
    package var longestMessage: Int
    /// The methods that clients may choose.
    package var allowedMethods: [AuthMethod]
    /// The methods that every client must pass; each is in ``allowedMethods``.
    package var requiredMethods: [AuthMethod]
    /// The ``AccessList`` of ``AuthMethod/ip``.
    package var accessFile: String

    /// Whether ``accessFile`` is read.
    package var checksAddresses: Bool {
      allowedMethods.contains(.ip) || requiredMethods.contains(.ip)
    }
  }

  /// A TCP listener for clients.
  package struct Listener: Sendable, Hashable {
    /// `nil`: every address of the machine, of both families.
    package var address: IPAddress?
    /// `nil`: the port of the daemon's segment.
    package var port: UInt16?

    package init(address: IPAddress? = nil, port: UInt16? = nil) {
      (self.address, self.port) = (address, port)
    }
  }

  /// How a client proves that it may connect; in the order in which the daemon lists them.
  package enum AuthMethod: String, Sendable, Hashable, CaseIterable {
    /// Anybody may.
    case null = "NULL"
    /// By the address it comes from.
    case ip = "IP"
  }

  /// What happens to a session whose queue is full.
  package enum SlowSession: String, Sendable, Hashable, CaseIterable {
    case disconnect = "disconnect"
    /// Regular messages are dropped, oldest first; never those of membership.
    case dropOldest = "drop-oldest"
  }

  /// The daemon as a process.
  package struct Process: Sendable, Equatable {
    /// Who it becomes when it is started as root; `nil`: `spread`.
    package var user: String?
    /// `nil`: `spread`.
    package var group: String?
    /// Holds the unix socket: an absolute path.
    package var runtimeDirectory: String
    /// The socket for the operator's tool: an absolute path of at most 107 bytes.
    package var control: String
    package var portReuse: PortReuse
  }

  /// Whether a TCP listener takes over a port in `TIME_WAIT`.
  package enum PortReuse: String, Sendable, Hashable, CaseIterable {
    case on
    case off
    /// Only where it is bound to particular addresses.
    case auto
  }

  /// Where messages for the operator go.
  package struct Log: Sendable, Equatable {
    /// Is appended to, `%h` in it is the name of the host; `nil`: standard error.
    package var file: String?
    package var priority: Priority
    /// A format of strftime(3) put before each line; `nil`: none was asked for.
    package var timeFormat: String?
    /// Whether the time has microseconds.
    package var preciseTime: Bool
  }

  /// The lowest priority that is logged.
  package enum Priority: String, Vocabulary {
    case debug = "pDEBUG"
    case info = "INFO"
    case warning = "WARNING"
    case error = "ERROR"
    case critical = "CRITICAL"
    case fatal = "FATAL"
  }
}
