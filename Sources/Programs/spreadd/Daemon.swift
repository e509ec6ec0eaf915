// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
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
import SessionNode
import Sessions
import SpreadConfiguration
import Transport

/// The running daemon: the node, its sockets and its clients on one loop.
final class Daemon {
  /// Why the daemon did not start; the text is for the operator.
  struct StartFailure: Error {
    let text: String
  }

  let me: SpreadConfiguration.Daemon
  private(set) var configuration: SpreadConfiguration
  /// What it was at the start, for what takes a restart to change.
  private let initial: SpreadConfiguration
  private let logbook: Logbook
  var log: Logger { logbook.log }
  let started = BootClock.now
  private let reload: (SpreadConfiguration) -> SpreadConfiguration?
  private let loop: EventLoop
  private let manager = ServiceManager()
  private let lock: LockFile?
  private let link: PacketLink
  private let store: SequenceStore
  private let clients: Clients
  private var access: AccessList
  /// Set once, at the end of the initialiser.
  private var driver: Driver<SessionNode>?
  private var control: LineServer?
  private var signals: SignalWatcher?
  private var stopBy: Instant?
  private var clientLines = LineBudget(at: BootClock.now)

  /// Binds everything, then gives up root's privileges.
  ///
  /// `reload` reads the configuration file again while the present one is that, and says on the log
  /// what is wrong with it.
  init(
    _ configuration: SpreadConfiguration,
    me: SpreadConfiguration.Daemon,
    logbook: Logbook,
    reload: @escaping (SpreadConfiguration) -> SpreadConfiguration?
  ) throws {
    (self.configuration, initial, self.me) = (configuration, configuration, me)
    (self.logbook, self.reload) = (logbook, reload)
    let identity = try Self.identity(configuration.process)
    let loop = try EventLoop()
    self.loop = loop
    signals = nil
    lock = try Self.lock(configuration.ring.stateDirectory)
    access = try Self.accessList(configuration.sessions)
    let boot = BootID(Entropy.word(), Entropy.word(), Entropy.word(), Entropy.word())
    link = try Self.makeLink(configuration, me, boot, for: identity, logbook.log)
    // Set below; the store answers only once the loop runs.
    var stored: (SessionNode.Event) -> Void = { _ in }
    store = try SequenceStore(directory: configuration.ring.stateDirectory, loop: loop) {
      bound,
      failure in
      if let failure {
        logbook.log.error(
          "cannot store the ring sequence: \(failure); a restart relies on the clock"
        )
      }
      stored(failure == nil ? .stored(bound: bound) : .notStored)
    }
    if configuration.ring.stateDirectory == nil {
      logbook.log.warning(
        "no StateDir: ring ids start from the clock; keep it from running backwards"
      )
    }
    clients = Clients(loop: loop) { logbook.log.warning("\($0)") }
    let node = SessionNode(
      ring: Self.ringSettings(configuration, me),
      sessions: Self.sessionSettings(configuration, me),
      storedSequenceBound: store.bound,
      random: SplitMix64(seed: Entropy.word()),
      startingAt: BootClock.now
    )
    let driver = Driver(node) { [unowned self] in perform($0) }
    self.driver = driver
    // The groups catch up by the clock as well, and a lone daemon has no other events.
    driver.settled = { [link, clients] in
      link.flush()
      clients.noteProgress()
    }
    driver.schedule(on: loop)
    stored = { [unowned self] in feed($0) }
    signals = try SignalWatcher(on: loop) { [unowned self] in take($0) }
    try link.deliver(on: loop) { [unowned self] in feed(.received($0)) }
    clients.feed = { [unowned self] in feed(.session($0)) }
    clients.mayRead = { driver.machine.mayRead }
    clients.admits = { [unowned self] peer in
      switch peer {
      case .user: access.admits(nil)
      case .address(let address): access.admits(address)
      }
    }
    try listen(as: identity)
    control = try serveControl(as: identity)
    try Self.hand(configuration, to: identity)
    watch()
  }

  /// Runs until the daemon has left.
  func run() throws {
    let places = clients.places.map(\.description).joined(separator: ", ")
    log.notice("spreadd \(programVersion) is \(me.node), takes clients at \(places)")
    manager.ready(status: "running")
    try loop.run()
    clients.stopListening()
    control = nil
    log.notice("stopped")
  }

  /// What the node looks like, for status.
  var node: SessionNode? { driver?.machine }

  /// The ring's datagrams that were not handed up, for status.
  var linkDrops: [(reason: String, count: UInt64)] { link.allDrops }

  private func feed(_ event: SessionNode.Event) { driver?.feed(event) }

  private func perform(_ effect: SessionNode.Effect) {
    switch effect {
    case .send(let packet, let node): link.send(packet, to: node)
    case .multicast(let packet, let roster): link.send(packet, to: roster)
    case .store(let bound): store.store(bound)
    case .drain:
      // What is fed now waits behind the present effects, and the end of it behind that.
      link.drain { feed(.received($0)) }
      feed(.drained)
    case .session(.note(let note)):
      guard let leftOut = clientLines.take(at: BootClock.now) else { return }
      if leftOut > 0 { log.warning("\(leftOut) lines about clients were left out") }
      write(note)
    case .session(let effect): clients.perform(effect)
    case .liveness(let liveness): write(liveness)
    case .departed: loop.stop()
    case .ringNote(let note):
      link.follow(note)
      write(note)
    case .groupsNote(let note): log.debug("groups: \(note)")
    }
  }

  // MARK: - Signals and the service manager

