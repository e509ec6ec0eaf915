// SPDX-License-Identifier: Apache-2.0

/// A point on a machine's clock; the shell mints it from CLOCK_BOOTTIME, a simulation from zero.
package struct Instant: Sendable, Hashable, Comparable {
  /// Time since the machine booted; never negative.
  package let sinceBoot: Duration

  package init(sinceBoot: Duration) { self.sinceBoot = sinceBoot }

  /// The instant a machine's clock starts at.
  package static let boot = Instant(sinceBoot: .zero)

  package static func < (lhs: Self, rhs: Self) -> Bool { lhs.sinceBoot < rhs.sinceBoot }
  package static func + (lhs: Self, rhs: Duration) -> Self {
    Self(sinceBoot: lhs.sinceBoot + rhs)
  }
  package static func - (lhs: Self, rhs: Self) -> Duration { lhs.sinceBoot - rhs.sinceBoot }
  package static func += (lhs: inout Self, rhs: Duration) { lhs = lhs + rhs }
}
