// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import Configuration
import DaemonKit
import EmbeddedRing
import Failover
import FailoverNode
import Glibc
import GroupModel
import GroupNode
import Interfaces
import Logging
import Machine
import Netlink
import Reactor
import Ring
import RingWire
import Sealing
import Transport

/// The running daemon: engines, sockets and the kernel on one loop.
final class Daemon {
  /// Why the daemon did not start; the text is for the operator.
  struct StartFailure: Error {
    let text: String
  }

  private let configuration: WackamoleConfiguration
  private let log: Logger
  private let loop: EventLoop
  private let manager = ServiceManager()
  private let lock: LockFile?
  private let guardian: Guardian
  private let hands: Hands
  private let ring: EmbeddedRing
  /// Set once, at the end of the initialiser.
  private var node: Driver<FailoverNodeEngine>?
  private var control: LineServer?
  private var signals: SignalWatcher?
  private var isLeaving = false
  /// Whether the others take this process for dead, so that only another can go on.
  private var isReportedDead = false
  private var stopBy: Instant?

  init(_ configuration: WackamoleConfiguration, log: Logger) throws {
    (self.configuration, self.log) = (configuration, log)
    let engine =
      switch configuration.backend {
      case .embedded(let engine): engine
      }
    try Self.requireInterfaces(of: configuration)
    loop = try EventLoop()
    lock = try Self.lock(engine.stateDirectory)
    guardian = try Self.startGuardian(
      beside: engine.stateDirectory,
      configuration.control,
      loop,
      log
    )
    let journal = OwnedAddressFile(
      path: engine.stateDirectory.map { $0 + "/addresses" },
      next: guardian.table
    )
    try Self.refuseForeign(configuration, besides: journal.left)
    hands = try Hands(
      vifs: configuration.virtualInterfaces,
      settings: InterfacesEngine.Settings(
        lease: configuration.interfaces.lease,
        proofLife: engine.timers.tokenLoss
      ),
      loop: loop,
      journal: journal,
      log: log
    )
    ring = try Self.makeRing(engine, configuration, loop, log)
    let node = Driver(FailoverNodeEngine(Self.settings(configuration, engine))) {
      [unowned self] in perform($0)
    }
    self.node = node
    node.schedule(on: loop)
    hands.feed = { node.feed($0) }
    ring.deliver { [hands] event in
      node.feed(.group(event))
      // Only then, so that what is recalled is decided anew in the present membership.
      hands.hear(event)
    }
    ring.whenReportedDead { [unowned self] in giveUp() }
    writeWill()
    signals = try SignalWatcher(on: loop) { [unowned self] in take($0) }
    control = try Self.serve(configuration.control, on: loop) { [unowned self] in answer($0) }
    watch()
  }

  /// What is to follow the end of a run.
  enum Ending {
    case stopped
    /// Another process must go on in its place, at once.
    case restart
  }

  /// Runs until the daemon has left.
  func run() throws -> Ending {
    try ring.submit(.join(configuration.group))
    log.notice("wackamole \(programVersion) is running, group \(configuration.group)")
    manager.ready(status: "running")
    try loop.run()
    hands.finish()
    if !guardian.finish() { log.warning("the guardian had to remove addresses at the end") }
    log.notice("stopped")
    return isReportedDead ? .restart : .stopped
  }

  // MARK: - The guardian's obituary

  /// Leaves with the guardian what it is to tell the others if this process dies.
  private func writeWill() {
    guard configuration.interfaces.sendsObituary else { return }
    let engine =
      switch configuration.backend {
      case .embedded(let engine): engine
      }
    guard let datagram = ring.obituary(), let source = engine.endpoint(of: engine.node)?.address
    else { return }
    let will = LastWill.Contents(
      datagram: datagram,
      source: source,
      recipients: engine.peers.compactMap { engine.endpoint(of: $0.node) }
    )
    if !guardian.will.write(will) {
      log.error("the obituary does not fit: the others will wait for their time-outs")
    }
  }

  /// The others were told that this process is dead: it releases everything and makes room for another.
  private func giveUp() {
    guard !isReportedDead else { return }
    isReportedDead = true
    log.critical(
      "an obituary of this process was sent while it lives: releasing, and starting again"
    )
    node?.feed(.group(.disconnected(.unreachable("the others take this process for dead"))))
    loop.stop()
  }

