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
    if let unsettledSince { return unsettledSince }
    var deadlines = [
      links.nextDeadline, session.resendsAt, session.tale.waitsUntil, flaps.restsUntil,
    ]
    for holding in holdings {
      deadlines.append(holding.retry)
      deadlines.append(holding.announcesAgain)
    }
    if session.isRunning {
      if !session.isMature, !session.maturing { deadlines.append(session.maturesAt) }
      if session.isRepresentative { deadlines.append(session.balancesAt) }
      deadlines += session.watches.map(\.deadline)
      deadlines.append(nextFence)
    }
    if case .exchanging(let exchange) = session.stage {
      deadlines += [exchange.speaksAt, exchange.passesAt]
    }
    if isPulsing { deadlines += [session.pulse.beatsAt, suspicion] }
    if case .leaving(let deadline, _) = departure { deadlines.append(deadline) }
    return deadlines.compactMap(\.self).min()
  }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    guard departure != .departed else { return }
    var turn = Turn(at: now, view: session.view?.id)
    links.expire(at: now)
    flaps.expire(at: now)
    resend(&turn)
    for index in holdings.indices {
      if let again = holdings[index].announcesAgain, again <= now {
        holdings[index].announcesAgain = nil
        holdings[index].owesAnnouncement = true
      }
    }
    pulse(&turn)
    expireExchange(&turn)
    if session.isRunning { expireAgreed(&turn) }
    session.latest = now
    finish(&turn)
    settle(&turn)
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
      if session.isRepresentative { sendBalance(in: &turn) }
    }
    for index in session.watches.indices {
      if let deadline = session.watches[index].deadline, deadline <= turn.now {
        expire(watch: index, in: &turn)
      }
    }
  }

  mutating func sendBalance(in turn: inout Turn) {
    guard let view = session.view else { return }
    let moves = session.table.balancing()
    if !moves.isEmpty {
      multicast(.balance(BalanceReport(view: view.id, moves: moves)), in: &turn)
    }
  }

  /// The next lease to run out that this node waits for.
  private var nextFence: Instant? {
    session.table.fences.filter { fence in
      fence.until > session.latest && session.table[fence.vif]?.holder == session.me
    }.map(\.until).min()
  }

  // MARK: Silence

  /// How long nothing may come back from a backend that goes on, but for one with slow timers.
  static let standstill = Duration.seconds(1)

  /// Signs of life are given where a member whose loop hangs stays in the view.
  private var isPulsing: Bool {
    settings.isShared && session.view != nil && session.table.function >= 2
  }

  /// Who is not waited for: this node, and those that count as silent already.
  private var notAwaited: [MemberID] {
    [session.me] + session.table.strangers
      + session.table.records.filter(\.suspected).map(\.member)
  }

  /// When this node, if it is the one to do so, is to call the next member silent.
  private var suspicion: Instant? {
    session.isRunning
      ? session.pulse.expiry(of: settings.silence + Self.leaseSlack, besides: notAwaited) : nil
  }

  private mutating func pulse(_ turn: inout Turn) {
    guard isPulsing, let view = session.view else { return }
    if session.pulse.beatsAt <= turn.now {
      let number = session.pulse.beat(
        every: settings.heartbeat,
        lateAfter: settings.silence / 6,
        in: view.id,
        at: turn.now
      )
      multicast(.heartbeat(number), in: &turn)
    }
    guard session.isRunning else { return }
    let limit = settings.silence + Self.leaseSlack
    for member in session.pulse.silent(for: limit, at: turn.now, besides: notAwaited) {
      session.pulse.hear(member, at: turn.now)  // Said once in a while.
      if deputy(for: member) == session.me { multicast(.suspect(view.id, member), in: &turn) }
    }
  }

  /// Speaks for a set whose lowest member is silent, and goes on without those that say nothing.
  private mutating func expireExchange(_ turn: inout Turn) {
    guard case .exchanging(var exchange) = session.stage else { return }
    if let due = exchange.speaksAt, due <= turn.now {
      exchange.speaksAt = nil
      speak(in: exchange.view, &turn)
    }
    if let due = exchange.passesAt, due <= turn.now {
      exchange.passesAt = turn.now + settings.strangerTimeout
      if exchange.representative == session.me {
        let report = WithoutReport(
          view: exchange.view.id,
          round: exchange.view.round,
          members: exchange.silent
        )
        multicast(.without(report), in: &turn)
      }
    }
    session.stage = .exchanging(exchange)
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
    // Watches are in the order of claims and their removals, as they are made here: known ones are
    // found on the way, which matters where hundreds of VIFs go at once.
    var watches: [Watch] = []
    var known = session.watches[...]
    for claim in session.table.claims {
      for removal in claim.removals {
        while let first = known.first,
          (first.vif, first.member) < (claim.vif, removal.member)
        {
          known.removeFirst()
        }
        if let first = known.first, first.vif == claim.vif, first.member == removal.member,
          first.id == removal.id
        {
          watches.append(first)
        } else {
          watches.append(
            Watch(
              vif: claim.vif,
              member: removal.member,
              id: removal.id,
              deadline: now + settings.moveTimeout
            )
          )
        }
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
        holdings[index].hasChanged = true
      case .removed(let vif, let member, _, _, _):
        guard member != session.me, session.table[vif]?.holder == session.me,
          let index = holdings.sortedIndex(of: vif, by: \.vif.id),
          holdings[index].presence == .present
        else { continue }
        holdings[index].owesAnnouncement = true
        holdings[index].announcesAgain = turn.now + Self.secondAnnouncement
      case .departure, .exchange, .merged, .matured, .removing, .acquiring, .acquired, .releasing,
        .released, .refused, .link, .facts, .connected, .disconnected, .notSent, .stalled,
        .resumed, .check, .flapping, .drained, .passedOver, .spoke, .silence, .override, .quorum,
        .fenced, .reloaded, .leaving, .departed:
        break
      }
    }
  }
}
