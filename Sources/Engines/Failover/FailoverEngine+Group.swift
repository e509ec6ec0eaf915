// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import Bytes
internal import FailoverWire
internal import GroupModel
internal import Machine

// What arrives from the group, and what goes to it.

extension FailoverEngine {
  mutating func handle(_ event: GroupEvent, in turn: inout Turn) {
    switch event {
    case .connected(let me):
      turn.emit(.note(.connected(me)))
      begin(as: me, stage: .joining, in: &turn)
      if departure == nil { turn.emit(.request(.join(settings.group))) }
    case .message(let message): received(message, in: &turn)
    case .transitional(let group):
      // What is delivered up to the view, those who do not come along may not see: nothing is
      // acquired by it before the view is known.
      if group == settings.group { session.signalled = true }
    case .view(let view): install(view, in: &turn)
    case .left(let group):
      guard group == settings.group else { return }
      begin(as: session.me, stage: .joining, in: &turn)
      // Nobody here asked for it: the backend took us out, and lets us in again.
      if departure == nil { turn.emit(.request(.join(settings.group))) }
    case .disconnected(let reason):
      turn.emit(.note(.disconnected(reason)))
      begin(as: session.me, stage: .disconnected, in: &turn)
    case .liveness(let liveness): heard(liveness, in: &turn)
    }
  }

  /// Everything that was agreed upon is void; what is held is released, unless it is to be kept.
  private mutating func begin(as me: MemberID, stage: Session.Stage, in turn: inout Turn) {
    for pending in session.pending { turn.emit(.answer(pending.ticket, .refused(.interrupted))) }
    var keeping: [VIFID] = []
    let isLost = stage == .disconnected || session.stage == .disconnected
    if isLost, settings.onBackendLoss == .keep, departure == nil {
      keeping = holdings.filter { holding in
        holding.presence == .present && isWanted(holding)
      }.map(\.vif.id)
    }
    session = Session(
      me: me,
      facts: currentFacts,
      stage: stage,
      maturesAt: turn.now + settings.mature,
      keeping: keeping
    )
  }

  private mutating func heard(_ liveness: Liveness, in turn: inout Turn) {
    switch liveness {
    case .stalled, .votedOut:
      if !session.stalled { turn.emit(.note(.stalled)) }
      session.stalled = true
      // Others went on without this node and cover everything: it waits until it has met them.
      if liveness == .votedOut { links.doubt(until: turn.now + settings.settle) }
    case .resumed:
      if session.stalled { turn.emit(.note(.resumed)) }
      session.stalled = false
    case .rotation: break
    }
  }

  // MARK: Views

  private mutating func install(_ view: GroupView, in turn: inout Turn) {
    guard view.group == settings.group else {
      dropped.foreignGroup += 1
      return
    }
    guard view.members.contains(session.me) else {
      dropped.contradiction += 1
      return
    }
    if isLeftBehind(by: view, at: turn.now) { links.doubt(until: turn.now + settings.settle) }
    // An exchange that this view cuts leaves each set with its own table, and with what was
    // delivered meanwhile.
    if case .exchanging(let exchange) = session.stage { apply(exchange.queue, in: &turn) }
    let before = session.synced
    let next = Session.View(id: view.id, members: view.members.sorted())
    let together = view.cameTogether ?? [session.me]
    session.synced = before.filter { $0 == session.me || together.contains($0) }
      .filter { next.members.contains($0) }
    session.signalled = false
    session.isKeeping = false
    session.watches = []
    session.pulse.begin(next.members, at: turn.now)
    turn.journal.view = next.id
    // Whoever was passed over and moved along counts as no server until it speaks.
    session.table.strangers = session.table.strangers.filter {
      next.members.contains($0) && together.contains($0)
    }
    let servers = next.members.filter { !session.table.strangers.contains($0) }
    let exchanging = session.synced != servers
    session.table.prune(
      to: session.synced,
      exchanging: exchanging,
      lease: settings.lease.map { $0 + Self.leaseSlack },
      dead: session.obituaries,
      journal: &turn.journal
    )
    session.obituaries = []
    if exchanging {
      turn.emit(.note(.exchange(next.id, members: next.members, mine: session.synced)))
      exchange(in: next, waiting: false, &turn)
    } else {
      let gone = before.filter { !next.members.contains($0) }
      turn.emit(.note(.departure(next.id, members: next.members, gone: gone)))
      run(next, in: &turn)
    }
  }

