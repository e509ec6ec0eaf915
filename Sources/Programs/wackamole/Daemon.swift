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
  private let backend: any Backend
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
    Self.schedule(configuration.interfaces.process, log)
    try Self.requireInterfaces(of: configuration)
    let refusals = Operations.refusals(of: configuration)
    guard refusals.isEmpty else { throw StartFailure(text: refusals.joined(separator: "\n")) }
    for unknown in Operations.unknownAccounts(of: configuration) { log.warning("\(unknown)") }
    loop = try EventLoop()
    let state = configuration.backend.stateDirectory
    lock = try Self.lock(state)
    guardian = try Self.startGuardian(beside: state, configuration.control, loop, log)
    let journal = OwnedAddressFile(
      path: state.map { $0 + "/addresses" },
      next: guardian.table
    )
    try Self.refuseForeign(configuration, besides: journal.left)
    var settings = Self.settings(configuration)
    hands = try Hands(
      vifs: configuration.virtualInterfaces,
      settings: InterfacesEngine.Settings(
        lease: configuration.interfaces.lease,
        proofLife: Self.proofLife(configuration, settings)
      ),
      own: configuration.backend.ownAddress.flatMap { $0.isLoopback ? nil : $0 },
      loop: loop,
      journal: journal,
      log: log
    )
    operations = Operations(configuration, on: loop, log: log)
    backend = try Self.makeBackend(configuration, guardian, operations, loop, log)
    drainMark = try DrainMark(directory: state, log: log)
    settings.isDrained = drainMark.isSet
    settings.seal = try Self.seal(configuration)
    Self.warn(of: configuration, log)
    let node = Driver(FailoverNodeEngine(settings)) { [unowned self] in perform($0) }
    self.node = node
    node.schedule(on: loop)
    hands.listen(by: configuration)
    hands.feed = { [operations] event in
      operations.hear(event)
      node.feed(event)
    }
    backend.connection.deliver { [hands] event in
      node.feed(.group(event))
      // Only then, so that what is recalled is decided anew in the present membership.
      hands.hear(event)
    }
    if let ring = backend as? RingBackend {
      ring.whenDied { node.feed(.obituary($0)) }
      ring.whenReportedDead { [unowned self] in giveUp() }
    }
    signals = try SignalWatcher(on: loop) { [unowned self] in take($0) }
    try operations.serve(configuration, for: host)
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
    switch configuration.backend {
    case .embedded: try backend.connection.submit(.join(configuration.group))
    case .spread: break  // The engine joins at each connection.
    }
    log.notice("wackamole \(programVersion) is running, group \(configuration.group)")
    manager.ready(status: "running")
    try loop.run()
    operations.stopServing()
    hands.finish()
    if !guardian.finish() { log.warning("the guardian had to remove addresses at the end") }
    log.notice("stopped")
    return isReportedDead ? .restart : .stopped
  }

  // MARK: - The guardian's obituary

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
        try backend.connection.submit(request)
      } catch {
        node?.feed(.refused(request, error))
      }
    case .acquire(let vif): hands.acquire(vif)
    case .release(let vif): hands.release(vif)
    case .inject(let frame, let interface): hands.inject(frame, on: interface)
    case .answer(let ticket, let answer): operations.answer(ticket, answer)
    case .keep(let isDrained): drainMark.keep(isDrained)
    case .proven(let sent): hands.prove(sent)
    case .conflict(let vif, let address, let hardware):
      log.error("\(vif): a stranger, \(hardware), claims \(address): take it off that host")
    case .dropped(let report):
      log.error("\(report.sender) is not listened to: \(report.reason)")
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

  private var host: Operations.Host {
    Operations.Host(
      feed: { [unowned self] in node?.feed($0) },
      status: { [unowned self] in node?.machine.status },
      engine: { [unowned self] in health },
      standing: { [unowned self] in standing },
      address: { [unowned self] in backend.address(of: $0) },
      reload: { [unowned self] in reload($0) }
    )
  }

  /// The backend's health, and who is not listened to on a shared one.
  private var health: StatusReport.EngineHealth {
    var health = backend.health
    guard let machine = node?.machine, let drops = machine.payloadDrops else { return health }
    health.payloads = StatusReport.PayloadHealth(
      key: machine.seal?.keyID,
      sendsSealed: machine.seal?.sendsSealed ?? false,
      takesBare: machine.seal?.takesBare ?? true,
      dropped: PayloadDrop.allCases.map { ($0.rawValue, drops[$0]) },
      ignored: machine.ignored.map { "\($0.sender) is not listened to: \($0.reason)" }
    )
    return health
  }

  /// The leases of what stands here, and who else claims it.
  private var standing: StatusReport.Standing {
    var standing = StatusReport.Standing()
    standing.lostAddress = hands.lostAddress
    guard let machine = node?.machine else { return standing }
    for vif in machine.status.vifs { standing.leases[vif.id] = hands.leaseLeft(of: vif.id) }
    standing.conflicts = machine.conflicts.map { .init(address: $0.address, hardware: $0.hardware) }
    return standing
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
    let seal: PayloadSeal?
    do {
      seal = try Self.seal(merged)
      try Self.requireInterfaces(of: merged)
      try Self.refuseForeign(
        merged,
        besides: configuration.virtualInterfaces.flatMap(\.addresses)
      )
      let refusals = Operations.refusals(of: merged)
      guard refusals.isEmpty else { throw StartFailure(text: refusals.joined(separator: "\n")) }
      try backend.take(merged)
    } catch {
      return fail(
        (error as? StartFailure)?.text ?? (error as? RingKeys.Failure)?.text ?? "\(error)"
      )
    }
    let settings = Self.settings(merged)
    operations.know(merged.virtualInterfaces)
    operations.order(.reload(settings.failover)) { [unowned self] answer in
      switch answer {
      case .refused(let refusal): fail("\(refusal)")
      case .done:
        hands.hold(
          for: merged.interfaces.lease,
          proofLife: Self.proofLife(merged, settings)
        )
        let process = configuration.interfaces.process
        Self.schedule(merged.interfaces.process, since: process, log)
        configuration = merged
        node?.feed(.seal(seal))
        node?.feed(.announcing(settings.announcements))
        hands.listen(by: merged)
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
