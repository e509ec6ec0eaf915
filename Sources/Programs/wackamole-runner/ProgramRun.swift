// SPDX-License-Identifier: Apache-2.0

import Glibc
import Health
import Machine
import Reactor

/// A program that runs in a session of its own, until it ends or is told to.
final class ProgramRun {
  /// How long a program may go on after it was asked to end.
  static let grace: Duration = .seconds(1)

  private let child: ChildProcess
  private let loop: EventLoop
  private var watch: EventLoop.Watch?
  private var alarm: EventLoop.Alarm?
  private var killAt: Instant?

  /// Starts the program; `ended` is told what went wrong, or `nil`, when it has ended.
  ///
  /// - Throws: why it is not run.
  init(
    _ program: Check.Program,
    environment: [String],
    on loop: EventLoop,
    ended: @escaping (String?) -> Void
  ) throws {
    try TrustedProgram.check(program.path)
    self.loop = loop
    child = try ChildProcess(
      "/proc/self/exe",
      arguments: [Substitution.word, program.user ?? Substitution.sameUser, program.path]
        + program.arguments,
      descriptors: [],
      environment: environment,
      ownSession: true
    )
    let process = child.process
    watch = try child.watchEnd(on: loop) { [weak self] ending in
      // What it started does not outlive a program that was asked to end.
      if self?.killAt != nil { kill(-process, SIGKILL) }
      self?.stopWatching()
      ended(Self.fault(of: ending, program))
    }
    alarm = loop.addAlarm(
      next: { [weak self] in self?.killAt },
      fire: { [weak self] _ in self?.killNow() }
    )
  }

  deinit { stopWatching() }

  /// Asks the program and all it has started to end, and sees to it after a while.
  func stop() {
    guard killAt == nil else { return }
    kill(-child.process, SIGTERM)
    killAt = BootClock.now + Self.grace
  }

  /// Ends the program and all it has started at once.
  func killNow() {
    kill(-child.process, SIGKILL)
    killAt = nil
  }

  private func stopWatching() {
    if let watch { loop.remove(watch) }
    if let alarm { loop.remove(alarm) }
    (watch, alarm, killAt) = (nil, nil, nil)
  }

  private static func fault(of ending: ChildProcess.Ending, _ program: Check.Program) -> String? {
    switch ending {
    case .exited(0): nil
    case .exited(Substitution.failure):
      "exit status \(Substitution.failure): it could not be run"
        + (program.user.map { " as user \($0)" } ?? "")
    case .exited(let status): "exit status \(status)"
    case .killed(let signal): "ended by signal \(signal)"
    }
  }
}