  /// Whether this node finds itself alone after its backend had stood still: the others went on
  /// without it and cover everything, so it waits until it has met them.
  ///
  /// A session says nothing of stalls (``Liveness``); that nothing comes back for so long shows them.
  private func isLeftBehind(by view: GroupView, at now: Instant) -> Bool {
    guard settings.isShared, let last = session.view else { return false }
    return view.members == [session.me] && last.members.count > 1
      && session.pulse.isOverdue(by: Self.standstill, at: now)
  }

  /// Begins an exchange; the lowest member of this synced set speaks for all of it.
  func beginning(_ view: Session.View, waiting: Bool, at now: Instant) -> Exchange {
    var exchange = Exchange(view: view, waiting: waiting)
    guard settings.isShared, let place = session.synced.firstIndex(of: session.me) else {
      return exchange
    }
    exchange.passesAt = now + settings.strangerTimeout
    if place > 0 { exchange.speaksAt = now + settings.strangerTimeout * place / 4 }
    return exchange
  }

  private mutating func exchange(in view: Session.View, waiting: Bool, _ turn: inout Turn) {
    session.stage = .exchanging(beginning(view, waiting: waiting, at: turn.now))
    if session.synced.first == session.me { speak(in: view, &turn) }
  }

  /// Tells what this synced set agrees on.
  mutating func speak(in view: Session.View, _ turn: inout Turn) {
    let report = session.table.report(for: view.id, round: view.round, at: turn.now)
    multicast(.state(report), in: &turn)
  }

  private mutating func run(_ view: Session.View, in turn: inout Turn) {
    session.stage = .running(view)
    session.balancesAt = turn.now + settings.balanceInterval
    if session.table.needed > 0, !session.table.hasQuorum {
      let has = session.table.records.count
      turn.emit(.note(.quorum(has: has, needs: session.table.needed, view.id)))
    }
  }

  // MARK: Messages

  private mutating func received(_ message: GroupMessage, in turn: inout Turn) {
    guard message.groups.contains(settings.group) else {
      dropped.foreignGroup += 1
      return
    }
    guard let view = session.view, view.members.contains(message.sender) else {
      dropped.stranger += 1
      return
    }
    let decoded: FailoverMessage
    do {
      decoded = try FailoverMessage(decoding: message.payload, as: settings.protocolVersion)
    } catch .unknown("kind", _) {
      dropped.unknownKind += 1
      return
    } catch {
      dropped.malformed += 1
      return
    }
    session.pulse.hear(message.sender, at: turn.now)
    if message.sender == session.me { heardMyself(decoded, in: &turn) }
    switch decoded {
    case .state(let report): take(report, from: message.sender, in: &turn)
    case .without(let report): goOn(without: report, from: message.sender, in: &turn)
    case .facts, .mature, .released, .moveFailed, .cancel, .balance, .heartbeat, .suspect, .order:
      takeOrQueue(decoded, from: message.sender, in: &turn)
    }
  }

  private mutating func takeOrQueue(
    _ message: FailoverMessage,
    from sender: MemberID,
    in turn: inout Turn
  ) {
    guard case .exchanging(var exchange) = session.stage else {
      apply(message, from: sender, in: &turn)
      return
    }
    if case .balance = message {
      dropped.balanceDuringExchange += 1
      return
    }
    session.stage = .joining  // So that the queue is not copied.
    if !exchange.keep(message, from: sender) { dropped.queueFull += 1 }
    session.stage = .exchanging(exchange)
  }

