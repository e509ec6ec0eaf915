// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText
import GroupModel
import Health

/// VIFs to keep apart, as they are written.
struct ApartDraft: Sendable {
  let location: SourceLocation
  var selections: [Located<IPPrefix>] = []
  /// Whether some of it could not be read.
  var isDoubtful = false
}

/// A `Check` statement as it is written.
struct CheckDraft: Sendable {
  let name: Located<String>
  var probes: [Located<Check.Probe>] = []
  var host: Located<String>?
  var user: Located<String>?
  var interval: Duration?
  var timeout: Duration?
  var rise: Int?
  var fall: Int?
  /// The VIFs it is for; empty for the node.
  var selections: [Located<IPPrefix>] = []
  /// Whether some of it could not be read.
  var isDoubtful = false
}

/// What the statements said, before it is known to be complete and consistent.
struct Draft: Sendable {
  /// Where each statement or parameter was first met, well formed or not.
  var seen: [String: SourceLocation] = [:]

  /// The outer level is `nil` where `Spread` was not given, the inner one where it is `embedded`.
  var spread: Located<SpreadAddress>??
  var backendLoss: SpreadBackend.Loss?
  var unsealed: SpreadBackend.Unsealed?
  /// `StateDirectory`, as `stateDirectory` below.
  var separateState: String??
  var node: Located<NodeID>?
  /// Whether some peer could not be read, so that what is said about all of them may be wrong.
  var peersAreDoubtful = false
  var peers: [Located<EngineConfiguration.Peer>] = []
  var port: UInt16?
  var profile: Located<EngineConfiguration.Profile>?
  var multicast: Located<IPAddress>?
  var mtu: Int?
  var key: EngineConfiguration.Key?
  /// The outer level is `nil` where `State` was not given, the inner one where it is `none`.
  var stateDirectory: String??
  var timers: [(word: EngineWord, timer: Located<Duration>)] = []

  var group: GroupName?
  var control: String?
  var controlGroup: String?
  var spreadRetryInterval: Duration?
  var logFacility: LogFacility?
  var arpCache: Duration?
  var notifications: [WackamoleConfiguration.Notification] = []
  var notifyNone: SourceLocation?
  var weight: UInt16?
  var apart: [ApartDraft] = []
  var checks: [CheckDraft] = []
  var policy: WackamoleConfiguration.Policy?
  var quorum: Located<WackamoleConfiguration.Quorum>?
  var scripts: [WackamoleConfiguration.Script] = []
  var protocolVersion: UInt8?
  var mature: Duration?
  var balance = WackamoleConfiguration.Balance()
  var interfaces = InterfacesDraft()
  var preferences: [Located<IPPrefix>] = []
  var preferNone: SourceLocation?
  /// Whether some managed address could not be read.
  var addressesAreDoubtful = false
  /// How many well-formed managed addresses were met, beyond the limit too.
  var addressCount = 0
  /// The VIFs; each is a list of addresses, perhaps empty where all of them were wrong.
  var virtualInterfaces: [[Located<InterfaceAddress>]] = []
  var networkHints: [WackamoleConfiguration.NetworkHint] = []

  /// Whether some time-out or the profile could not be read.
  var timersAreDoubtful: Bool {
    let words = EngineWord.allCases.filter { $0.timer != nil && seen[$0.rawValue] != nil }
    return words.contains { word in !timers.contains { $0.word == word } }
      || seen[EngineWord.profile.rawValue] != nil && profile == nil
  }
}
