// SPDX-License-Identifier: Apache-2.0

import Glibc
import Machine
package import Reactor

/// The daemon's side of its guardian: a child process that removes the daemon's addresses when the
/// daemon dies without having done so itself.
///
/// The guardian learns of the death by the end of a connection, and of the addresses by ``table``, which
/// is the journal of the ``NetlinkService``. It holds a lock until it is done; the next daemon
/// waits for it. A guardian that dies is replaced.
package final class Guardian {
  /// Something an operator should know.
  package enum Notice: Sendable, Equatable {
    case started(process: Int32)
    /// It ended while the daemon lives; another is started.
    case died(process: Int32, ChildProcess.Ending)
    /// It cannot be started; tried again in a second.
    case unavailable(SystemError)
  }

  /// How soon after a failed or short-lived guardian the next is started.
  package static let pause: Duration = .seconds(1)

  /// What the guardian would remove.
  package let table: OwnedAddressTable
  /// What the guardian would send once they are removed; empty at first.
  package let will: LastWill

  private let loop: EventLoop
  private let executable: String
  private let lock: Descriptor
  private var connection: Handover?
  /// What the guardian keeps open until the addresses are gone.
  private var kept: CInt?
  private let notify: (Notice) -> Void
  private var child: ChildProcess?
  private var watch: EventLoop.Watch?
  private var alarm: EventLoop.Alarm?
  private var startAgainAt: Instant?

  /// Waits for the guardian of an earlier daemon, then starts one.
  ///
  /// `lockPath` must be the same for all daemons that could manage the same addresses. The wait ends
  /// after `patience`; it stops the thread, so this belongs before the loop runs.
  ///
  /// - Throws: what failed; `EBUSY` when the lock was still held after `patience`.
  package init(
    executable: String = Guardian.installedExecutable,
    lockPath: String,
    patience: Duration = .seconds(10),
    on loop: EventLoop,
    notify: @escaping (Notice) -> Void
  ) throws(SystemError) {
    (self.executable, self.loop, self.notify) = (executable, loop, notify)
    lock = try Self.takeLock(lockPath, until: BootClock.now + patience)
    table = try OwnedAddressTable()
    will = try LastWill()
    connection = try Handover()
    try start()
    alarm = loop.addAlarm(
      next: { [weak self] in self?.startAgainAt },
      fire: { [weak self] _ in self?.startOrPostpone() }
    )
  }

  deinit {
    if let alarm { loop.remove(alarm) }
    if let watch { loop.remove(watch) }
    // A daemon that gives up in order, at a failed start for example, has not died.
    _ = table.markClean()
  }

  /// Lets the guardian keep a copy of a descriptor, in place of the one before, until what is in
  /// the table is removed: a daemon at its other end sees this one's end only then.
  ///
  /// The descriptor is to stay open until another one, or `nil`, takes its place. Returns whether the
  /// guardian was told.
  @discardableResult
  package func keepOpen(_ descriptor: CInt?) -> Bool {
    kept = descriptor
    return connection?.keep(descriptor) ?? false
  }

  /// The guardian's process; `nil` while there is none.
  package var process: Int32? { child?.process }

  /// Dismisses the guardian; returns whether nothing was left for it to do.
  ///
  /// Addresses that are still in the table it removes now. Waits for its end, at most `patience`.
  package func finish(patience: Duration = .seconds(2)) -> Bool {
    if let alarm { loop.remove(alarm) }
    if let watch { loop.remove(watch) }
    (alarm, watch, startAgainAt) = (nil, nil, nil)
    let isClean = table.markClean()
    connection = nil
    guard let child else { return isClean }
    let ending = child.wait(until: BootClock.now + patience)
    return isClean && ending == .exited(status: 0)
  }

  /// What the guardian ignores; blocked from its first instruction on.
  package static let ignoredSignals = [
    SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGABRT, SIGUSR1, SIGUSR2, SIGPIPE,
  ]

  /// The guardian that is installed beside the running program.
  package static var installedExecutable: String { installed("wackamole-guardian") }

  /// The program of that name that is installed beside the running one.
  package static func installed(_ name: String) -> String {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    let length = readlink("/proc/self/exe", &path, path.count)
    let program = String(
      decoding: path.prefix(max(0, length)).map { UInt8(bitPattern: $0) },
      as: UTF8.self
    )
    let directory = program.dropLast(program.reversed().prefix { $0 != "/" }.count)
    return directory + name
  }

  private static func takeLock(
    _ path: String,
    until limit: Instant
  ) throws(SystemError) -> Descriptor {
    let raw = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    let lock = Descriptor(adopting: try SystemError.check(raw, "open \(path)"))
    while flock(lock.rawValue, LOCK_EX | LOCK_NB) != 0 {
      guard errno == EWOULDBLOCK || errno == EINTR else {
        throw SystemError("lock \(path)", .last)
      }
      guard BootClock.now < limit else {
        throw SystemError("wait for the guardian of an earlier daemon (\(path))", Errno(EBUSY))
      }
      usleep(5_000)
    }
    return lock
  }

  private func start() throws(SystemError) {
    startAgainAt = nil
    guard let far = connection?.far.rawValue else { return }
    let (lock, executable) = (lock.rawValue, executable)
    let memory = table.withDescriptor { $0 }
    let child = try ChildProcess(
      executable,
      descriptors: [far, memory, lock, will.descriptor],
      blocking: Self.ignoredSignals
    )
    let started = BootClock.now
    self.child = child
    watch = try child.watchEnd(on: loop) { [weak self] ending in
      self?.ended(ending, after: BootClock.now - started)
    }
    // One before it took what it was told with it.
    if let kept { keepOpen(kept) }
    notify(.started(process: child.process))
  }

  private func startOrPostpone() {
    do throws(SystemError) {
      try start()
    } catch {
      startAgainAt = BootClock.now + Self.pause
      notify(.unavailable(error))
    }
  }

  private func ended(_ ending: ChildProcess.Ending, after lifetime: Duration) {
    if let watch { loop.remove(watch) }
    watch = nil
    guard let process = child?.process else { return }
    child = nil
    notify(.died(process: process, ending))
    if lifetime < Self.pause {
      startAgainAt = BootClock.now + Self.pause
    } else {
      startOrPostpone()
    }
  }
}