  private mutating func take(
    _ report: StateReport,
    from sender: MemberID,
    in turn: inout Turn
  ) {
    if case .running(let view) = session.stage, report.view == view.id,
      report.round == view.round &+ 1, session.table.strangers.contains(sender)
    {
      // Who was passed over speaks: all exchange their tables once more.
      turn.emit(.note(.spoke(view.id, sender)))
      var next = view
      next.round = report.round
      exchange(in: next, waiting: false, &turn)
    }
    guard case .exchanging(var exchange) = session.stage, report.view == exchange.view.id,
      report.round == exchange.view.round
    else {
      dropped.staleView += 1
      return
    }
    let forgotten = exchange.isToForget ? exchange.queue : []
    guard exchange.take(report, from: sender, synced: session.synced) else {
      dropped.contradiction += 1
      return
    }
    forget(forgotten, in: &turn)
    proceed(exchange, in: &turn)
  }

  private mutating func goOn(
    without report: WithoutReport,
    from sender: MemberID,
    in turn: inout Turn
  ) {
    guard case .exchanging(var exchange) = session.stage, report.view == exchange.view.id,
      report.round == exchange.view.round, sender == exchange.representative
    else {
      dropped.staleSuspicion += 1
      return
    }
    exchange.pass(report.members)
    proceed(exchange, in: &turn)
  }

  private mutating func proceed(_ exchange: Exchange, in turn: inout Turn) {
    if exchange.isComplete {
      complete(exchange, in: &turn)
    } else {
      session.stage = .exchanging(exchange)
    }
  }

  /// All tables are known: one comes of them, and the view becomes one synced set.
  private mutating func complete(_ exchange: Exchange, in turn: inout Turn) {
    let silent = exchange.silent
    guard !silent.contains(session.me) else { return beginAgain(after: exchange, in: &turn) }
    session.table = Table(merging: exchange.reports, journal: &turn.journal)
    session.table.strangers = silent
    session.synced = session.table.members
    if !silent.isEmpty { turn.emit(.note(.passedOver(exchange.view.id, silent))) }
    let conflicts = session.table.claims.count { !$0.removals.isEmpty }
    turn.emit(.note(.merged(exchange.view.id, sets: exchange.reports.count, conflicts: conflicts)))
    run(exchange.view, in: &turn)
    // What a member that had been passed over was told by its operator is in what it reported.
    if let facts = session.table[session.me]?.facts { agreed(upTo: facts.serial, in: &turn) }
    apply(exchange.queue, in: &turn)
    links.settle()
    // The neighbours of the other sets may have learnt another holder: the keeper tells them.
    let mature = exchange.reports.count { $0.records.contains(where: \.mature) }
    if mature > 1 {
      for index in holdings.indices { holdings[index].owesAnnouncement = true }
    }
  }

  /// The others went on without this member, which counts as holding nothing: it speaks anew.
  private mutating func beginAgain(after exchange: Exchange, in turn: inout Turn) {
    turn.emit(.note(.passedOver(exchange.view.id, exchange.silent)))
    forget(exchange.queue, in: &turn)
    let facts = currentFacts
    session.table = Table(
      alone: MemberRecord(member: session.me, mature: session.isMature, facts: facts)
    )
    session.tale = Tale(told: facts)
    session.synced = [session.me]
    var next = exchange.view
    next.round &+= 1
    self.exchange(in: next, waiting: true, &turn)
  }

  /// What the others did not act on, since they had passed over its sender, has no effect here either.
  private mutating func forget(_ queue: [Exchange.Queued], in turn: inout Turn) {
    for queued in queue where queued.sender == session.me {
      answerOrder(queued.message, with: .interrupted, in: &turn)
    }
  }