  private func take(_ signal: Signal) {
    switch signal {
    case .terminate, .interrupt:
      guard stopBy == nil else { return }
      log.notice("\(signal.name): leaving")
      manager.stopping()
      clients.stopListening()
      let limit = BootClock.now + .seconds(2)
      stopBy = limit
      // A ring that does not form must not keep the daemon.
      loop.addAlarm(next: { limit }, fire: { [loop] _ in loop.stop() })
      feed(.leave)
    case .hangUp: reconfigure()
    case .user1: log.notice("\(signal.name): ignored")
    }
  }

  /// Takes over what can change without a restart; if anything of it cannot be, nothing.
  private func reconfigure() {
    guard var next = reload(configuration) else {
      return log.error("SIGHUP: the configuration stays as it was")
    }
    let ring = Self.ringSettings(next, me)
    do {
      try check(next, ring)
      let rules = try Self.accessList(next.sessions)
      let log = try logbook.prepare(next.log)
      if let keys = try Self.keys(next.ring.key, for: nil) { try link.replace(keys: keys) }
      access = rules
      logbook.turn(to: log)
    } catch {
      return log.error("SIGHUP: the configuration stays as it was: \(Self.text(error))")
    }
    let fixed = Self.fixed(initial, next)
    OpenFiles.fit(&next.sessions, log)
    configuration.sessions = next.sessions
    configuration.log = next.log
    configuration.ring.timers = next.ring.timers
    (configuration.daemons, configuration.segments) = (next.daemons, next.segments)
    link.propose(members: Self.members(configuration))
    feed(.reconfigure(ring))
    feed(.session(.configured(Self.sessionSettings(configuration, me))))
    clients.setMode(next.sessions.unixSocketMode)
    for notice in next.notices { log.warning("\(notice)") }
    log.notice("SIGHUP: members, timers, keys, limits, access rules and the log were read again")
    if !fixed.isEmpty {
      log.warning(
        "SIGHUP: changed, but taken over at a restart only: \(fixed.joined(separator: ", "))"
      )
    }
  }

  /// Refuses daemons that the ring cannot be formed of while this one runs.
  private func check(_ next: SpreadConfiguration, _ ring: RingEngine.Settings) throws {
    guard next.daemon(me.node)?.endpoint == me.endpoint else {
      throw StartFailure(
        text: "it does not have \(me.node) at \(me.endpoint): another name, address or port "
          + "takes a restart"
      )
    }
    if let inTheWay = node?.ring.membersInTheWay(of: ring), !inTheWay.isEmpty {
      throw StartFailure(
        text: "it does not have \(inTheWay), or at another address, which is in the ring: "
          + "stop it there first"
      )
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

  // MARK: - Listeners

  /// Opens the sockets for clients.
  private func listen(as identity: Identity?) throws {
    let sessions = configuration.sessions
    let tcp =
      sessions.listeners
      ?? (me.clientAddresses?.map { SpreadConfiguration.Listener(address: $0) } ?? [.init()])
    // Without it a daemon could not be started again for a minute; it never shares a live port.
    let reuse = configuration.process.portReuse != .off
    for listener in tcp {
      let port = listener.port ?? me.endpoint.port
      if let address = listener.address {
        try serve(try StreamListener(Endpoint(address: address, port: port), reuse: reuse))
        continue
      }
      let any4 = Endpoint(address: .v4(IPv4Address(0)), port: port)
      try serve(try StreamListener(any4, reuse: reuse))
      do {
        let any6 = Endpoint(address: .v6(IPv6Address(0)), port: port)
        try serve(try StreamListener(any6, reuse: reuse))
      } catch let error as SystemError
        where [EAFNOSUPPORT, EADDRNOTAVAIL].contains(error.errno.rawValue)
      {
        log.info("no clients over IPv6: \(error)")
      }
    }
    let port = me.endpoint.port
    let defaults = ["/tmp/\(port)", configuration.process.runtimeDirectory + "/\(port)"]
    for path in sessions.unixSockets ?? defaults {
      try makeRuntimeDirectory(of: path, for: identity)
      let listener = try StreamListener(path: path, mode: sessions.unixSocketMode)
      // So that it can be removed at the end.
      if let identity { try listener.give(toUser: identity.user, group: identity.group) }
      try serve(listener)
    }
  }

  private func serve(_ listener: StreamListener) throws { try clients.serve(listener) }

  /// Makes the runtime directory, or the usual one, if a path lies in it; others are there.
  ///
  /// One that was there, such as `/tmp`, may be others' too: it stays as it is.
  private func makeRuntimeDirectory(of path: String, for identity: Identity?) throws {
    let directories = [
      configuration.process.runtimeDirectory, SpreadConfiguration.usualRuntimeDirectory,
    ]
    guard let directory = directories.first(where: { path.hasPrefix($0 + "/") }),
      try SmallFile.makeDirectory(directory)
    else { return }
    // Clients of all users come here.
    try SystemError.check(chmod(directory, 0o755), "set the mode of \(directory)")
    try identity?.own(directory)
  }

  private func serveControl(as identity: Identity?) throws -> LineServer {
    let path = configuration.process.control
    let listener: UnixListener
    do {
      try makeRuntimeDirectory(of: path, for: identity)
      listener = try UnixListener(path: path)
      if let identity { try listener.give(toUser: identity.user, group: identity.group) }
    } catch {
      throw StartFailure(text: "cannot serve the control socket: \(error)")
    }
    return try LineServer(listener, on: loop) { [unowned self] request, reply in
      reply(StatusReport(self).answer(to: request.line))
    }
  }
}
