// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText
import GroupModel

/// What the statements said, before it is known to be complete and consistent.
struct Draft: Sendable {
  /// A daemon as it was written.
  struct Daemon: Sendable, Equatable {
    var name: Located<NodeID>
    var address: Located<IPAddress>?
    var segment: Int
    var interfaces: [Interface]?
  }

  /// A line of an interface block.
  struct Interface: Sendable, Equatable {
    var address: Located<IPAddress>
    /// No letter means all.
    var client = false
    var daemon = false
    var monitor = false

    var takesClients: Bool { client || !daemon && !monitor }
    var takesDaemons: Bool { daemon || !client && !monitor }
  }

  /// A segment as it was written.
  struct Segment: Sendable, Equatable {
    var address: Located<IPAddress>?
    var port: UInt16
  }

  /// Where each statement was met last.
  var seen: [Keyword: SourceLocation] = [:]

  var segments: [Segment] = []
  var daemons: [Daemon] = []
  /// Whether some daemon could not be read, so that what is said about all of them may be wrong.
  var daemonsAreDoubtful = false

  var milliseconds: [Keyword: Located<Int>] = [:]
  var timers: [Keyword: Located<Duration>] = [:]
  var profile: Located<RingTimers.Profile>?
  var cluster = "spread"
  var key: SpreadConfiguration.Key?
  var window: Located<Int>?
  var personalWindow: Located<Int>?
  var acceleratedWindow: Located<Int>?
  var mtu: Int?
  var accelerated = true
  /// The outer level is `nil` where it was not given, the inner one where it is `none`.
  var stateDirectory: String??

  var listeners: [SpreadConfiguration.Listener]?
  var unixSockets: [String]?
  var unixSocketMode: UInt32 = 0o666
  var maxSessions = 2_048
  var maxSessionsPerAddress: Int?
  var queueMessages = 1_000
  var queueBytes = 16 << 20
  var waitingBytes = 512 << 20
  var sessionGroups = 10_000
  var slowSession = SpreadConfiguration.SlowSession.disconnect
  var handshakeTimeout = Duration.seconds(10)
  var longestMessage = 144 << 10
  /// Whether a list of methods was given: then NULL is on only if it is listed.
  var allowed: [SpreadConfiguration.AuthMethod]?
  var required: [Located<SpreadConfiguration.AuthMethod>] = []
  var accessFile = "/etc/spread.access_ip"

  var user: String?
  var group: String?
  var runtimeDirectory = SpreadConfiguration.usualRuntimeDirectory
  var control = SpreadConfiguration.usualRuntimeDirectory + "/control"
  var portReuse = SpreadConfiguration.PortReuse.auto

  var log = SpreadConfiguration.Log(
    file: nil,
    priority: .info,
    timeFormat: nil,
    preciseTime: false
  )

  var notices: [Diagnostic] = []

  /// Whether some time-out or the profile could not be read.
  var timersAreDoubtful: Bool {
    seen.keys.contains { keyword in
      switch keyword {
      case .profile: profile == nil
      case _ where Keyword.ringTimers.contains(keyword): timers[keyword] == nil
      case _ where Keyword.membershipTimeouts.contains(keyword): milliseconds[keyword] == nil
      default: false  // not ours: statements about other things
      }
    }
  }
}