  private mutating func apply(_ queue: [Exchange.Queued], in turn: inout Turn) {
    for queued in queue { apply(queued.message, from: queued.sender, in: &turn) }
  }

  private mutating func apply(
    _ message: FailoverMessage,
    from sender: MemberID,
    in turn: inout Turn
  ) {
    guard session.table[sender] != nil else {
      if session.table.strangers.contains(sender) {
        dropped.unspoken += 1
      } else {
        dropped.stranger += 1
      }
      if sender == session.me { answerOrder(message, with: .interrupted, in: &turn) }
      return
    }
    session.table.heard(sender, journal: &turn.journal)
    do throws(Table.Rejection) {
      switch message {
      case .state, .without, .heartbeat: break
      case .facts(let report):
        if sender == session.me { tookEffect(report, in: &turn) }
        try session.table.apply(report, from: sender, journal: &turn.journal)
      case .mature: try session.table.mature(by: sender, journal: &turn.journal)
      case .released(let vif, let id):
        try session.table.released(vif, id, by: sender, journal: &turn.journal)
      case .moveFailed(let vif, let id):
        try session.table.cancel(vif, id, by: sender, as: .failed, journal: &turn.journal)
      case .cancel(let vif, let id, let member):
        try session.table.cancel(vif, id, by: member, as: .cancelled, journal: &turn.journal)
      case .balance(let report): balance(report, from: sender, in: &turn)
      case .suspect(let view, let member):
        guard view == session.view?.id, sender == deputy(for: member) else {
          dropped.staleSuspicion += 1
          return
        }
        try session.table.suspect(member, by: sender, journal: &turn.journal)
      case .order(_, let order):
        let refusal = apply(order, from: sender, in: &turn)
        if sender == session.me { answerOrder(message, with: refusal, in: &turn) }
      }
    } catch {
      switch error {
      case .stranger: dropped.stranger += 1
      case .staleMove: dropped.staleMove += 1
      }
    }
  }

  /// Who is to say that a member is silent.
  func deputy(for member: MemberID) -> MemberID? {
    session.table.records.first { !$0.suspected && $0.member != member }?.member
  }

  private mutating func balance(
    _ report: BalanceReport,
    from sender: MemberID,
    in turn: inout Turn
  ) {
    guard report.view == session.view?.id else {
      dropped.staleView += 1
      return
    }
    guard sender == session.table.representative else {
      dropped.notEntitled += 1
      return
    }
    session.table.balance(report.moves, journal: &turn.journal)
  }

  private mutating func heardMyself(_ message: FailoverMessage, in turn: inout Turn) {
    switch message {
    case .mature: session.maturing = false
    case .facts(let report): if report.facts.leaving { disconnect(in: &turn) }
    case .heartbeat(let number):
      guard let view = session.view, let sent = session.pulse.came(number, in: view.id) else {
        return
      }
      turn.emit(.proven(sent))
    case .state, .released, .moveFailed, .cancel, .balance, .without, .suspect, .order: break
    }
  }

  // MARK: Sending

  mutating func multicast(_ message: FailoverMessage, in turn: inout Turn) {
    let request = GroupRequest.multicast(
      groups: [settings.group],
      service: .agreed,
      tag: 0,
      payload: message.encoded(as: settings.protocolVersion)
    )
    turn.emit(.request(request))
  }

  mutating func refused(
    _ request: GroupRequest,
    _ refusal: GroupRefusal,
    in turn: inout Turn
  ) {
    switch refusal {
    case .congested:
      guard session.unsent.count < Exchange.queueLimit else {
        dropped.queueFull += 1
        return
      }
      session.unsent.append(request)
      session.resendsAt = turn.now + .milliseconds(10)
    case .disconnected: break  // The end of the session voids it.
    case .tooLong, .destinations, .privateName, .unsupported:
      turn.emit(.note(.notSent(refusal)))
    }
  }
}
