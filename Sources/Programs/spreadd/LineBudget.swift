// SPDX-License-Identifier: Apache-2.0

import Machine

/// How many lines clients may cause in the log: many at once, as after a restart, and few in the long
/// run, so that one which comes and goes all the time does not fill the disk.
struct LineBudget {
  private static let most = 2_000
  private static let perSecond = 20

  private var left = most
  private var filledUntil: Instant
  private var refused: UInt64 = 0

  init(at now: Instant) { filledUntil = now }

  /// Takes a line; `nil` if it is to be left out, or how many were since the last one.
  mutating func take(at now: Instant) -> UInt64? {
    let seconds = max(0, (now - filledUntil).components.seconds)
    if seconds > 0 {
      left += Int(min(seconds, Int64(Self.most))) * Self.perSecond
      left = min(left, Self.most)
      filledUntil += .seconds(seconds)
    }
    guard left > 0 else {
      refused += 1
      return nil
    }
    left -= 1
    defer { refused = 0 }
    return refused
  }
}
