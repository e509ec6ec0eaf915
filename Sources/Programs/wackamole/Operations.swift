// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import Configuration
import Control
import DaemonKit
import Failover
import FailoverNode
import Glibc
import GroupModel
import Health
import Logging
import Machine
import Reactor
import Reports
import RunnerWire
import Transport

/// What an operator sees and touches of the running daemon: the control socket, health checks, scripts.
final class Operations {
  /// What the daemon does for us.
  struct Host {
    let feed: (FailoverNodeEngine.Event) -> Void
    let status: () -> FailoverEngine.Status?
    let engine: () -> StatusReport.EngineHealth
    let standing: () -> StatusReport.Standing
    /// Where a node's engine is.
    let address: (NodeID) -> IPAddress?
    /// Reads the configuration again; tells what came of it.
    let reload: (@escaping (ControlReply) -> Void) -> Void
  }

  /// How long scripts may still run when the daemon is about to end.
  private static let patience: Duration = .seconds(5)

  private let log: Logger
  private let loop: EventLoop
  private let runner: RunnerProcess
  private let scripts: Scripts
  private let controlGroup: String?
  private var book = CheckBook()
  private var vifs: [VIFID: VirtualInterface] = [:]
  private var server: LineServer?
  private var daemon: Host?
  private var tickets: UInt64 = 0
  private var waiting: [FailoverEngine.Ticket: (FailoverEngine.Answer) -> Void] = [:]
  private var endBy: Instant?

  init(_ configuration: WackamoleConfiguration, on loop: EventLoop, log: Logger) {
    (self.loop, self.log) = (loop, log)
    controlGroup = configuration.controlGroup
    runner = RunnerProcess(on: loop, log: log)
    scripts = Scripts(
      node: configuration.backend.node,
      group: configuration.group,
      runner: runner,
      on: loop,
      log: log
    )
    runner.report = { [unowned self] report in
      guard book.take(report, at: BootClock.now) else { return }
      log.notice("check \"\(report.name)\": \(report.state): \(report.reason)")
      daemon?.feed(.checks(book.failing))
    }
  }

  /// Begins to serve; to be called once, before the loop runs.
  func serve(_ configuration: WackamoleConfiguration, for daemon: Host) throws {
    self.daemon = daemon
    configure(configuration)
    do {
      try SmallFile.makeDirectory(of: configuration.control)
      let listener = try UnixListener(
        path: configuration.control,
        mode: controlGroup == nil ? 0o600 : 0o660,
        group: try controlGroup.map(Account.group)
      )
      var limits = LineServer.Limits()
      // A command is answered when it took effect at all members.
      limits.time = .seconds(10)
      server = try LineServer(listener, on: loop, limits: limits) { [unowned self] request, reply in
        take(request) { reply($0.encoded) }
      }
    } catch {
      throw Daemon.StartFailure(text: "cannot serve the control socket: \(error)")
    }
  }

  /// Serves no more, and removes the socket.
  func stopServing() { server = nil }

  /// Learns this node's name from the backend, which scripts are told.
  func name(_ node: NodeID) { scripts.node = node }

  /// Takes on checks, scripts and VIFs.
  func configure(_ configuration: WackamoleConfiguration) {
    know(configuration.virtualInterfaces)
    scripts.configure(configuration.scripts)
    book.configure(configuration.checks, at: BootClock.now)
    runner.run(configuration.checks)
    daemon?.feed(.checks(book.failing))
  }

  /// Learns the addresses of VIFs; one that goes stays known, so that its end is still told.
  func know(_ more: [VirtualInterface]) {
    for vif in more { vifs[vif.id] = vif }
  }

  /// Says why scripts and checks of a configuration would not be run.
  static func refusals(of configuration: WackamoleConfiguration) -> [String] {
    let programs =
      configuration.scripts.map(\.path)
      + configuration.checks.compactMap { check -> String? in
        switch check.probe {
        case .command(let program): program.path
        case .tcp, .http: nil
        }
      }
    return programs.compactMap { path in
      do throws(TrustedProgram.Refusal) {
        try TrustedProgram.check(path)
        return nil
      } catch {
        return "\(path) is not run: \(error)"
      }
    }
  }

  /// Says which users of scripts and checks, and which group of the control socket, are not known.
  ///
  /// They may be once the network is up, so that a daemon does not refuse to start for it.
  static func unknownAccounts(of configuration: WackamoleConfiguration) -> [String] {
    let users =
      configuration.scripts.compactMap(\.user)
      + configuration.checks.compactMap { check -> String? in
        switch check.probe {
        case .command(let program): program.user
        case .tcp, .http: nil
        }
      }
    var found: [String] = []
    do throws(Account.Unknown) {
      if let group = configuration.controlGroup { _ = try Account.group(group) }
    } catch {
      found.append("ControlGroup: \(error)")
    }
    for user in Set(users).sorted() {
      do throws(Account.Unknown) {
        try Account.user(user)
      } catch {
        found.append("User of a check or script: \(error)")
      }
    }
    return found
  }

