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
      session = Session(
        me: me,
        facts: currentFacts,
        stage: .joining,
        maturesAt: turn.now + settings.mature
      )
      if departure == nil { turn.emit(.request(.join(settings.group))) }
    case .message(let message): received(message, in: &turn)
    case .transitional: break  // What is delivered up to the view is the same for all who go on.
    case .view(let view): install(view, in: &turn)
    case .left(let group):
      if group == settings.group { detach(stage: .joining, in: &turn) }
    case .disconnected(let reason):
      turn.emit(.note(.disconnected(reason)))
      detach(stage: .disconnected, in: &turn)
    case .liveness(let liveness): heard(liveness, in: &turn)
    }
  }

  /// Everything that was agreed upon is void; what is held is released.
  private mutating func detach(stage: Session.Stage, in turn: inout Turn) {
    session = Session(
      me: session.me,
      facts: currentFacts,
      stage: stage,
      maturesAt: turn.now + settings.mature
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
    // An exchange that this view cuts leaves each set with its own table, and with what was
    // delivered meanwhile.
    if case .exchanging(let exchange) = session.stage { apply(exchange.queue, in: &turn) }
    let before = session.synced
    let next = Session.View(id: view.id, members: view.members.sorted())
    let together = view.cameTogether ?? [session.me]
    session.synced = before.filter { $0 == session.me || together.contains($0) }
      .filter { next.members.contains($0) }
    session.stalled = false
    session.watches = []
    turn.journal.view = next.id
    let exchanging = session.synced != next.members
    session.table.prune(to: session.synced, exchanging: exchanging, journal: &turn.journal)
    if exchanging {
      turn.emit(.note(.exchange(next.id, members: next.members, mine: session.synced)))
      session.stage = .exchanging(Exchange(view: next))
      if session.synced.first == session.me {
        multicast(.state(session.table.report(for: next.id)), in: &turn)
      }
    } else {
      let gone = before.filter { !next.members.contains($0) }
      turn.emit(.note(.departure(next.id, members: next.members, gone: gone)))
      run(next, in: &turn)
    }
  }

  private mutating func run(_ view: Session.View, in turn: inout Turn) {
    session.stage = .running(view)
    session.balancesAt = turn.now + settings.balanceInterval
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
      decoded = try FailoverMessage(decoding: message.payload)
    } catch .unknown("kind", _) {
      dropped.unknownKind += 1
      return
    } catch {
      dropped.malformed += 1
      return
    }
    if message.sender == session.me { heardMyself(decoded, in: &turn) }
    if case .state(let report) = decoded {
      take(report, from: message.sender, in: &turn)
    } else {
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
    guard case .exchanging(var exchange) = session.stage, report.view == exchange.view.id else {
      dropped.staleView += 1
      return
    }
    guard exchange.take(report, from: sender, synced: session.synced) else {
      dropped.contradiction += 1
      return
    }
    guard exchange.isComplete else {
      session.stage = .exchanging(exchange)
      return
    }
    complete(exchange, in: &turn)
  }

  /// All tables are known: one comes of them, and the view becomes one synced set.
  private mutating func complete(_ exchange: Exchange, in turn: inout Turn) {
    session.table = Table(merging: exchange.reports, journal: &turn.journal)
    session.synced = exchange.view.members
    let conflicts = session.table.claims.count { !$0.removals.isEmpty }
    turn.emit(.note(.merged(exchange.view.id, sets: exchange.reports.count, conflicts: conflicts)))
    run(exchange.view, in: &turn)
    apply(exchange.queue, in: &turn)
    links.settle()
    // The neighbours of the other sets may have learnt another holder: the keeper tells them.
    let mature = exchange.reports.count { $0.records.contains(where: \.mature) }
    if mature > 1 {
      for index in holdings.indices { holdings[index].owesAnnouncement = true }
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
    do throws(Table.Rejection) {
      switch message {
      case .state: break
      case .facts(let report):
        if sender == session.me { session.tale.tookEffect(serial: report.facts.serial) }
        try session.table.apply(report, from: sender, journal: &turn.journal)
      case .mature: try session.table.mature(by: sender, journal: &turn.journal)
      case .released(let vif, let id):
        try session.table.released(vif, id, by: sender, journal: &turn.journal)
      case .moveFailed(let vif, let id):
        try session.table.cancel(vif, id, by: sender, as: .failed, journal: &turn.journal)
      case .cancel(let vif, let id, let member):
        try session.table.cancel(vif, id, by: member, as: .cancelled, journal: &turn.journal)
      case .balance(let report): balance(report, from: sender, in: &turn)
      }
    } catch {
      switch error {
      case .stranger: dropped.stranger += 1
      case .staleMove: dropped.staleMove += 1
      }
    }
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
    guard sender == session.table.records.first?.member else {
      dropped.notEntitled += 1
      return
    }
    session.table.balance(report.moves, journal: &turn.journal)
  }

  private mutating func heardMyself(_ message: FailoverMessage, in turn: inout Turn) {
    switch message {
    case .mature: session.maturing = false
    case .facts(let report): if report.facts.leaving { disconnect(in: &turn) }
    case .state, .released, .moveFailed, .cancel, .balance: break
    }
  }

  // MARK: Sending

  mutating func multicast(_ message: FailoverMessage, in turn: inout Turn) {
    let request = GroupRequest.multicast(
      groups: [settings.group],
      service: .agreed,
      tag: 0,
      payload: message.encoded()
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
    case .tooLong, .unsupported:
      turn.emit(.note(.notSent(refusal)))
    }
  }
}
