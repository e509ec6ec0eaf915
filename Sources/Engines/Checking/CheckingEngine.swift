// SPDX-License-Identifier: Apache-2.0

package import Health
package import Machine
package import RunnerWire

/// Runs health checks in time and judges what they find.
///
/// A check's first run decides at once. After that it takes `rise` runs in a row that go well, or
/// `fall` that do not, to turn the judgement. A run that lasts too long has failed. Runs of one check
/// never overlap: one that lasts longer than the interval delays the next.
package struct CheckingEngine: StateMachine {
  /// What can happen to the checks.
  package enum Event: Sendable, Equatable {
    /// Have these checks from now on; those known by name that ask the same go on as they were.
    case setUp([RunnerMessage.Setup])
    /// A run has ended; the text says what it found.
    case finished(Run, good: Bool, String)
  }

  package enum Effect: Sendable, Equatable {
    case start(Run, Check.Probe)
    /// Stop a run that nobody waits for any more.
    case stop(Run)
    /// The state of a check is another one, or known for the first time.
    case report(CheckReport)
  }

  /// One run of one check.
  package struct Run: Sendable, Hashable {
    package let number: UInt64
  }

  private struct Entry: Sendable, Equatable {
    var check: Check
    var state: CheckState
    /// How many runs in a row have ended against the present state.
    var contrary = 0
    /// When the next run begins; while one is under way, not before that has ended.
    var due: Instant
    var underWay: UnderWay?
  }

  private struct UnderWay: Sendable, Equatable {
    let run: Run
    /// When it has lasted too long.
    let until: Instant
  }

  private var entries: [Entry] = []
  private var runs: UInt64 = 0

  package init() {}

  package var nextDeadline: Instant? {
    entries.map { $0.underWay?.until ?? $0.due }.min()
  }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch event {
    case .setUp(let setups): setUp(setups, at: now, into: &effects)
    case .finished(let run, let good, let text):
      guard let index = entries.firstIndex(where: { $0.underWay?.run == run }) else { return }
      finish(index, good: good, text, at: now, into: &effects)
    }
    advance(to: now, into: &effects)
  }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    for index in entries.indices {
      if let underWay = entries[index].underWay, underWay.until <= now {
        effects.append(.stop(underWay.run))
        finish(index, good: false, "no answer in time", at: now, into: &effects)
      }
      if entries[index].underWay == nil, entries[index].due <= now {
        start(index, at: now, into: &effects)
      }
    }
  }

  private mutating func setUp(
    _ setups: [RunnerMessage.Setup],
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    var kept: [Entry] = []
    for setup in setups {
      if let index = entries.firstIndex(where: { $0.check.name == setup.check.name }) {
        var entry = entries.remove(at: index)
        if entry.check.probe == setup.check.probe {
          entry.check = setup.check
          kept.append(entry)
          continue
        }
        // Another question: what is known stands until the new one has been answered.
        if let underWay = entry.underWay { effects.append(.stop(underWay.run)) }
      }
      kept.append(Entry(check: setup.check, state: setup.state, due: now))
    }
    for underWay in entries.compactMap(\.underWay) { effects.append(.stop(underWay.run)) }
    entries = kept
  }

  private mutating func start(
    _ index: Int,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    runs += 1
    let (run, check) = (Run(number: runs), entries[index].check)
    entries[index].underWay = UnderWay(run: run, until: now + check.timing.timeout)
    // Runs that a late loop missed are not made up for.
    entries[index].due = max(entries[index].due, now) + check.timing.interval
    effects.append(.start(run, check.probe))
  }

  private mutating func finish(
    _ index: Int,
    good: Bool,
    _ text: String,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    entries[index].underWay = nil
    let (timing, before) = (entries[index].check.timing, entries[index].state)
    let found: CheckState = good ? .passed : .failed
    guard found != before else {
      entries[index].contrary = 0
      return
    }
    entries[index].contrary += 1
    let needed =
      switch before {
      case .unknown: 1
      case .passed: timing.fall
      case .failed: timing.rise
      }
    guard entries[index].contrary >= needed else { return }
    entries[index].contrary = 0
    entries[index].state = found
    let name = entries[index].check.name
    effects.append(.report(CheckReport(name: name, state: found, reason: text)))
  }
}
