// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import Machine

/// How often this node's own eligibility changed, and whether it rests because of that.
struct Flaps: Sendable, Hashable {
  /// Until when this node declares itself ineligible.
  private(set) var restsUntil: Instant?
  /// When eligibility changed, oldest first; only within the window.
  private var changes: [Instant] = []
  /// The VIFs that could be held at the last look, in ascending order.
  private var able: [VIFID]?
  /// How long the next rest is, and when calm has lasted long enough to begin anew.
  private var nextRest: Duration?
  private var calmAt: Instant?

  /// Takes what this node could hold now; returns how long it is to rest, if it is.
  mutating func observe(
    _ present: [VIFID],
    at now: Instant,
    by rule: FailoverEngine.Flapping
  ) -> Duration? {
    defer { able = present }
    guard let able, able != present, restsUntil == nil else { return nil }
    if let calm = calmAt, calm <= now { (nextRest, calmAt) = (nil, nil) }
    changes.removeAll { now - $0 > rule.window }
    changes.append(now)
    guard changes.count > rule.limit else { return nil }
    let rest = min(nextRest ?? rule.rest, rule.longestRest)
    nextRest = min(rest * 2, rule.longestRest)
    restsUntil = now + rest
    calmAt = now + rest + rule.longestRest
    changes = []
    return rest
  }

  /// The configuration changed: what can be held is another matter.
  mutating func forget() { able = nil }

  mutating func expire(at now: Instant) {
    if let until = restsUntil, until <= now { restsUntil = nil }
  }
}