  // MARK: - What the node did

  /// Hears what the kernel did, before the node does.
  func hear(_ event: FailoverNodeEngine.Event) {
    switch event {
    case .acquired(let id, .done): if let vif = vifs[id] { scripts.up(vif) }
    case .released(let id, .done): if let vif = vifs[id] { scripts.down(vif) }
    default: break  // not ours: only what stands on the interfaces matters to scripts.
    }
  }

  /// An operator's command came to its end.
  func answer(_ ticket: FailoverEngine.Ticket, _ answer: FailoverEngine.Answer) {
    waiting.removeValue(forKey: ticket)?(answer)
  }

  /// Nothing is held any more: calls `done` when scripts have ended, or have had their time.
  func finish(_ done: @escaping () -> Void) {
    let limit = BootClock.now + Self.patience
    endBy = limit
    loop.addAlarm(
      next: { [unowned self] in endBy },
      fire: { [unowned self] _ in
        endBy = nil
        log.warning("scripts still run; they are ended")
        done()
      }
    )
    scripts.finish { [unowned self] in
      endBy = nil
      done()
    }
  }

  // MARK: - Requests

  private func take(
    _ request: LineServer.Request,
    reply: @escaping (ControlReply) -> Void
  ) {
    // Who may connect the mode of the socket says; this is so that a wrong mode gives nothing away.
    let isKnown = [0, geteuid()].contains(request.peer.user) || controlGroup != nil
    guard isKnown else {
      return reply(ControlReply(.failed, "this is for root alone, unless ControlGroup is set"))
    }
    let asked: ControlRequest
    do throws(ControlRequest.Malformed) {
      asked = try ControlRequest(line: request.line)
    } catch {
      return reply(ControlReply(.failed, error.text))
    }
    guard let daemon, let status = daemon.status() else {
      return reply(ControlReply(.failed, "the daemon is starting"))
    }
    switch asked {
    case .status(let form):
      let report = StatusReport(
        status: status,
        now: BootClock.now,
        checks: book.status,
        engine: daemon.engine(),
        standing: daemon.standing()
      )
      let outcome: ControlReply.Outcome = report.faults.isEmpty ? .fine : .degraded
      switch form {
      case .json: reply(ControlReply(outcome, report.json.indented + "\n"))
      case .text(let width): reply(ControlReply(outcome, report.text(width: width) + "\n"))
      }
    case .list:
      let text = ListReport.text(status, address: daemon.address)
      reply(ControlReply(.fine, text.isEmpty ? "" : text + "\n"))
    case .history(let form):
      let report = HistoryReport(changes: status.history, now: BootClock.now)
      switch form {
      case .json: reply(ControlReply(.fine, report.json.indented + "\n"))
      case .text(let width): reply(ControlReply(.fine, report.text(width: width) + "\n"))
      }
    case .drain: order(.drain, by: request, reply)
    case .resume: order(.resume, by: request, reply)
    case .balance: order(.balance, by: request, reply)
    case .move(let vif, let node): order(.move(vif, to: node), by: request, reply)
    case .prefer(let vif, let node): order(.prefer(vif, node), by: request, reply)
    case .announce(let vif): order(.announce(vif), by: request, reply)
    case .reload:
      log.notice("\(Self.who(request)): reload")
      daemon.reload(reply)
    }
  }

  /// Gives the node a command; the reply follows when it has taken effect.
  private func order(
    _ command: FailoverEngine.Command,
    by request: LineServer.Request,
    _ reply: @escaping (ControlReply) -> Void
  ) {
    log.notice("\(Self.who(request)): \(request.line)")
    order(command) { answer in
      switch answer {
      case .done: reply(ControlReply(.fine, ""))
      case .refused(let refusal): reply(ControlReply(.failed, "\(refusal)"))
      }
    }
  }

  /// Gives the node a command.
  func order(
    _ command: FailoverEngine.Command,
    then: @escaping (FailoverEngine.Answer) -> Void
  ) {
    tickets += 1
    let ticket = FailoverEngine.Ticket(tickets)
    waiting[ticket] = then
    daemon?.feed(.command(command, ticket))
  }

  private static func who(_ request: LineServer.Request) -> String {
    "user \(request.peer.user), process \(request.peer.process)"
  }
}
