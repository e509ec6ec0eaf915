// SPDX-License-Identifier: Apache-2.0

import Addresses
import Announcements
import Bytes
import Configuration
import Control
import DaemonKit
import EmbeddedRing
import Failover
import FailoverNode
import FailoverWire
import Glibc
import GroupModel
import GroupNode
import Interfaces
import Logging
import Machine
import Netlink
import Reactor
import Reports
import Ring
import RingWire
import Seal
import Sealing
import Transport

/// What a daemon is made of, and what must be so before it starts.
extension Daemon {
  /// Every interface that a VIF names must be there at start.
  static func requireInterfaces(of configuration: WackamoleConfiguration) throws {
    let links: [NetworkLink]
    do {
      links = try AddressKeeper(journal: nil).snapshot().links
    } catch {
      throw StartFailure(text: "cannot list the network interfaces: \(error)")
    }
    let known = Set(links.map(\.name))
    for vif in configuration.virtualInterfaces {
      for address in vif.addresses where !known.contains(address.interface) {
        let have = links.map(\.name.text).sorted().joined(separator: " ")
        throw StartFailure(
          text:
            "\(address): there is no interface \(address.interface) on this machine; it has \(have)"
        )
      }
    }
  }

  /// A managed address that stands on its interface, and that no daemon of this state directory put
  /// there, belongs to the host: it would be held twice as soon as another server holds it.
  static func refuseForeign(
    _ configuration: WackamoleConfiguration,
    besides left: [InterfaceAddress]
  ) throws {
    let (links, present) = try AddressKeeper(journal: nil).snapshot()
    for address in configuration.virtualInterfaces.flatMap(\.addresses)
    where !left.contains(address) {
      let index = links.first { $0.name == address.interface }?.index
      let found = present.first {
        $0.index == index && $0.prefix.address == address.prefix.address
      }
      guard let prefix = found?.prefix else { continue }
      let shape = prefix == address.prefix ? "" : ", as \(prefix)"
      throw StartFailure(
        text:
          "\(address) stands on \(address.interface) already\(shape), and wackamole did not put it "
          + "there: remove it (ip address del \(prefix) dev \(address.interface)), or take it out "
          + "of the configuration"
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

  /// Starts the guardian, whose lock lies in the state directory or else beside the control socket.
  static func startGuardian(
    beside directory: String?,
    _ control: String,
    _ loop: EventLoop,
    _ log: Logger
  ) throws -> Guardian {
    let folder = directory ?? String(control[..<(control.lastIndex(of: "/") ?? control.endIndex)])
    do {
      return try Guardian(lockPath: folder + "/guardian.lock", on: loop) { notice in
        switch notice {
        case .started(let process): log.debug("guardian: process \(process)")
        case .died(let process, let ending):
          log.error("guardian: process \(process) died (\(ending)); starting another")
        case .unavailable(let error):
          log.error(
            "guardian: cannot be started, addresses stay if this daemon is killed: \(error)"
          )
        }
      }
    } catch {
      throw StartFailure(text: "cannot start the guardian: \(error)")
    }
  }

  /// The backend that the configuration names, about to connect.
  static func makeBackend(
    _ configuration: WackamoleConfiguration,
    _ guardian: Guardian,
    _ operations: Operations,
    _ loop: EventLoop,
    _ log: Logger
  ) throws -> any Backend {
    switch configuration.backend {
    case .embedded(let engine):
      try RingBackend(engine, configuration, guardian: guardian, on: loop, log: log)
    case .spread(let spread):
      try SessionBackend(spread, guardian: guardian, on: loop, log: log) { [unowned operations] in
        operations.name($0)
      }
    }
  }

  /// What payloads are authenticated with on a Spread daemon; `nil` without a key, or where the ring
  /// itself is sealed.
  static func seal(_ configuration: WackamoleConfiguration) throws -> PayloadSeal? {
    guard case .spread(let spread) = configuration.backend else { return nil }
    let loaded: [ClusterKey]?
    do throws(RingKeys.Failure) {
      loaded = try RingKeys.load(spread.key)
    } catch {
      throw StartFailure(text: error.text)
    }
    guard let keys = loaded else { return nil }
    guard let authenticator = PayloadKeys(keys) else {
      throw StartFailure(text: "the keys of the group cannot be used: libsodium does not work")
    }
    return switch spread.unsealed {
    case .refuse: PayloadSeal(authenticator)
    case .accept: PayloadSeal(authenticator, takesBare: true)
    case .send: PayloadSeal(authenticator, sendsSealed: false, takesBare: true)
    }
  }

  /// Says what of a shared group is not protected.
  static func warn(of configuration: WackamoleConfiguration, _ log: Logger) {
    guard case .spread(let spread) = configuration.backend else { return }
    switch (spread.key, spread.unsealed) {
    case (.none, _):
      log.warning("no Key: whoever can connect to a Spread daemon can forge messages of the group")
    case (.file, .accept), (.file, .send):
      log.warning("Unsealed = \(spread.unsealed.rawValue): messages without a tag are taken too")
    case (.file, .refuse): break
    }
  }

  static func settings(_ configuration: WackamoleConfiguration) -> FailoverNodeEngine.Settings {
    let backend = BackendTraits(configuration.backend)
    var failover = FailoverEngine.Settings(
      node: backend.node,
      group: configuration.group,
      vifs: configuration.virtualInterfaces
    )
    failover.prefers = configuration.preferred
    failover.weight = configuration.weight
    failover.apart = configuration.apart
    switch configuration.policy {
    case .keep: failover.policy = .keep
    case .drop: failover.policy = .drop
    }
    switch configuration.quorum {
    case .none: failover.quorum = nil
    case .members(let count, let isStrict):
      failover.quorum = Quorum(members: UInt16(clamping: count), isStrict: isStrict)
    case .majority(let isStrict):
      failover.quorum = backend.members.map { .majority(of: $0, isStrict: isStrict) }
    }
    failover.isShared = backend.isShared
    failover.onBackendLoss = backend.onLoss
    failover.lease = configuration.interfaces.lease
    failover.mature = configuration.mature
    failover.protocolVersion = configuration.protocolVersion
    failover.balanceInterval = configuration.balance.interval
    failover.acquisitionsPerRound = configuration.balance.acquisitionsPerRound.map {
      UInt16(clamping: $0)
    }
    failover.settle = backend.settle
    failover.settlesLater = true
    var settings = FailoverNodeEngine.Settings(failover: failover)
    settings.announcements = announcements(configuration)
    return settings
  }

  private static func announcements(
    _ configuration: WackamoleConfiguration
  ) -> AnnouncementsEngine.Settings {
    var settings = AnnouncementsEngine.Settings()
    let interfaces = configuration.interfaces
    settings.managed = configuration.virtualInterfaces
    settings.networks = configuration.networkHints.map {
      .init(of: $0.address, length: $0.length)
    }
    settings.audiences = configuration.notifications.map { notification in
      switch notification {
      case .network(let prefix, let interface, let throttle, let ping):
        .network(prefix, interface: interface, throttle: throttle, ping: ping)
      case .knownHosts(let ping): .knownHosts(ping: ping)
      }
    }
    settings.sharing = configuration.arpCache
    settings.probes = interfaces.conflict != .ignore
    settings.offsets = interfaces.announce.times
    settings.refresh = interfaces.announce.refresh
    settings.framesPerSecond = interfaces.announce.rate
    settings.burst = interfaces.announce.burst
    settings.conflicts =
      switch interfaces.conflict {
      case .ignore: .ignore
      case .report: .report
      case .defend: .defend
      }
    // Where there is no IPv6, nothing is advertised either.
    let forwarding = try? SmallFile.read("/proc/sys/net/ipv6/conf/all/forwarding", limit: 16)
    settings.router = forwarding?.first == UInt8(ascii: "1")
    return settings
  }

  /// Goes over to how the configuration wants the process to run.
  ///
  /// What it asks for and this process may not have is said, and done without.
  static func schedule(
    _ wanted: InterfaceSettings.Process,
    since present: InterfaceSettings.Process = .init(),
    _ log: Logger
  ) {
    do {
      if wanted.realTime != present.realTime {
        try Scheduling.setRealTime(priority: wanted.realTime)
      }
    } catch {
      log.warning("running without it: \(error)")
    }
    do {
      if wanted.lockMemory != present.lockMemory { try Scheduling.lockMemory(wanted.lockMemory) }
    } catch {
      log.warning("running without it: \(error)")
    }
  }

  /// For how long a proof that this node may hold anything counts.
  static func proofLife(
    _ configuration: WackamoleConfiguration,
    _ settings: FailoverNodeEngine.Settings
  ) -> Duration {
    BackendTraits(configuration.backend).proofLife ?? settings.failover.proofLife
  }
}
