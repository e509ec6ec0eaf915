// SPDX-License-Identifier: Apache-2.0

package import Machine

/// The one source of randomness of a world.
package struct Chance: Sendable, Equatable {
  private var generator: SplitMix64

  package init(seed: UInt64) { generator = SplitMix64(seed: seed) }

  /// The next 64 random bits.
  package mutating func bits() -> UInt64 { generator.next() }

  /// A whole number from 0 up to, not including, `limit`; 0 if `limit` is not positive.
  package mutating func below(_ limit: Int) -> Int {
    guard limit > 0 else { return 0 }
    return Int(truncatingIfNeeded: generator.next().multipliedFullWidth(by: UInt64(limit)).high)
  }

  /// A whole number of the range; its lower bound if it holds only that.
  package mutating func within(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + below(range.upperBound - range.lowerBound + 1)
  }

  /// A span of virtual time in the range.
  package mutating func within(_ range: ClosedRange<Span>) -> Span {
    Span(nanoseconds: within(range.lowerBound.nanoseconds...range.upperBound.nanoseconds))
  }

  /// Whether something with this probability in a million happens.
  package mutating func happens(perMillion: Int) -> Bool { below(1_000_000) < perMillion }

  /// Whether something with this probability in a hundred happens.
  package mutating func happens(percent: Int) -> Bool { below(100) < percent }

  /// One of these, each as likely as the next; `nil` of nothing.
  package mutating func pick<Element>(_ choices: [Element]) -> Element? {
    choices.isEmpty ? nil : choices[below(choices.count)]
  }

  /// One host of the set; `nil` of the empty set.
  package mutating func pick(_ hosts: HostSet) -> Int? {
    guard !hosts.isEmpty else { return nil }
    return hosts.member(at: below(hosts.count))
  }

  /// A span whose lengths are exponentially distributed, at most eight times `mean`.
  package mutating func wait(mean: Span) -> Span {
    // -ln(u) in units of 2^-16, from the halvings of u and a series: no floating point, so that it
    // is the same everywhere.
    let bits = generator.next()
    let halvings = bits.leadingZeroBitCount
    let rest = halvings < 64 ? bits << UInt64(halvings) : 1 << 63
    // u is (1 - x) / 2^halvings, with x below 1/2 since the first bit of the rest is set.
    let x = Int((UInt64.max - rest) >> 48)
    var (power, logarithm) = (x, x)
    for term in 2...8 {
      power = (power * x) >> 16
      logarithm += power / term
    }
    let units = min(halvings * 45_426 + logarithm, 8 << 16)
    return Span(nanoseconds: mean.nanoseconds / 65_536 * units)
  }

  /// An independent generator.
  package mutating func fork() -> SplitMix64 { SplitMix64(seed: generator.next()) }
}
