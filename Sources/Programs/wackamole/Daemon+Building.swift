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
      if present.contains(where: {
        $0.index == index && $0.prefix.address == address.prefix.address
      }) {
        throw StartFailure(
          text:
            "\(address) stands on \(address.interface) already, and wackamole did not put it there: "
            + "remove it (ip address del \(address.prefix) dev \(address.interface)), or take it out "
            + "of the configuration"
        )
      }
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

  static func settings(
    _ configuration: WackamoleConfiguration,
    _ engine: EngineConfiguration
  ) -> FailoverNodeEngine.Settings {
    var failover = FailoverEngine.Settings(
      node: engine.node,
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
      failover.quorum = .majority(of: engine.peers.count, isStrict: isStrict)
    }
    failover.lease = configuration.interfaces.lease
    failover.mature = configuration.mature
    failover.balanceInterval = configuration.balance.interval
    failover.acquisitionsPerRound = configuration.balance.acquisitionsPerRound.map {
      UInt16(clamping: $0)
    }
    failover.settle = engine.timers.announcement * 3 + Self.neighbourRetry
    var settings = FailoverNodeEngine.Settings(failover: failover)
    settings.announcements = announcements(configuration.interfaces)
    return settings
  }

  private static func announcements(
    _ interfaces: InterfaceSettings
  ) -> AnnouncementsEngine.Settings {
    var settings = AnnouncementsEngine.Settings()
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

  /// What the configuration asks for and this process may not have is said, and done without.
  static func schedule(_ process: InterfaceSettings.Process, _ log: Logger) {
    do {
      if let priority = process.realTime { try Scheduling.makeRealTime(priority: priority) }
    } catch {
      log.warning("running without it: \(error)")
    }
    do {
      if process.lockMemory { try Scheduling.lockMemory() }
    } catch {
      log.warning("running without it: \(error)")
    }
  }

  /// How long the kernel may wait before it asks again for a neighbour that did not answer while the
  /// link was down (`retrans_time_ms`); until then no announcement reaches anybody.
  static let neighbourRetry: Duration = .seconds(1)

  static func makeRing(
    _ engine: EngineConfiguration,
    _ configuration: WackamoleConfiguration,
    _ loop: EventLoop,
    _ log: Logger
  ) throws -> EmbeddedRing {
    let boot = BootID(Entropy.word(), Entropy.word(), Entropy.word(), Entropy.word())
    // Clusters that share a network have groups of other names.
    let cluster = configuration.group.name.digest
    let link = try PacketLink(
      me: engine.node,
      members: engine.peers.map { peer in
        .init(node: peer.node, endpoint: .init(address: peer.address, port: engine.port))
      },
      group: try multicastGroup(engine),
      cluster: cluster,
      boot: boot,
      sealer: try makeSealer(engine, cluster: cluster, boot: boot, log),
      obituaries: configuration.interfaces.sendsObituary
    )
    var ring: EmbeddedRing?
    let store = try SequenceStore(directory: engine.stateDirectory, loop: loop) { bound, failure in
      if let failure {
        log.error("the ring sequence is not on the disk, a restart may reuse a ring id: \(failure)")
      } else {
        ring?.stored(bound)
      }
    }
    if engine.stateDirectory == nil {
      log.warning(
        "no State directory: ring ids start from the clock; keep it from running backwards"
      )
    }
    guard let process = InlineName("wackamole".utf8) else { throw StartFailure(text: "no name") }
    var settings = RingEngine.Settings(
      me: engine.node,
      configured: engine.roster,
      timers: engine.timers
    )
    settings.fit(datagram: engine.longestDatagram)
    let node = GroupNode(
      settings: settings,
      process: process,
      storedSequenceBound: store.stored,
      random: SplitMix64(seed: Entropy.word()),
      startingAt: BootClock.now
    )
    let made = try EmbeddedRing(
      node: node,
      link: link,
      loop: loop,
      store: { store.store($0) },
      noted: { log.debug("ring: \($0)") },
      groupsNoted: { log.debug("groups: \($0)") }
    )
    ring = made
    return made
  }

  /// The configured multicast group, on the interface that has this node's own address.
  static func multicastGroup(_ engine: EngineConfiguration) throws -> PacketLink.Group? {
    guard let group = engine.multicast, let own = engine.endpoint(of: engine.node)?.address
    else { return nil }
    let (links, addresses) = try AddressKeeper(journal: nil).snapshot()
    guard let index = addresses.first(where: { $0.prefix.address == own })?.index,
      let link = links.first(where: { $0.index == index })
    else { throw StartFailure(text: "no interface has the engine's address \(own)") }
    return PacketLink.Group(
      address: group,
      interface: link.name,
      isLocal: link.name.text == "lo"
    )
  }

  static func makeSealer(
    _ engine: EngineConfiguration,
    cluster: UInt64,
    boot: BootID,
    _ log: Logger
  ) throws -> PacketSealer? {
    do {
      guard let keys = try RingKeys.load(engine.key) else {
        log.warning("Key = none: anybody on the ring's network can read and forge its traffic")
        return nil
      }
      let settings = SealingEngine.Settings(
        me: engine.node,
        configured: engine.roster,
        boot: boot,
        cluster: cluster
      )
      return try PacketSealer(
        settings: settings,
        keys: keys,
        random: SplitMix64(seed: Entropy.word())
      )
    } catch let failure as RingKeys.Failure {
      throw StartFailure(text: failure.text)
    }
  }
}