  // MARK: - Effects of the fail-over node

  private func perform(_ effect: FailoverNodeEngine.Effect) {
    switch effect {
    case .request(let request):
      do {
        try ring.submit(request)
      } catch {
        node?.feed(.refused(request, error))
      }
    case .acquire(let vif): hands.acquire(vif)
    case .release(let vif): hands.release(vif)
    case .inject(let frame, let interface): hands.inject(frame, on: interface)
    case .answer(let ticket, let answer): log.info("command \(ticket.rawValue): \(answer)")
    case .keep(let isDrained): log.warning("drained: \(isDrained), not kept for the next start")
    case .proven: break  // The embedded ring proves more by each rotation.
    case .note(let note): log.info("\(note)")
    case .departed: loop.stop()
    }
  }

  // MARK: - Signals and the service manager

  private func take(_ signal: Signal) {
    switch signal {
    case .terminate, .interrupt:
      guard !isLeaving else { return }
      isLeaving = true
      log.notice("\(signal.name): handing over and leaving")
      manager.stopping()
      node?.feed(.leave)
      hands.recall()
    case .hangUp: reloadKeys()
    case .user1: log.notice("\(signal.name): ignored")
    }
  }

  /// Reads the key file again: keys are exchanged without a restart.
  private func reloadKeys() {
    let engine =
      switch configuration.backend {
      case .embedded(let engine): engine
      }
    do {
      guard let keys = try RingKeys.load(engine.key) else {
        return log.notice("SIGHUP: there is no key file; all else is read at start only")
      }
      try ring.replace(keys: keys)
      writeWill()
      let ids = keys.map { "\($0.id)" }.joined(separator: ", ")
      log.notice("SIGHUP: keys read again: \(ids); the first seals. All else is read at start only")
    } catch {
      let text = (error as? RingKeys.Failure)?.text ?? "\(error)"
      log.error("SIGHUP: the keys stay as they are: \(text)")
    }
  }

  /// Tells the service manager now and then that the loop turns.
  private func watch() {
    guard let watchdog = manager.watchdog else { return }
    var next = BootClock.now
    loop.addAlarm(
      next: { next },
      fire: { [manager] now in
        next = now + watchdog / 3
        manager.alive()
      }
    )
  }

  // MARK: - The control socket

  private func answer(_ line: String) -> String {
    guard let status = node?.machine.status else { return "" }
    let report = StatusReport(status: status, now: BootClock.now, ring: RingReport(ring))
    return switch line {
    case "status": report.table + "\n"
    case "status json": report.json.indented + "\n"
    default: "error: unknown request\n"
    }
  }
}

// MARK: - Building

extension Daemon {
  /// Every interface that a VIF names must be there at start.
  private static func requireInterfaces(of configuration: WackamoleConfiguration) throws {
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
  private static func refuseForeign(
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

  private static func lock(_ directory: String?) throws -> LockFile? {
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
  private static func startGuardian(
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

  private static func settings(
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
    failover.mature = configuration.mature
    failover.balanceInterval = configuration.balance.interval
    failover.acquisitionsPerRound = configuration.balance.acquisitionsPerRound.map {
      UInt16(clamping: $0)
    }
    failover.settle = engine.timers.announcement * 3 + Self.neighbourRetry
    return FailoverNodeEngine.Settings(failover: failover)
  }

  /// How long the kernel may wait before it asks again for a neighbour that did not answer while the
  /// link was down (`retrans_time_ms`); until then no announcement reaches anybody.
  private static let neighbourRetry: Duration = .seconds(1)

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
    let node = GroupNode(
      settings: RingEngine.Settings(
        me: engine.node,
        configured: engine.roster,
        timers: engine.timers
      ),
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
  private static func multicastGroup(_ engine: EngineConfiguration) throws -> PacketLink.Group? {
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
      throw StartFailure(text: failure.text)
    }
  }

  private static func serve(
    _ path: String,
    on loop: EventLoop,
    answer: @escaping (String) -> String
  ) throws -> LineServer {
    let listener: UnixListener
    do {
      try SmallFile.makeDirectory(of: path)
      listener = try UnixListener(path: path)
    } catch {
      throw StartFailure(text: "cannot serve the control socket: \(error)")
    }
    return try LineServer(listener, on: loop) { request, reply in reply(answer(request.line)) }
  }
}
