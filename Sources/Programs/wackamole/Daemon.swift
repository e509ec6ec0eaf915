// SPDX-License-Identifier: Apache-2.0

import Addresses
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

/// The running daemon: engines, sockets and the kernel on one loop.
final class Daemon {
  /// Why the daemon did not start; the text is for the operator.
  struct StartFailure: Error {
    let text: String
  }

  /// Reads the configuration again.
  typealias Load = () throws(ConfigurationFile.Failure) -> WackamoleConfiguration

  private var configuration: WackamoleConfiguration
  private let load: Load
  private let log: Logger
  private let loop: EventLoop
  private let manager = ServiceManager()
  private let lock: LockFile?
  private let guardian: Guardian
  private let hands: Hands
  private let ring: EmbeddedRing
  private let operations: Operations
  private let drainMark: DrainMark
  /// Set once, at the end of the initialiser.
  private var node: Driver<FailoverNodeEngine>?
  private var signals: SignalWatcher?
  private var isLeaving = false
  /// Whether the others take this process for dead, so that only another can go on.
  private var isReportedDead = false
  private var stopBy: Instant?

  init(_ configuration: WackamoleConfiguration, load: @escaping Load, log: Logger) throws {
    (self.configuration, self.load, self.log) = (configuration, load, log)
    let engine =
      switch configuration.backend {
      case .embedded(let engine): engine
      }
    Self.schedule(configuration.interfaces.process, log)
    try Self.requireInterfaces(of: configuration)
    if let refusal = Operations.refusal(of: configuration) { throw StartFailure(text: refusal) }
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
      isCapturing: configuration.interfaces.conflict != .ignore,
      loop: loop,
      journal: journal,
      log: log
    )
    ring = try Self.makeRing(engine, configuration, loop, log)
    drainMark = try DrainMark(directory: engine.stateDirectory, log: log)
    operations = Operations(configuration, node: engine.node, on: loop, log: log)
    var settings = Self.settings(configuration, engine)
    settings.isDrained = drainMark.isSet
    let node = Driver(FailoverNodeEngine(settings)) { [unowned self] in perform($0) }
    self.node = node
    node.schedule(on: loop)
    hands.feed = { [operations] event in
      operations.hear(event)
      node.feed(event)
    }
    ring.deliver { [hands] event in
      node.feed(.group(event))
      // Only then, so that what is recalled is decided anew in the present membership.
      hands.hear(event)
    }
    ring.whenDied { node.feed(.obituary($0)) }
    ring.whenReportedDead { [unowned self] in giveUp() }
    writeWill()
    signals = try SignalWatcher(on: loop) { [unowned self] in take($0) }
    try operations.serve(configuration, for: host(engine))
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
    case .answer(let ticket, let answer): operations.answer(ticket, answer)
    case .keep(let isDrained): drainMark.keep(isDrained)
    case .proven: break  // The embedded ring proves more by each rotation.
    case .conflict(let vif, let address, let hardware):
      log.error("\(vif): a stranger, \(hardware), claims \(address), which stands here")
    case .note(let note): log.info("\(note)")
    case .departed: operations.finish { [loop] in loop.stop() }
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
    case .hangUp: reload { _ in }
    case .user1: log.notice("\(signal.name): ignored")
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

  // MARK: - Operators

  private func host(_ engine: EngineConfiguration) -> Operations.Host {
    Operations.Host(
      feed: { [unowned self] in node?.feed($0) },
      status: { [unowned self] in node?.machine.status },
      engine: { [unowned self] in health(engine) },
      address: { engine.endpoint(of: $0)?.address },
      reload: { [unowned self] in reload($0) }
    )
  }

  private func health(_ engine: EngineConfiguration) -> StatusReport.EngineHealth {
    let machine = ring.engine
    let statistics = machine?.statistics
    return StatusReport.EngineHealth(
      phase: machine?.phaseName.rawValue ?? "starting",
      configured: engine.peers.map(\.node),
      rotation: statistics?.rotation ?? .zero,
      longestRotation: statistics?.longestRotation ?? .zero,
      retransmissions: statistics?.retransmissions ?? 0,
      stalls: statistics?.stalls ?? 0,
      votedOut: statistics?.votedOut ?? 0,
      counters: RingReport(ring)?.json ?? .null
    )
  }

  /// Reads configuration and keys again; what is still wanted stays where it is.
  private func reload(_ told: @escaping (ControlReply) -> Void) {
    let fail = { [log] (text: String) in
      log.error("reload: nothing changes: \(text)")
      told(ControlReply(.failed, "nothing changes: \(text)"))
    }
    let wanted: WackamoleConfiguration
    do throws(ConfigurationFile.Failure) {
      wanted = try load()
    } catch {
      return fail("\(error)")
    }
    let (merged, later) = Reload.merge(wanted, into: configuration)
    let engine =
      switch merged.backend {
      case .embedded(let engine): engine
      }
    do {
      try Self.requireInterfaces(of: merged)
      try Self.refuseForeign(
        merged,
        besides: configuration.virtualInterfaces.flatMap(\.addresses)
      )
      if let refusal = Operations.refusal(of: merged) { throw StartFailure(text: refusal) }
      if let keys = try RingKeys.load(engine.key) {
        try ring.replace(keys: keys)
        writeWill()
      }
    } catch {
      return fail(
        (error as? StartFailure)?.text ?? (error as? RingKeys.Failure)?.text ?? "\(error)"
      )
    }
    let settings = Self.settings(merged, engine).failover
    operations.know(merged.virtualInterfaces)
    operations.order(.reload(settings)) { [unowned self] answer in
      switch answer {
      case .refused(let refusal): fail("\(refusal)")
      case .done:
        configuration = merged
        operations.configure(merged)
        var text = "configuration and keys are read again"
        if !later.isEmpty {
          text += "; for a change of \(later.joined(separator: ", ")) start the daemon anew"
        }
        log.notice("reload: \(text)")
        told(ControlReply(.fine, text + "\n"))
      }
    }
    hands.watch(merged.virtualInterfaces)
  }
}
