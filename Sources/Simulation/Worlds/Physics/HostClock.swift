// SPDX-License-Identifier: Apache-2.0

package import Machine

/// The clock of one machine: it starts anywhere, runs fast or slow, and stands while a virtual
/// machine is paused.
package struct HostClock: Sendable, Equatable {
  /// World time at which the clock showed `shown`.
  private var base: Span
  private var shown: Span
  /// How much faster than the world it runs, in millionths; negative if slower.
  private let drift: Int

  package init(at now: Span, showing shown: Span, drift: Int) {
    (base, self.shown, self.drift) = (now, shown, drift)
  }

  /// What the clock shows at this time of the world.
  package func instant(at now: Span) -> Instant { Instant(sinceBoot: reading(at: now).duration) }

  /// The first time of the world at which the clock shows at least `instant`.
  package func time(of instant: Instant) -> Span {
    let target = Span(instant.sinceBoot)
    guard target > shown else { return base }
    let ahead = (target - shown).nanoseconds
    if drift == 0 { return base + Span(nanoseconds: ahead) }
    // A guess below the answer, which whole nanoseconds then correct.
    var time = base + Span(nanoseconds: ahead - ahead / 1_000_000 * drift - abs(drift) - 1)
    if drift < 0 { time = base + Span(nanoseconds: ahead) }
    time = max(time, base)
    while reading(at: time) < target {
      time = time + max(Span(nanoseconds: 1), (target - reading(at: time)) / 2)
    }
    return time
  }

  /// Stands still from `start` to `end`: the pause of a virtual machine.
  package mutating func stand(from start: Span, to end: Span) {
    shown = reading(at: start)
    base = end
  }

  private func reading(at now: Span) -> Span {
    let elapsed = max(0, (now - base).nanoseconds)
    return shown
      + Span(
        nanoseconds: elapsed + elapsed / 1_000_000 * drift + elapsed % 1_000_000 * drift / 1_000_000
      )
  }
}
