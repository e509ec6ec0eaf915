// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import Configuration
import DaemonKit
import EmbeddedRing
import GroupModel
import GroupNode
import Logging
import Machine
import Netlink
import Reactor
import Reports
import Ring
import RingWire
import Seal
import Sealing

/// The embedded ring as the backend: its socket, its keys, and what the guardian tells its members.
final class RingBackend: Backend {
  private var engine: EngineConfiguration
  private let ring: EmbeddedRing
  private let guardian: Guardian
  private var sendsObituary: Bool
  private let log: Logger

  init(
    _ engine: EngineConfiguration,
    _ configuration: WackamoleConfiguration,
    guardian: Guardian,
    on loop: EventLoop,
    log: Logger
  ) throws {
    (self.engine, self.guardian, self.log) = (engine, guardian, log)
    sendsObituary = configuration.interfaces.sendsObituary
    ring = try Self.makeRing(engine, configuration, loop, log)
    writeWill()
  }

  var connection: any GroupConnection { ring }

  /// Calls `handler` with each member that is dead, and its addresses gone.
  func whenDied(_ handler: @escaping (NodeID) -> Void) { ring.whenDied(handler) }

  /// Calls `handler` when the others were told that this process is dead.
  func whenReportedDead(_ handler: @escaping () -> Void) { ring.whenReportedDead(handler) }

  var health: StatusReport.EngineHealth {
    let machine = ring.engine
    let statistics = machine?.statistics
    return StatusReport.EngineHealth(
      phase: machine?.phaseName.rawValue ?? "starting",
      configured: engine.peers.map(\.node),
      ring: StatusReport.RingHealth(
        rotation: statistics?.rotation ?? .zero,
        longestRotation: statistics?.longestRotation ?? .zero,
        retransmissions: statistics?.retransmissions ?? 0,
        stalls: statistics?.stalls ?? 0,
        votedOut: statistics?.votedOut ?? 0
      ),
      counters: RingReport(ring)?.json ?? .null,
      session: .null
    )
  }

  func address(of node: NodeID) -> IPAddress? { engine.endpoint(of: node)?.address }

  func take(_ configuration: WackamoleConfiguration) throws {
    guard case .embedded(let wanted) = configuration.backend else { return }
    let keys = try RingKeys.load(wanted.key)
    let inTheWay = ring.membersInTheWay(of: Self.settings(wanted))
    guard inTheWay.isEmpty else {
      throw Daemon.StartFailure(
        text: "Peers has \(inTheWay) no more, or at another address, which is in the cluster; "
          + "stop it there first"
      )
    }
    if let keys { try ring.replace(keys: keys) }
    if wanted.peers != engine.peers {
      ring.reconfigure(Self.settings(wanted), members: Self.members(wanted))
    }
    engine = wanted
    sendsObituary = configuration.interfaces.sendsObituary
    ring.believe(obituaries: sendsObituary)
    writeWill()
  }

  /// Leaves with the guardian what it is to tell the others if this process dies, or nothing.
  private func writeWill() {
    guard sendsObituary, let datagram = ring.obituary(),
      let source = engine.endpoint(of: engine.node)?.address
    else {
      guardian.will.write(nil)
      return
    }
    let will = LastWill.Contents(
      datagram: datagram,
      source: source,
      recipients: engine.peers.compactMap { engine.endpoint(of: $0.node) }
    )
    if !guardian.will.write(will) {
      log.error("the obituary does not fit: the others will wait for their time-outs")
    }
  }
}

// MARK: - Making it

extension RingBackend {
  private static func makeRing(
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
      members: members(engine),
      group: try multicastGroup(engine),
      cluster: cluster,
      boot: boot,
      sealer: try makeSealer(engine, cluster: cluster, boot: boot, log),
      obituaries: configuration.interfaces.sendsObituary
    )
    var ring: EmbeddedRing?
    let store = try SequenceStore(directory: engine.stateDirectory, loop: loop) { bound, failure in
      if let failure {
        log.error("cannot store the ring sequence: \(failure); a restart relies on the clock")
        ring?.notStored()
      } else {
        ring?.stored(bound)
      }
    }
    if engine.stateDirectory == nil {
      log.warning(
        "no State directory: ring ids start from the clock; keep it from running backwards"
      )
    }
    guard let process = InlineName("wackamole".utf8) else {
      throw Daemon.StartFailure(text: "no name")
    }
    let settings = settings(engine)
    let node = GroupNode(
      settings: settings,
      process: process,
      storedSequenceBound: store.bound,
      random: SplitMix64(seed: Entropy.word()),
      startingAt: BootClock.now
    )
    let made = try EmbeddedRing(
      node: node,
      link: link,
      loop: loop,
      store: { store.store($0) },
      noted: { write($0, to: log) },
      groupsNoted: { log.debug("groups: \($0)") }
    )
    ring = made
    return made
  }

  private static func settings(_ engine: EngineConfiguration) -> RingEngine.Settings {
    var settings = RingEngine.Settings(
      me: engine.node,
      configured: engine.roster,
      timers: engine.timers,
      address: { engine.endpoint(of: $0)?.description ?? "" }
    )
    settings.fit(datagram: engine.longestDatagram)
    return settings
  }

  private static func members(_ engine: EngineConfiguration) -> [PacketLink.Member] {
    engine.peers.map { peer in
      .init(node: peer.node, endpoint: .init(address: peer.address, port: engine.port))
    }
  }

  private static func write(_ note: RingEngine.Note, to log: Logger) {
    switch note {
    case .keptOut(let node, let difference):
      log.warning(
        "\(node) is kept out of the cluster: \(difference); give all machines the same Peers"
      )
    case .reconfigured: log.notice("the cluster's engine has taken on other Peers")
    case .notReconfigured(let members):
      log.error("the engine goes on with its old Peers: \(members) in the way; reload again")
    case .gathering, .installed, .excluded, .leftOut, .sequenceNotStored, .stalled, .refused:
      log.debug("ring: \(note)")
    }
  }

  /// The configured multicast group, on the interface that has this node's own address.
  private static func multicastGroup(_ engine: EngineConfiguration) throws -> PacketLink.Group? {
    guard let group = engine.multicast, let own = engine.endpoint(of: engine.node)?.address
    else { return nil }
    let (links, addresses) = try AddressKeeper(journal: nil).snapshot()
    guard let index = addresses.first(where: { $0.prefix.address == own })?.index,
      let link = links.first(where: { $0.index == index })
    else { throw Daemon.StartFailure(text: "no interface has the engine's address \(own)") }
    return PacketLink.Group(
      address: group,
      interface: link.name,
      isLocal: link.name.text == "lo"
    )
  }

  private static func makeSealer(
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
      throw Daemon.StartFailure(text: failure.text)
    }
  }
}
