// SPDX-License-Identifier: Apache-2.0

import Checking
import Health
import Machine
import Reactor
import RunnerWire
import Transport

/// Checks and scripts at work on one loop.
final class Runner {
  /// How often the daemon hears that we live.
  private static let beat: Duration = .seconds(1)
  /// The most scripts that run at once.
  private static let mostScripts = 16
  /// What every program finds in its environment.
  private static let environment = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
  ]

  private enum Probing {
    case program(ProgramRun)
    case exchange(TCPExchange)
  }

  private struct Script {
    let job: RunnerMessage.Job
    let run: ProgramRun
    /// When it has run long enough; `nil` once it was stopped for that.
    var until: Instant?
    var isLate = false
  }

  private let loop: EventLoop
  private let daemon: PacketSocket
  private var checks: Driver<CheckingEngine>?
  private var probes: [CheckingEngine.Run: Probing] = [:]
  /// Programs of runs that were given up, until they have ended.
  private var stopped: [UInt64: ProgramRun] = [:]
  private var waiting: [RunnerMessage.Job] = []
  private var scripts: [Script] = []
  private var beatAt = BootClock.now
  private var isOver = false

  init(daemon descriptor: consuming Descriptor, on loop: EventLoop) throws(SystemError) {
    self.loop = loop
    daemon = try PacketSocket(adopting: descriptor, limit: RunnerMessage.longest)
    let checks = Driver(CheckingEngine()) { [unowned self] in perform($0) }
    self.checks = checks
    checks.schedule(on: loop)
    _ = try loop.watch(daemon.descriptor, for: .readable) { [unowned self] _ in receive() }
    loop.addAlarm(
      next: { [unowned self] in beatAt },
      fire: { [unowned self] now in
        beatAt = now + Self.beat
        tell(.alive)
      }
    )
    loop.addAlarm(
      next: { [unowned self] in scripts.compactMap(\.until).min() },
      fire: { [unowned self] now in stopLate(at: now) }
    )
  }

  /// Ends everything that still runs; the daemon is gone.
  func finish() {
    for case .program(let run) in probes.values { run.killNow() }
    for run in stopped.values { run.killNow() }
    for script in scripts { script.run.killNow() }
  }

  // MARK: - The daemon

  private func receive() {
    switch daemon.receive() {
    case .nothing: return
    case .ended: end()
    case .packet(let bytes):
      do {
        try take(RunnerMessage(decoding: bytes[...]))
      } catch {
        log(
          3,
          "what the daemon says makes no sense (\(error)): one of the two is of another version"
        )
        end()
      }
    }
  }

  private func take(_ message: RunnerMessage) {
    switch message {
    case .checks(let setups): checks?.feed(.setUp(setups))
    case .run(let job):
      waiting.append(job)
      startScripts()
    case .state, .ended, .alive: log(4, "the daemon sent what only a runner sends")
    }
  }

  private func tell(_ message: RunnerMessage) {
    // A daemon that takes nothing for so long starts another runner.
    if !daemon.send(message.encoded()) { end() }
  }

  private func end() {
    guard !isOver else { return }
    isOver = true
    loop.stop()
  }

  // MARK: - Checks

  private func perform(_ effect: CheckingEngine.Effect) {
    switch effect {
    case .start(let run, let probe): start(run, probe)
    case .stop(let run): stop(run)
    case .report(let report): tell(.state(report))
    }
  }

  private func start(_ run: CheckingEngine.Run, _ probe: Check.Probe) {
    do {
      switch probe {
      case .command(let program):
        probes[run] = .program(
          try ProgramRun(program, environment: Self.environment, on: loop) { [unowned self] fault in
            stopped[run.number] = nil
            finish(run, good: fault == nil, fault ?? "exit status 0")
          }
        )
      case .tcp(let endpoint):
        probes[run] = .exchange(
          try TCPExchange(to: endpoint, sending: [], on: loop) { [unowned self] event in
            switch event {
            case .connected: finish(run, good: true, "connected")
            case .failed(let error): finish(run, good: false, error.text)
            case .bytes, .ended: break
            }
          }
        )
      case .http(let request):
        var answer = HTTPExchange()
        probes[run] = .exchange(
          try TCPExchange(
            to: request.endpoint,
            sending: HTTPExchange.request(request),
            on: loop
          ) { [unowned self] event in
            switch event {
            case .connected: break
            case .bytes(let bytes): judge(run, answer.take(bytes))
            case .ended: finish(run, good: false, "the connection was closed without an answer")
            case .failed(let error): finish(run, good: false, error.text)
            }
          }
        )
      }
    } catch {
      finish(run, good: false, (error as? SystemError)?.errno.text ?? "\(error)")
    }
  }

  private func judge(_ run: CheckingEngine.Run, _ verdict: HTTPExchange.Verdict) {
    switch verdict {
    case .incomplete: break
    case .status(let status): finish(run, good: 200..<300 ~= status, "status \(status)")
    case .malformed: finish(run, good: false, "the answer is not HTTP")
    }
  }

  private func finish(_ run: CheckingEngine.Run, good: Bool, _ text: String) {
    probes[run] = nil
    checks?.feed(.finished(run, good: good, text))
  }

  private func stop(_ run: CheckingEngine.Run) {
    guard case .program(let program)? = probes.removeValue(forKey: run) else { return }
    program.stop()
    stopped[run.number] = program
  }

  // MARK: - Scripts

  private func startScripts() {
    var index = 0
    while index < waiting.count, scripts.count < Self.mostScripts {
      let lane = waiting[index].lane
      let isTaken =
        scripts.contains { $0.job.lane == lane } || waiting[..<index].contains { $0.lane == lane }
      if isTaken { index += 1 } else { start(waiting.remove(at: index)) }
    }
  }

  private func start(_ job: RunnerMessage.Job) {
    do {
      let run = try ProgramRun(
        job.program,
        environment: Self.environment + job.environment,
        on: loop
      ) { [unowned self] fault in ended(job, fault) }
      scripts.append(Script(job: job, run: run, until: BootClock.now + job.timeout))
    } catch {
      tell(.ended(.init(number: job.number, failure: "\(error)")))
    }
  }

  private func ended(_ job: RunnerMessage.Job, _ fault: String?) {
    guard let index = scripts.firstIndex(where: { $0.job.number == job.number }) else { return }
    let script = scripts.remove(at: index)
    tell(.ended(.init(number: job.number, failure: script.isLate ? "it took too long" : fault)))
    startScripts()
  }

  private func stopLate(at now: Instant) {
    for index in scripts.indices {
      guard let until = scripts[index].until, until <= now else { continue }
      (scripts[index].until, scripts[index].isLate) = (nil, true)
      scripts[index].run.stop()
    }
  }
}
