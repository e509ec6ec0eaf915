// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import FailoverWire
internal import GroupModel
internal import Machine

// This node's interfaces: what the table asks of them, and what the kernel answers.

extension FailoverEngine {
  /// How long a failed removal rests before it is tried again.
  private static let removalRetry = Duration.seconds(1)
  /// How long a change of facts waits for the removals that it is to report.
  private static let removalPatience = Duration.milliseconds(500)

  // MARK: What is wanted

  /// Whether the VIF may be on this node's interfaces.
  ///
  /// Of health the table alone decides, which everybody has; an interface that carries nothing
  /// counts at once.
  func isWanted(_ holding: Holding) -> Bool {
    departure == nil && (session.view != nil || session.isKeeping) && session.isMature
      && session.hasQuorum && holding.isCurrent && readiness(of: holding.vif).isUsable
      && session.table[holding.vif.id]?.holder == session.me
      && !session.tale.withdraws(holding.vif.id)
  }

  /// Whether it may be put there: only by an agreed table, and when nobody has yet to remove it.
  private func mayAcquire(_ holding: Holding, at now: Instant) -> Bool {
    isWanted(holding) && session.isRunning && !session.stalled && !session.signalled
      && !isFenced(holding.vif.id, at: now)
      && session.table[holding.vif.id]?.removals.isEmpty ?? false
  }

  private func isFenced(_ vif: VIFID, at now: Instant) -> Bool {
    session.table.fence(of: vif).map { now < $0 } ?? false
  }

  /// Asks the kernel for what differs from what is wanted.
  mutating func reconcile(_ turn: inout Turn) {
    if holdings.contains(where: { $0.successor == nil }) {
      holdings = holdings.filter { holding in
        !holding.isAbsent || holding.successor != nil || isTableWaiting(for: holding.vif.id)
      }
    }
    for index in holdings.indices {
      holdings[index].succeed()
      switch holdings[index].presence {
      case .absent:
        if mayAcquire(holdings[index], at: turn.now) { acquire(index, in: &turn) }
      case .stuck(let retry):
        if mayAcquire(holdings[index], at: turn.now) {
          acquire(index, in: &turn)
        } else if retry <= turn.now, isWanted(holdings[index]) {
          holdings[index].presence = .stuck(retry: turn.now + Self.removalRetry)
        } else if retry <= turn.now {
          release(index, in: &turn)
        }
      case .present:
        if !isWanted(holdings[index]) { release(index, in: &turn) }
      case .adding, .removing: break
      }
    }
  }

  /// Whether the table expects something of this node about the VIF.
  private func isTableWaiting(for vif: VIFID) -> Bool {
    guard session.view != nil, let claim = session.table[vif] else { return false }
    return claim.holder == session.me || claim.removals.contains { $0.member == session.me }
  }

  private mutating func acquire(_ index: Int, in turn: inout Turn) {
    holdings[index].presence = .adding
    turn.emit(.note(.acquiring(holdings[index].vif.id, turn.journal.view)))
    turn.emit(.acquire(holdings[index].vif))
  }

  private mutating func release(_ index: Int, in turn: inout Turn) {
    let vif = holdings[index].vif
    holdings[index].presence = .removing
    holdings[index].announcesAgain = nil
    holdings[index].owesAnnouncement = false
    turn.emit(.note(.releasing(vif.id, session.view?.id, releaseReason(vif))))
    turn.emit(.cancelAnnouncements(vif.id))
    turn.emit(.release(vif))
  }

  private func releaseReason(_ vif: VirtualInterface) -> Reason {
    if departure != nil { return .leaving }
    if session.view == nil { return .disconnected }
    if !session.hasQuorum { return .quorum }
    guard settings.vifs.contains(vif) else { return .reconfigured }
    let readiness = readiness(of: vif)
    return readiness.isUsable ? .asked : .notEligible(readiness)
  }

  // MARK: Completions

  mutating func acquired(_ vif: VIFID, _ outcome: Outcome, in turn: inout Turn) {
    guard let index = holdings.sortedIndex(of: vif, by: \.vif.id),
      holdings[index].presence == .adding
    else {
      dropped.unexpectedCompletion += 1
      return
    }
    switch outcome {
    case .done:
      holdings[index].presence = .present
      holdings[index].owesAnnouncement = true
      turn.emit(.note(.acquired(vif, session.view?.id)))
    case .failed(let text):
      turn.emit(.note(.refused(vif, operation: .acquire, text: text)))
      links.refuse(vif, until: turn.now + settings.retryAfterFailure)
      release(index, in: &turn)  // Some of its addresses may be there.
    }
  }

  /// An addition was not begun; it is asked for anew if it is still wanted.
  mutating func recalled(_ vif: VIFID) {
    guard let index = holdings.sortedIndex(of: vif, by: \.vif.id),
      holdings[index].presence == .adding
    else {
      dropped.unexpectedCompletion += 1
      return
    }
    holdings[index].presence = .absent
  }

