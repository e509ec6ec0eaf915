// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText
import DaemonKit
import EmbeddedRing
import Glibc
import GroupModel
import Logging
import Machine
import Reactor
import Ring
import RingWire
import Sealing
import Sessions
import SpreadConfiguration
import Transport

extension Daemon {
  static func text(_ error: any Error) -> String {
    switch error {
    case let failure as StartFailure: failure.text
    case let failure as Identity.Failure: failure.text
    case let failure as KeyLoading.Failure: failure.text
    default: "\(error)"
    }
  }

  static func identity(_ process: SpreadConfiguration.Process) throws -> Identity? {
    try Identity.find(user: process.user, group: process.group)
  }

  /// Gives the daemon's files to whom it becomes, and becomes it.
  static func hand(_ configuration: SpreadConfiguration, to identity: Identity?) throws {
    guard let identity else { return }
    if let directory = configuration.ring.stateDirectory {
      try identity.own(directory)
      for file in ["lock", "ring-sequence", "ring-sequence.new"] {
        let path = directory + "/" + file
        if Glibc.access(path, F_OK) == 0 { try identity.own(path) }
      }
    }
    if let file = configuration.log.file { try identity.adoptLog(LogFile.expand(file)) }
    try identity.assume()
  }

  /// Says which files the next SIGHUP could not read, now that the privileges are given up.
  static func warnOfUnreadable(_ configuration: SpreadConfiguration, file: String, _ log: Logger) {
    var files = [file]
    if case .file(let path) = configuration.ring.key { files.append(path) }
    let sessions = configuration.sessions
    if sessions.checksAddresses { files.append(sessions.accessFile) }
    for path in files where Glibc.access(path, R_OK) != 0 {
      log.warning(
        "\(path) cannot be read by the user that the daemon runs as: SIGHUP will be refused"
      )
    }
  }

  static func lock(_ directory: String?) throws -> LockFile? {
    guard let directory else { return nil }
    do {
      try SmallFile.makeDirectory(directory)
      return try LockFile(path: directory + "/lock")
    } catch let failure as LockFile.Failure {
      switch failure {
      case .held(let process):
        let who = process.map { "process \($0)" } ?? "another process"
        throw StartFailure(text: "\(who) is running with the state directory \(directory) already")
      case .unusable(let error):
        throw StartFailure(text: "cannot lock the state directory: \(error)")
      }
    }
  }

  static func accessList(_ sessions: SpreadConfiguration.Sessions) throws -> AccessList {
    guard sessions.checksAddresses else { return AccessList() }
    do {
      let text = try SmallFile.read(sessions.accessFile, limit: AccessList.longestText + 1)
      return try AccessList.parse(text: text, file: sessions.accessFile)
    } catch let error as SystemError {
      throw StartFailure(text: "cannot read who may connect (AccessFile): \(error)")
    } catch let diagnostics as Diagnostics {
      throw StartFailure(text: diagnostics.description)
    }
  }

  /// Reads the keys; their file may belong to whom the daemon becomes.
  static func keys(
    _ key: SpreadConfiguration.Key,
    for identity: Identity?
  ) throws -> [ClusterKey]? {
    switch key {
    case .none: nil
    case .file(let path): try KeyLoading.load(path, owner: identity?.user)
    }
  }

  static func makeLink(
    _ configuration: SpreadConfiguration,
    _ me: SpreadConfiguration.Daemon,
    _ boot: BootID,
    for identity: Identity?,
    _ log: Logger
  ) throws -> PacketLink {
    let cluster = InlineName(Array(configuration.ring.cluster.utf8))?.digest ?? 0
    var sealer: PacketSealer?
    if let keys = try keys(configuration.ring.key, for: identity) {
      sealer = try PacketSealer(
        settings: SealingEngine.Settings(
          me: me.node,
          configured: configuration.roster,
          boot: boot,
          cluster: cluster
        ),
        keys: keys,
        random: SplitMix64(seed: Entropy.word())
      )
    } else if configuration.daemons.count > 1 {
      log.warning("Key = none: anybody on the ring's network can read and forge its traffic")
    }
    var group: PacketLink.Group?
    if let address = configuration.ring.multicast {
      group = try PacketLink.Group(address: address, of: me.endpoint.address)
    }
    return try PacketLink(
      me: me.node,
      members: members(configuration),
      group: group,
      cluster: cluster,
      boot: boot,
      sealer: sealer
    )
  }

  /// What of a configuration is other than at the start, and takes a restart.
  static func fixed(_ present: SpreadConfiguration, _ next: SpreadConfiguration) -> [String] {
    var fixed: [String] = []
    var ring = next.ring
    (ring.timers, ring.key) = (present.ring.timers, present.ring.key)
    if ring != present.ring || (next.ring.key == .none) != (present.ring.key == .none) {
      fixed.append("ring settings other than members, timers and keys")
    }
    if next.process != present.process { fixed.append("process settings") }
    if next.sessions.listeners != present.sessions.listeners
      || next.sessions.unixSockets != present.sessions.unixSockets
    {
      fixed.append("listeners")
    }
    return fixed
  }

  static func members(_ configuration: SpreadConfiguration) -> [PacketLink.Member] {
    configuration.daemons.map { .init(node: $0.node, endpoint: $0.endpoint) }
  }

  static func ringSettings(
    _ configuration: SpreadConfiguration,
    _ me: SpreadConfiguration.Daemon
  ) -> RingEngine.Settings {
    var settings = RingEngine.Settings(
      me: me.node,
      configured: configuration.roster,
      timers: configuration.ring.timers,
      address: { node in
        configuration.daemons.first { $0.node == node }?.endpoint.description ?? ""
      }
    )
    let headers = me.endpoint.address.bitWidth == 32 ? 28 : 48
    settings.fit(datagram: configuration.ring.mtu - headers)
    settings.window = configuration.ring.window
    settings.personalWindow = configuration.ring.personalWindow
    settings.accelerated = configuration.ring.accelerated
    settings.acceleratedWindow = configuration.ring.acceleratedWindow
    return settings
  }

  static func sessionSettings(
    _ configuration: SpreadConfiguration,
    _ me: SpreadConfiguration.Daemon
  ) -> SessionsEngine.Settings {
    var settings = SessionsEngine.Settings(
      me: me.node,
      daemons: configuration.daemons.map { .init(node: $0.node, address: $0.endpoint.address) }
    )
    let sessions = configuration.sessions
    settings.methods = sessions.allowedMethods.map(SessionsEngine.Method.init)
    settings.requiredMethods = sessions.requiredMethods.map(SessionsEngine.Method.init)
    settings.sessions = sessions.limit
    settings.sessionsPerPeer = sessions.limitPerAddress ?? 0
    settings.handshakeTime = sessions.handshakeTimeout
    settings.queuedMessages = sessions.queueMessages
    settings.queuedBytes = sessions.queueBytes
    settings.waitingBytes = sessions.waitingBytes
    settings.sessionGroups = sessions.groups
    settings.longestMessage = sessions.longestMessage
    settings.slowPolicy =
      switch sessions.slowSession {
      case .disconnect: .disconnect
      case .dropOldest: .dropOldest
      }
    return settings
  }
}

extension SessionsEngine.Method {
  fileprivate init(_ method: SpreadConfiguration.AuthMethod) {
    switch method {
    case .null: self = .null
    case .ip: self = .ip
    }
  }
}
