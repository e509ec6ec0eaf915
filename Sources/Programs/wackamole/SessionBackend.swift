// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import Configuration
import DaemonKit
import GroupModel
import Logging
import Machine
import Netlink
import Reactor
import Reports
import SessionClient
import SpreadSession

/// A Spread daemon as the backend, ours or a genuine one, through one session.
final class SessionBackend: Backend, GroupConnection {
  /// How often a loop without a backend proves itself, where addresses are kept then.
  private static let heartbeat: Duration = .milliseconds(200)

  private let spread: SpreadBackend
  private let session: SpreadSession
  private let log: Logger
  private var handler: (GroupEvent) -> Void = { _ in }
  private var lost: UInt64 = 0
  /// Told of the daemon's name, which is this node's.
  private let named: (NodeID) -> Void
  /// When this loop proves itself next; `nil` while the group does.
  private var provesAt: Instant?

  /// Connects as soon as the loop runs; `named` is told this node's name at each connection.
  init(
    _ spread: SpreadBackend,
    guardian: Guardian,
    on loop: EventLoop,
    log: Logger,
    named: @escaping (NodeID) -> Void
  ) throws(SystemError) {
    (self.spread, self.log, self.named) = (spread, log, named)
    // A name of its own for each run: the daemon may not have noticed yet that the last one ended.
    let digits = String(Entropy.word(), radix: 36).suffix(6)
    var settings = SessionClientEngine.Settings(name: Array("wack\(digits)".utf8))
    settings.firstPause = spread.retryInterval
    settings.longestPause = max(spread.retryInterval, SpreadBackend.longestPause)
    session = try SpreadSession(
      to: spread.daemon,
      expecting: spread.node,
      settings: settings,
      seed: Entropy.word(),
      on: loop
    ) { note in
      switch note {
      case .opened: log.notice("\(note)")
      case .failed: log.warning("Spread at \(spread.daemon): \(note)")
      case .rejected: log.error("\(note)")
      }
    }
    session.whenSocketChanges { [unowned guardian] socket in
      if !guardian.keepOpen(socket), socket != nil {
        log.error("the guardian takes nothing: others may learn of this daemon's end too early")
      }
    }
    session.deliver { [unowned self] in take($0) }
    if spread.onLoss == .keep { prove(on: loop) }
  }

  // MARK: - The port

  var connection: any GroupConnection { self }

  var capabilities: GroupCapabilities { session.capabilities }

  func deliver(to handler: @escaping (GroupEvent) -> Void) { self.handler = handler }

  func submit(_ request: GroupRequest) throws(GroupRefusal) {
    // The session comes back by itself, and the engine joins then.
    try session.submit(request)
  }

  private func take(_ event: GroupEvent) {
    switch event {
    case .connected(let me): named(me.node)
    case .disconnected(let reason):
      lost += 1
      if case .requested = reason {
        log.info("the session with Spread has ended")
      } else if spread.onLoss == .keep {
        log.critical("Spread is lost: the addresses are kept, and others may hold them too")
        provesAt = BootClock.now
      } else {
        log.critical("Spread is lost: nothing is held until it is back")
      }
    case .view: provesAt = nil
    case .message, .transitional, .left, .liveness: break
    }
    handler(event)
  }

  /// Where addresses are kept without a backend, that the loop turns is all there is to prove.
  private func prove(on loop: EventLoop) {
    loop.addAlarm(
      next: { [unowned self] in provesAt },
      fire: { [unowned self] now in
        provesAt = now + Self.heartbeat
        handler(.liveness(.rotation(passed: now)))
      }
    )
  }

  // MARK: - The daemon's

  var health: StatusReport.EngineHealth {
    let me = session.me
    return StatusReport.EngineHealth(
      phase: me.map { "in a session with Spread at \(spread.daemon) as \($0)" }
        ?? "without a session with Spread at \(spread.daemon)",
      configured: [],
      ring: nil,
      counters: .null,
      session: .object([
        .init("daemon", .string("\(spread.daemon)")),
        .init("connected", .bool(me != nil)),
        .init("name", .text(me.map { "\($0)" })),
        .init("lost", .integer(Int64(clamping: lost))),
      ])
    )
  }

  func address(of node: NodeID) -> IPAddress? { nil }

  func take(_ configuration: WackamoleConfiguration) throws {}
}