  /// What was held cannot be kept: it is given up, as if it could not have been added.
  mutating func lost(_ vif: VIFID, _ text: String, in turn: inout Turn) {
    guard let index = holdings.sortedIndex(of: vif, by: \.vif.id),
      holdings[index].presence == .present
    else {
      dropped.unexpectedCompletion += 1
      return
    }
    turn.emit(.note(.refused(vif, operation: .keep, text: text)))
    links.refuse(vif, until: turn.now + settings.retryAfterFailure)
    release(index, in: &turn)
  }

  mutating func released(_ vif: VIFID, _ outcome: Outcome, in turn: inout Turn) {
    guard let index = holdings.sortedIndex(of: vif, by: \.vif.id),
      holdings[index].presence == .removing
    else {
      dropped.unexpectedCompletion += 1
      return
    }
    switch outcome {
    case .done:
      holdings[index].presence = .absent
      turn.emit(.note(.released(vif, session.view?.id)))
    case .failed(let text):
      holdings[index].presence = .stuck(retry: turn.now + Self.removalRetry)
      turn.emit(.note(.refused(vif, operation: .release, text: text)))
    }
  }

  /// Tells the others how the removals ended that they asked of this node.
  mutating func answerRemovals(_ turn: inout Turn) {
    guard session.view != nil else { return }
    for index in holdings.indices {
      let vif = holdings[index].vif.id
      guard
        let removal = session.table[vif]?.removals.first(where: { $0.member == session.me })
      else { continue }
      switch holdings[index].presence {
      case .absent:
        guard holdings[index].answered != removal.id else { continue }
        holdings[index].answered = removal.id
        multicast(.released(vif, removal.id), in: &turn)
      case .stuck:
        guard holdings[index].confessed != removal.id else { continue }
        holdings[index].confessed = removal.id
        multicast(.moveFailed(vif, removal.id), in: &turn)
      case .adding, .present, .removing: break
      }
    }
  }

  /// Announces what is held and has to be told.
  mutating func announceOwed(_ turn: inout Turn) {
    for index in holdings.indices where holdings[index].owesAnnouncement && !session.stalled {
      guard holdings[index].presence != .adding else { continue }
      holdings[index].owesAnnouncement = false
      if holdings[index].presence == .present, isWanted(holdings[index]) {
        turn.emit(.announce(holdings[index].vif))
      }
    }
  }

  // MARK: Facts

  /// What this node says of itself now.
  var currentFacts: Facts {
    Facts(
      serial: session.tale.told.serial,
      weight: settings.weight,
      drained: isDrained,
      leaving: departure != nil,
      shared: SharedSettings(
        functionVersion: min(settings.protocolVersion, SharedSettings.newestFunction),
        acquisitionsPerRound: settings.acquisitionsPerRound,
        apart: settings.apart.map { $0.sorted() },
        policy: settings.policy,
        quorum: settings.quorum
      ),
      vifs: settings.vifs.map { vif in
        VIFFact(
          id: vif.id,
          readiness: readiness(of: vif),
          preferred: settings.prefers.contains(vif.id)
        )
      },
      failing: failing
    )
  }

  /// Whether this node's own messages say of it that it cannot have the VIF.
  private func isUnusable(_ holding: Holding) -> Bool {
    guard departure == nil, let vif = holding.successor else { return true }
    return !readiness(of: vif).isUsable
  }

  /// Tells the others what changed; at once, or when the removals that go with it have ended.
  mutating func tellFacts(_ turn: inout Turn) {
    let facts = currentFacts
    guard facts != session.tale.told || holdsInVain || isMisunderstood else {
      session.tale.waitsUntil = nil
      return
    }
    guard session.view != nil else {
      // Nobody else relies on it yet.
      session.rebase(facts)
      return
    }
    let unusable = holdings.filter(isUnusable)
    let waitsUntil = session.tale.waitsUntil ?? turn.now + Self.removalPatience
    if turn.now < waitsUntil,
      unusable.contains(where: { $0.presence == .adding || $0.presence == .removing })
    {
      session.tale.waitsUntil = waitsUntil
      return
    }
    let withdrawn = unusable.filter(\.isAbsent).map(\.vif.id)
    multicast(.facts(session.tale.tell(facts, withdrawn: withdrawn)), in: &turn)
  }

  /// Whether the table gives this node a VIF that it has already said it cannot hold, and that it
  /// has removed since.
  private var holdsInVain: Bool {
    guard session.isRunning, !session.tale.isUnderway else { return false }
    return holdings.contains { holding in
      holding.isAbsent && session.table[holding.vif.id]?.holder == session.me
        && isUnusable(holding)
    }
  }

  /// Whether the table has other facts of this node than it told: an older member, which speaks for
  /// all of its set, passes on only what it understands.
  private var isMisunderstood: Bool {
    guard session.isRunning, !session.tale.isUnderway, session.table.function >= 2,
      let known = session.table[session.me]?.facts, known.serial == session.tale.told.serial
    else { return false }
    return known != session.tale.told
  }
}
