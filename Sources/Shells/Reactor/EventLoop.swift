// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import Machine

/// The loop that owns a daemon: it waits for descriptors, deadlines and signals, and runs what
/// belongs to them, one after the other, on the thread that calls ``run()``.
///
/// One turn reads the ready descriptors first and fires the due alarms after them, so what has
/// already arrived counts before a time-out does. When an alarm is overdue by more than
/// ``patience``, the process was not running for a while; the descriptors are then read until
/// nothing waits in them (at most ``catchUpRounds`` times) before any alarm fires.
///
/// A handler must not block and must read a bounded amount: a descriptor that still has data is
/// reported again in the next turn.
package final class EventLoop {
  /// What a descriptor is ready for.
  package struct Readiness: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let readable = Readiness(rawValue: wack_epoll_in)
    package static let writable = Readiness(rawValue: wack_epoll_out)
    /// The other end is gone or the descriptor failed; always reported, never asked for.
    package static let ended = Readiness(rawValue: wack_epoll_ended)
  }

  /// The right to stop or change a watch; harmless after the watch has been removed.
  package struct Watch: Sendable, Hashable {
    fileprivate let slot: UInt32
    fileprivate let generation: UInt32
  }

  /// The right to remove an alarm.
  package struct Alarm: Sendable, Hashable {
    fileprivate let number: UInt64
  }

  private struct Slot {
    var generation: UInt32 = 0
    var descriptor: CInt = -1
    var handler: ((Readiness) -> Void)?
  }

  private struct AlarmEntry {
    let alarm: Alarm
    let next: () -> Instant?
    let fire: (Instant) -> Void
  }

  /// How late an alarm may be before the descriptors are emptied ahead of it.
  package var patience: Duration = .milliseconds(10)
  /// The most passes over the descriptors before overdue alarms fire all the same.
  package static let catchUpRounds = 256

  private static let timerKey = UInt64.max
  private static let batch: CInt = 64

  private let poller: Descriptor
  private let timer: Descriptor
  private let ready = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: Int(batch))
  private var slots: [Slot] = []
  private var freeSlots: [Int] = []
  private var alarms: [AlarmEntry] = []
  private var alarmsAdded: UInt64 = 0
  /// When the timer will go off; `nil` when it will not.
  private var armed: Instant?
  private var stopping = false

  package init() throws(SystemError) {
    poller = Descriptor(adopting: try SystemError.check(wack_epoll_create(), "open an epoll set"))
    timer = Descriptor(adopting: try SystemError.check(wack_timer_create(), "open a timer"))
    ready.initialize(repeating: epoll_event())
    try SystemError.check(
      wack_epoll_add_timer(poller.rawValue, timer.rawValue, Self.timerKey),
      "watch the timer"
    )
  }

  deinit { ready.deallocate() }

  // MARK: - Descriptors

  /// Calls `handler` whenever the descriptor is ready for one of `interests` or has ended.
  ///
  /// The caller keeps the descriptor open until it has called ``remove(_:)-(Watch)``.
  package func watch(
    _ descriptor: borrowing Descriptor,
    for interests: Readiness,
    handler: @escaping (Readiness) -> Void
  ) throws(SystemError) -> Watch {
    try watch(fileDescriptor: descriptor.rawValue, for: interests, handler: handler)
  }

  /// Watches a descriptor that a library owns.
  package func watch(
    fileDescriptor: CInt,
    for interests: Readiness,
    handler: @escaping (Readiness) -> Void
  ) throws(SystemError) -> Watch {
    let index = freeSlots.popLast() ?? slots.count
    if index == slots.count { slots.append(Slot()) }
    let watch = Watch(
      slot: UInt32(truncatingIfNeeded: index),
      generation: slots[index].generation
    )
    do {
      try SystemError.check(
        wack_epoll_add(poller.rawValue, fileDescriptor, interests.rawValue, watch.key),
        "watch descriptor \(fileDescriptor)"
      )
    } catch {
      freeSlots.append(index)
      throw error
    }
    slots[index].descriptor = fileDescriptor
    slots[index].handler = handler
    return watch
  }

  /// Changes what a watch waits for.
  package func change(_ watch: Watch, to interests: Readiness) throws(SystemError) {
    let index = Int(watch.slot)
    guard slots[index].generation == watch.generation else { return }
    try SystemError.check(
      wack_epoll_modify(
        poller.rawValue,
        slots[index].descriptor,
        interests.rawValue,
        watch.key
      ),
      "change the watch of descriptor \(slots[index].descriptor)"
    )
  }

  /// Ends a watch; its handler is not called again, not even for an event already read.
  package func remove(_ watch: Watch) {
    let index = Int(watch.slot)
    guard slots[index].generation == watch.generation else { return }
    _ = wack_epoll_remove(poller.rawValue, slots[index].descriptor)
    slots[index] = Slot(generation: watch.generation &+ 1)
    freeSlots.append(index)
  }

  // MARK: - Deadlines

  /// Calls `fire` whenever `next`, which is asked in every turn, has come.
  ///
  /// `fire` must move `next` into the future, or the loop never sleeps.
  @discardableResult
  package func addAlarm(
    next: @escaping () -> Instant?,
    fire: @escaping (Instant) -> Void
  ) -> Alarm {
    alarmsAdded += 1
    let alarm = Alarm(number: alarmsAdded)
    alarms.append(AlarmEntry(alarm: alarm, next: next, fire: fire))
    return alarm
  }

  package func remove(_ alarm: Alarm) { alarms.removeAll { $0.alarm == alarm } }

  // MARK: - Running

  /// Runs turns until ``stop()`` is called.
  ///
  /// - Throws: the failure of the wait itself, which means that the loop cannot go on.
  package func run() throws(SystemError) {
    stopping = false
    while !stopping { try turn() }
  }

  /// Ends ``run()`` after the present turn.
  package func stop() { stopping = true }

  /// Waits for something to do, does it, and returns; waits no longer than until `limit`.
  package func turn(until limit: Instant? = nil) throws(SystemError) {
    let due = alarms.lazy.compactMap { $0.next() }.min()
    let wake = [due, limit].lazy.compactMap { $0 }.min()
    let mayWait = try arm(for: wake)
    try dispatch(waiting: mayWait)
    fireAlarms()
  }

  /// Sets the timer if it would ring too late; returns whether there is time to wait.
  ///
  /// A timer that rings early is left alone: deadlines move into the future with every token, and
  /// one needless turn now and then costs less than a system call in each.
  private func arm(for wake: Instant?) throws(SystemError) -> Bool {
    guard let wake else { return true }
    let now = BootClock.now
    guard wake > now else { return false }
    if let armed, armed > now, armed <= wake { return true }
    let (seconds, attoseconds) = wake.sinceBoot.components
    // Rounded up: a timer that rings a fraction early would cost a turn in vain.
    let nanoseconds = attoseconds / 1_000_000_000 + (attoseconds % 1_000_000_000 > 0 ? 1 : 0)
    try SystemError.check(
      nanoseconds < 1_000_000_000
        ? wack_timer_arm(timer.rawValue, seconds, nanoseconds)
        : wack_timer_arm(timer.rawValue, seconds + 1, 0),
      "set the timer"
    )
    armed = wake
    return true
  }

  /// Runs the handlers of the descriptors that are ready; returns how many there were.
  @discardableResult
  private func dispatch(waiting: Bool) throws(SystemError) -> Int {
    let count = epoll_wait(poller.rawValue, ready.baseAddress, Self.batch, waiting ? -1 : 0)
    guard count >= 0 else {
      if errno == EINTR { return 0 }
      throw SystemError("wait for events", .last)
    }
    var handled = 0
    for index in 0..<Int(count) {
      let event = ready[index]
      guard event.data.u64 != Self.timerKey else {
        armed = nil
        continue
      }
      let watch = Watch(key: event.data.u64)
      let slot = slots[Int(watch.slot)]
      guard slot.generation == watch.generation, let handler = slot.handler else { continue }
      var readiness = Readiness(rawValue: event.events)
      if !readiness.isDisjoint(with: .ended) { readiness.formUnion(.ended) }
      handler(readiness)
      handled += 1
    }
    return handled
  }

  private func fireAlarms() {
    guard !alarms.isEmpty else { return }
    var now = BootClock.now
    if let due = alarms.lazy.compactMap({ $0.next() }).min(), now - due > patience {
      var rounds = 0
      while rounds < Self.catchUpRounds, (try? dispatch(waiting: false)) ?? 0 > 0 { rounds += 1 }
      now = BootClock.now
    }
    for entry in alarms {
      // One alarm may remove another.
      guard let due = entry.next(), due <= now, alarms.contains(where: { $0.alarm == entry.alarm })
      else { continue }
      entry.fire(now)
    }
  }
}

extension EventLoop.Watch {
  fileprivate var key: UInt64 { UInt64(generation) << 32 | UInt64(slot) }

  fileprivate init(key: UInt64) {
    slot = UInt32(truncatingIfNeeded: key)
    generation = UInt32(truncatingIfNeeded: key >> 32)
  }
}
