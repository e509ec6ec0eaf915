// SPDX-License-Identifier: Apache-2.0

/// Which counters of one boot of one member have been taken already.
///
/// A counter is fresh if it is above the highest seen, or within the window below it and not seen.
/// Source: RFC 6479, with whole words shifted out as the window moves.
package struct ReplayWindow: Sendable, Equatable {
  /// How far below the highest counter one may lie and still be judged, in packets.
  package static let width: UInt64 = 1_024

  private static let words = 17
  private var highest: UInt64 = 0
  private var started = false
  /// One bit for each counter, at (counter / 64) modulo 17 words; one word more than the width, so
  /// that moving by less than a word never erases what must still be known.
  private var bits = [UInt64](repeating: 0, count: Self.words)

  package init() {}

  /// A window in which the counter, and all below it, have been taken.
  package init(upTo counter: UInt64) {
    (highest, started) = (counter, true)
    bits = [UInt64](repeating: .max, count: Self.words)
    // What follows in the same word has not.
    bits[Self.word(counter)] = Self.bit(counter) | (Self.bit(counter) - 1)
  }

  /// Whether the counter was not taken before and is not too old to tell.
  package func isFresh(_ counter: UInt64) -> Bool {
    guard started, counter <= highest else { return true }
    guard highest - counter < Self.width else { return false }
    return bits[Self.word(counter)] & Self.bit(counter) == 0
  }

  /// Marks the counter as taken; only for what is authentic and fresh.
  package mutating func take(_ counter: UInt64) {
    if !started || counter > highest {
      let from = started ? highest / 64 : 0
      let steps = started ? min(counter / 64 - from, UInt64(Self.words)) : UInt64(Self.words)
      for step in 0..<steps { bits[Int((counter / 64 &- step) % UInt64(Self.words))] = 0 }
      (highest, started) = (counter, true)
    }
    bits[Self.word(counter)] |= Self.bit(counter)
  }

  private static func word(_ counter: UInt64) -> Int { Int(counter / 64 % UInt64(words)) }
  private static func bit(_ counter: UInt64) -> UInt64 { 1 << (counter % 64) }
}
