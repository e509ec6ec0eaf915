// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import FailoverWire
internal import GroupModel
package import Machine

// What happens because time passes, and what is kept of the past.

extension FailoverEngine {
  /// How long after the end of a conflict its keeper announces once more.
  private static let secondAnnouncement = Duration.seconds(1)

  package var nextDeadline: Instant? {
    guard departure != .departed else { return nil }
    var deadlines = [links.nextDeadline, session.resendsAt, session.tale.waitsUntil]
    for holding in holdings {
      deadlines.append(holding.retry)
      deadlines.append(holding.announcesAgain)
    }
    if session.isRunning {
      if !session.isMature, !session.maturing { deadlines.append(session.maturesAt) }
      if session.isRepresentative { deadlines.append(session.balancesAt) }
      deadlines += session.watches.map(\.deadline)
    }
    if case .leaving(let deadline, _) = departure { deadlines.append(deadline) }
    return deadlines.compactMap(\.self).min()
  }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    guard departure != .departed else { return }
    var turn = Turn(at: now, view: session.view?.id)
    links.expire(at: now)
    resend(&turn)
    for index in holdings.indices {
      if let again = holdings[index].announcesAgain, again <= now {
        holdings[index].announcesAgain = nil
        holdings[index].owesAnnouncement = true
      }
    }
    if session.isRunning { expireAgreed(&turn) }
    finish(&turn)
    for effect in turn.effects { effects.append(effect) }
  }

  private mutating func resend(_ turn: inout Turn) {
    guard let due = session.resendsAt, due <= turn.now else { return }
    session.resendsAt = nil
    for request in session.unsent { turn.emit(.request(request)) }
    session.unsent = []
  }

  /// The timers of a settled view.
  private mutating func expireAgreed(_ turn: inout Turn) {
    if !session.isMature, !session.maturing, session.maturesAt <= turn.now {
      session.maturing = true
      multicast(.mature, in: &turn)
    }
    if session.balancesAt <= turn.now {
      session.balancesAt = turn.now + settings.balanceInterval
      if session.isRepresentative, let view = session.view {
        let moves = session.table.balancing()
        if !moves.isEmpty {
          multicast(.balance(BalanceReport(view: view.id, moves: moves)), in: &turn)
        }
      }
    }
    for index in session.watches.indices {
      if let deadline = session.watches[index].deadline, deadline <= turn.now {
        expire(watch: index, in: &turn)
      }
    }
  }

  /// A removal took too long: it is cancelled, unless it is that of the loser of a merge.
  private mutating func expire(watch index: Int, in turn: inout Turn) {
    let watch = session.watches[index]
    session.watches[index].isOverdue = true
    session.watches[index].deadline = nil
    guard session.isRepresentative, let claim = session.table[watch.vif] else { return }
    let removal = claim.removals.first { $0.member == watch.member && $0.id == watch.id }
    guard removal != nil, claim.isCancellable else {
      session.watches[index].deadline = turn.now + settings.moveTimeout
      return
    }
    multicast(.cancel(watch.vif, watch.id, watch.member), in: &turn)
  }

  /// Keeps one watch for each removal that the table waits for.
  mutating func watchRemovals(at now: Instant) {
    guard session.isRunning else {
      session.watches = []
      return
    }
    var watches: [Watch] = []
    for claim in session.table.claims {
      for removal in claim.removals {
        var watch = Watch(
          vif: claim.vif,
          member: removal.member,
          id: removal.id,
          deadline: now + settings.moveTimeout
        )
        let known = session.watches.first {
          $0.vif == claim.vif && $0.member == removal.member && $0.id == removal.id
        }
        if let known { watch = known }
        watches.append(watch)
      }
    }
    session.watches = watches
  }

  /// Takes what changed in the table into log and status, and finds what is to be announced.
  mutating func digest(_ turn: inout Turn) {
    for note in turn.journal.takeNotes() {
      turn.emit(.note(note))
      switch note {
      case .assigned(let vif, _, _, _, let reason):
        guard let index = holdings.sortedIndex(of: vif, by: \.vif.id) else { continue }
        holdings[index].since = turn.now
        holdings[index].reason = reason.description
      case .removed(let vif, let member, _, _, _):
        guard member != session.me, session.table[vif]?.holder == session.me,
          let index = holdings.sortedIndex(of: vif, by: \.vif.id),
          holdings[index].presence == .present
        else { continue }
        holdings[index].owesAnnouncement = true
        holdings[index].announcesAgain = turn.now + Self.secondAnnouncement
      case .departure, .exchange, .merged, .matured, .removing, .acquiring, .acquired, .releasing,
        .released, .refused, .link, .facts, .connected, .disconnected, .notSent, .stalled,
        .resumed, .leaving, .departed:
        break
      }
    }
  }
}
