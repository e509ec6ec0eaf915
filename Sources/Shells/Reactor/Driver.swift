// SPDX-License-Identifier: Apache-2.0

package import Machine

/// The shell's half of a state machine: it mints the time, owns the effect queue, and performs.
///
/// All effects of one event are performed before the machine sees the next. An event fed while
/// effects are being performed (often by one of them) waits in a first-in, first-out queue; its
/// bound is what the performing effect may read, which for a drain is the socket's buffer.
package final class Driver<Engine: StateMachine> {
  /// What the machine looks like between two events.
  package private(set) var machine: Engine

  private var effects = EffectQueue<Engine.Effect>()
  private var waiting: [Engine.Event] = []
  private var advanceIsDue = false
  private var busy = false
  private let clock: () -> Instant
  private let perform: (Engine.Effect) -> Void
  /// Called after the effects of an event, and of those that followed from it, have been performed.
  package var settled: () -> Void = {}

  package init(
    _ machine: Engine,
    clock: @escaping () -> Instant = { BootClock.now },
    perform: @escaping (Engine.Effect) -> Void
  ) {
    (self.machine, self.clock, self.perform) = (machine, clock, perform)
  }

  /// When ``advance()`` is due; for ``EventLoop/addAlarm(next:fire:)``.
  package var nextDeadline: Instant? { machine.nextDeadline }

  /// Gives the machine one event and performs what follows, or queues it if called by an effect.
  package func feed(_ event: Engine.Event) {
    guard !busy else {
      waiting.append(event)
      return
    }
    busy = true
    machine.handle(event, at: clock(), into: &effects)
    settle()
  }

  /// Fires the machine's due deadlines.
  package func advance() {
    guard !busy else {
      advanceIsDue = true
      return
    }
    busy = true
    machine.advance(to: clock(), into: &effects)
    settle()
  }

  /// Wakes with the loop: deadlines of the machine become an alarm.
  @discardableResult
  package func schedule(on loop: EventLoop) -> EventLoop.Alarm {
    loop.addAlarm(next: { self.nextDeadline }, fire: { _ in self.advance() })
  }

  private func settle() {
    performEffects()
    while !waiting.isEmpty || advanceIsDue {
      var events: [Engine.Event] = []
      swap(&events, &waiting)
      for event in events {
        machine.handle(event, at: clock(), into: &effects)
        performEffects()
      }
      if waiting.isEmpty, advanceIsDue {
        advanceIsDue = false
        machine.advance(to: clock(), into: &effects)
        performEffects()
      }
    }
    busy = false
    settled()
  }

  /// Performs the queue; its storage is put aside meanwhile and used again.
  private func performEffects() {
    guard !effects.isEmpty else { return }
    var batch = EffectQueue<Engine.Effect>()
    swap(&batch, &effects)
    batch.drain(perform)
    swap(&batch, &effects)
  }
}
