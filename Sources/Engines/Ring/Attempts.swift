// SPDX-License-Identifier: Apache-2.0

import GroupModel

/// The attempts to form a ring since the last one was installed.
///
/// Members may agree again and again to form a ring for which then no token goes round, as when one
/// link carries joins but no tokens. Nobody can tell which member it is, so after a few attempts the
/// representative tries without one of them, each time without another one.
struct Attempts: Sendable, Equatable {
  /// How many attempts in a row may be lost before the first member is suspected.
  static let tolerated = 3

  private var count = 0
  private var suspicions = 0

  /// Takes notice that a commit token goes round.
  mutating func note() { count += 1 }

  /// The member to make the next attempt without; `nil` as long as another one with all is in order.
  mutating func suspect(of agreed: Roster, besides me: NodeID) -> NodeID? {
    let others = agreed.removing(me).nodes
    guard count >= Self.tolerated, !others.isEmpty else { return nil }
    defer { suspicions += 1 }
    count = Self.tolerated - 1
    return others[others.count - 1 - suspicions % others.count]
  }
}
