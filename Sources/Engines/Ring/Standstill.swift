// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import RingWire

/// For how long the aru of a ring's token has not moved although it should.
///
/// Source: failure to receive in Totem (TOCS 1995), section 4: a member that takes tokens but not
/// the messages is found failed, since no token loss ends its ring.
struct Standstill: Sendable, Equatable {
  /// The visits without progress that a ring survives, if they also took a token time-out.
  static let patience = 16

  private var aru: UInt64 = 0
  private var sequence: UInt64 = 0
  /// Who keeps the aru low.
  private var holder: NodeID?
  private var visits = 0
  private var since: Instant
  private var until: Instant

  init(since: Instant) { (self.since, until) = (since, since) }

  /// Takes notice of a visit.
  ///
  /// In Recovery nothing at all may stand still: it ends.
  mutating func note(_ token: Token, inRecovery: Bool, at now: Instant) {
    let isStill =
      token.aru == aru && (inRecovery ? token.sequence == sequence : token.aru < token.sequence)
    until = now
    (aru, sequence, holder) = (token.aru, token.sequence, token.aruHolder)
    if visits == 0 { since = now }
    visits = isStill ? visits + 1 : 0
  }

  /// Forgets it.
  mutating func restart(at now: Instant) { (visits, since, until) = (0, now, now) }

  /// Whether it lasted for so many visits and so long; silence counts for nothing.
  private func lasts(_ visits: Int, _ duration: Duration) -> Bool {
    self.visits >= visits && until - since >= duration
  }
}

extension Standstill {
  enum Verdict: Sendable, Equatable {
    case moving
    /// The ring does not get on; with who fails to receive what this member holds, if anybody.
    case stuck(NodeID?)
  }

  /// What a member with these messages makes of it.
  ///
  /// Who holds what another one lacks says so first. If nobody can tell who it is, a new ring is
  /// made of all: what nobody holds is then given up.
  func judge(_ log: MessageLog, me: NodeID, timers: RingTimers) -> Verdict {
    if let deaf = suspect(log, me: me), lasts(Self.patience, timers.tokenLoss) {
      return .stuck(deaf)
    }
    return lasts(2 * Self.patience, timers.tokenLoss * 2) ? .stuck(nil) : .moving
  }

  /// Who has failed to receive for half of the time that is allowed.
  func accused(by me: NodeID, _ log: MessageLog, timers: RingTimers) -> NodeID? {
    guard lasts(Self.patience / 2, timers.tokenLoss / 2) else { return nil }
    return suspect(log, me: me)
  }

  private func suspect(_ log: MessageLog, me: NodeID) -> NodeID? {
    guard aru < sequence, let holder, holder != me, log.contains(aru + 1) else { return nil }
    return holder
  }
}
