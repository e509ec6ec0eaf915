// SPDX-License-Identifier: Apache-2.0

import Glibc
import Health
import Logging
import Machine
import Netlink
import Reactor
import RunnerWire
import Transport

/// The daemon's side of its runner: the child process that runs health checks and scripts.
///
/// It is started when there is something to run. One that ends, or is silent for too long, is
/// replaced; checks go on from the states that were known, scripts that were under way are lost.
final class RunnerProcess {
  /// How soon after a runner that did not last the next is started.
  private static let pause: Duration = .seconds(1)
  /// How long a runner may say nothing, though it speaks every second.
  private static let patience: Duration = .seconds(10)

  /// A runner that is alive.
  private struct Live {
    let child: ChildProcess
    let socket: PacketSocket
    let started: Instant
    var heard: Instant
    var watches: [EventLoop.Watch] = []
  }

  /// Told when a check's state, or the reason for it, is another one.
  var report: (CheckReport) -> Void = { _ in }
  /// Told when a script has ended, with what went wrong.
  var ended: (UInt64, String?) -> Void = { _, _ in }

  private let loop: EventLoop
  private let log: Logger
  private let executable: String
  private var live: Live?
  private var startAt: Instant?
  /// The checks and what is known of them.
  private var setups: [RunnerMessage.Setup] = []
  private var underWay: Set<UInt64> = []

  init(on loop: EventLoop, log: Logger) {
    (self.loop, self.log) = (loop, log)
    executable = Guardian.installed("wackamole-runner")
    loop.addAlarm(
      next: { [unowned self] in startAt },
      fire: { [unowned self] _ in start() }
    )
    loop.addAlarm(
      next: { [unowned self] in live.map { $0.heard + Self.patience } },
      fire: { [unowned self] now in replaceSilent(at: now) }
    )
  }

  /// Runs these checks from now on, and no others.
  func run(_ checks: [Check]) {
    setups = checks.map { check in
      let known = setups.first { $0.check.name == check.name }
      return .init(check: check, state: known?.state ?? .unknown)
    }
    guard live != nil else {
      if !setups.isEmpty { start() }
      return
    }
    send(.checks(setups))
  }

  /// Runs a script; `ended` follows.
  func run(_ job: RunnerMessage.Job) {
    underWay.insert(job.number)
    if live == nil { start() }
    guard live != nil, send(.run(job)) else {
      underWay.remove(job.number)
      return ended(job.number, "there is no runner")
    }
  }

  // MARK: - Life

  private func start() {
    startAt = nil
    guard live == nil else { return }
    do throws(SystemError) {
      let (ours, theirs) = try PacketSocket.pair()
      let other = Descriptor(adopting: theirs)
      let socket = try PacketSocket(
        adopting: Descriptor(adopting: ours),
        limit: RunnerMessage.longest
      )
      let child = try ChildProcess(executable, descriptors: [other.rawValue])
      let now = BootClock.now
      live = Live(child: child, socket: socket, started: now, heard: now)
      let reading = try loop.watch(socket.descriptor, for: .readable) { [unowned self] _ in
        receive()
      }
      live?.watches.append(reading)
      let ending = try child.watchEnd(on: loop) { [unowned self] in died($0) }
      live?.watches.append(ending)
      log.debug("runner: process \(child.process)")
    } catch {
      log.error("the runner cannot be started, trying again: \(error)")
      lose()
      return
    }
    if !setups.isEmpty { send(.checks(setups)) }
  }

  private func died(_ ending: ChildProcess.Ending) {
    log.error("the runner died (\(ending)); starting another")
    lose()
  }

  private func replaceSilent(at now: Instant) {
    log.error("the runner has been silent for \(Self.patience); starting another")
    live?.child.signal(SIGKILL)
    lose()
  }

  /// Forgets the runner, and starts the next after a while.
  private func lose() {
    for watch in live?.watches ?? [] { loop.remove(watch) }
    live = nil
    startAt = BootClock.now + Self.pause
    let lost = underWay.sorted()
    underWay = []
    for number in lost { ended(number, "the runner died") }
  }

  // MARK: - Messages

  @discardableResult
  private func send(_ message: RunnerMessage) -> Bool {
    guard let live, live.socket.send(message.encoded()) else {
      log.error("the runner takes nothing")
      return false
    }
    return true
  }

  private func receive() {
    guard let socket = live?.socket else { return }
    switch socket.receive() {
    // The end of the process follows.
    case .nothing, .ended: return
    case .packet(let bytes):
      live?.heard = BootClock.now
      do {
        try take(RunnerMessage(decoding: bytes[...]))
      } catch {
        log.error("the runner says what makes no sense (\(error)): is it of another version?")
      }
    }
  }

  private func take(_ message: RunnerMessage) {
    switch message {
    case .alive: break
    case .state(let report):
      guard let index = setups.firstIndex(where: { $0.check.name == report.name }) else { return }
      setups[index].state = report.state
      self.report(report)
    case .ended(let outcome):
      guard underWay.remove(outcome.number) != nil else { return }
      ended(outcome.number, outcome.failure)
    case .checks, .run: log.error("the runner sends what only a daemon sends")
    }
  }
}
