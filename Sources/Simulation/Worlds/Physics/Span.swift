// SPDX-License-Identifier: Apache-2.0

/// A length of virtual time, and a point of it counted from the beginning of the world.
package struct Span: Sendable, Hashable, Comparable {
  package var nanoseconds: Int

  package init(nanoseconds: Int) { self.nanoseconds = nanoseconds }

  /// The span as near as nanoseconds can give it, rounded up.
  package init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    nanoseconds =
      Int(seconds) * 1_000_000_000 + Int((attoseconds + 999_999_999) / 1_000_000_000)
  }

  package static let zero = Span(nanoseconds: 0)
  /// A point that no world reaches.
  package static let never = Span(nanoseconds: .max)

  package static func seconds(_ value: Int) -> Self { Self(nanoseconds: value * 1_000_000_000) }
  package static func milliseconds(_ value: Int) -> Self { Self(nanoseconds: value * 1_000_000) }
  package static func microseconds(_ value: Int) -> Self { Self(nanoseconds: value * 1_000) }

  package static func < (lhs: Self, rhs: Self) -> Bool { lhs.nanoseconds < rhs.nanoseconds }
  package static func + (lhs: Self, rhs: Self) -> Self {
    Self(nanoseconds: lhs.nanoseconds + rhs.nanoseconds)
  }
  package static func - (lhs: Self, rhs: Self) -> Self {
    Self(nanoseconds: lhs.nanoseconds - rhs.nanoseconds)
  }
  package static func * (lhs: Self, rhs: Int) -> Self { Self(nanoseconds: lhs.nanoseconds * rhs) }
  package static func / (lhs: Self, rhs: Int) -> Self { Self(nanoseconds: lhs.nanoseconds / rhs) }

  /// The span in the unit that engines use.
  package var duration: Duration { .nanoseconds(nanoseconds) }
}

extension Span: CustomStringConvertible {
  /// Seconds with six decimals.
  package var description: String {
    let microseconds = nanoseconds / 1_000
    let fraction = String(microseconds % 1_000_000)
    return "\(microseconds / 1_000_000)."
      + String(repeating: "0", count: 6 - fraction.count) + fraction
  }
}
