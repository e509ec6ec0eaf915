// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import FailoverWire
internal import GroupModel
internal import Machine

// What operators ask for.

extension FailoverEngine {
  mutating func handle(_ command: Command, _ ticket: Ticket, in turn: inout Turn) {
    guard departure == nil else { return turn.emit(.answer(ticket, .refused(.leaving))) }
    switch command {
    case .drain: drain(true, ticket, in: &turn)
    case .resume: drain(false, ticket, in: &turn)
    case .move(let vif, let node): send(.move(vif, node), ticket, in: &turn)
    case .prefer(let vif, let node): send(.prefer(vif, node), ticket, in: &turn)
    case .balance: send(.balance, ticket, in: &turn)
    case .announce(let vif): send(.announce(vif), ticket, in: &turn)
    case .reload(let settings): reload(settings, ticket, in: &turn)
    }
  }

  // MARK: Drain

  private mutating func drain(_ isDrained: Bool, _ ticket: Ticket, in turn: inout Turn) {
    if self.isDrained != isDrained {
      self.isDrained = isDrained
      turn.emit(.keep(drained: isDrained))
      turn.emit(.note(.drained(isDrained)))
    }
    let isTold = session.tale.told.drained == isDrained
    guard session.view != nil, !isTold || session.tale.isUnderway else {
      return turn.emit(.answer(ticket, .done))
    }
    let serial = isTold ? session.tale.told.serial : session.tale.told.serial &+ 1
    session.pending.append(Pending(ticket: ticket, message: .facts(serial)))
  }

  /// Own facts took effect.
  mutating func tookEffect(_ report: FactsReport, in turn: inout Turn) {
    session.tale.tookEffect(serial: report.facts.serial)
    agreed(upTo: report.facts.serial, in: &turn)
  }

  /// All have own facts of this serial.
  mutating func agreed(upTo known: UInt64, in turn: inout Turn) {
    answer(.done, in: &turn) { message in
      switch message {
      case .facts(let serial): serial <= known
      case .order: false
      }
    }
  }

  private mutating func answer(
    _ answer: Answer,
    in turn: inout Turn,
    where isMeant: (Pending.Message) -> Bool
  ) {
    for pending in session.pending where isMeant(pending.message) {
      turn.emit(.answer(pending.ticket, answer))
    }
    session.pending.removeAll { isMeant($0.message) }
  }

  // MARK: Orders to all

  private mutating func send(_ order: OperatorOrder, _ ticket: Ticket, in turn: inout Turn) {
    guard session.view != nil else { return turn.emit(.answer(ticket, .refused(.notInGroup))) }
    if session.table.function < 2,
      let older = session.table.records.first(where: { $0.facts.shared.functionVersion < 2 })
    {
      return turn.emit(.answer(ticket, .refused(.olderMember(older.member))))
    }
    guard session.pending.count < Exchange.queueLimit else {
      return turn.emit(.answer(ticket, .refused(.congested)))
    }
    session.lastOrder &+= 1
    session.pending.append(Pending(ticket: ticket, message: .order(session.lastOrder)))
    multicast(.order(session.lastOrder, order), in: &turn)
  }

  /// An order is delivered: the same to all members, at the same place of the order.
  mutating func apply(
    _ order: OperatorOrder,
    from sender: MemberID,
    in turn: inout Turn
  ) -> Refusal? {
    if session.table.function < 2 {
      return session.table.records.first { $0.facts.shared.functionVersion < 2 }
        .map { .olderMember($0.member) }
    }
    switch order {
    case .prefer(let vif, let node):
      return session.table.override(
        vif,
        to: node,
        moving: false,
        by: sender.node,
        journal: &turn.journal
      )
    case .move(let vif, let node):
      return session.table.override(
        vif,
        to: node,
        moving: true,
        by: sender.node,
        journal: &turn.journal
      )
    case .balance:
      if session.isRepresentative { sendBalance(in: &turn) }
      return nil
    case .announce(let vif):
      guard let claim = session.table[vif] else { return .unknownVIF(vif) }
      guard let holder = claim.holder, !claim.pending else { return .notHeld(vif) }
      if holder == session.me, let index = holdings.sortedIndex(of: vif, by: \.vif.id) {
        holdings[index].owesAnnouncement = true
      }
      return nil
    }
  }

  mutating func answerOrder(
    _ message: FailoverMessage,
    with refusal: Refusal?,
    in turn: inout Turn
  ) {
    guard case .order(let number, _) = message else { return }
    answer(refusal.map { .refused($0) } ?? .done, in: &turn) { $0 == .order(number) }
  }

  // MARK: Reload

  private mutating func reload(_ new: Settings, _ ticket: Ticket, in turn: inout Turn) {
    var problems = new.problems
    if new.node != settings.node { problems.append("the name of this node changes at start only") }
    if new.group != settings.group { problems.append("the group changes at start only") }
    if new.isShared != settings.isShared { problems.append("the backend changes at start only") }
    guard problems.isEmpty else {
      return turn.emit(.answer(ticket, .refused(.settings(problems))))
    }
    settings = new
    links.watch(new.vifs)
    for index in holdings.indices {
      let vif = holdings[index].vif
      holdings[index].successor = new.vifs.sortedIndex(of: vif.id, by: \.id).map { new.vifs[$0] }
    }
    for vif in new.vifs where holdings.sortedIndex(of: vif.id, by: \.vif.id) == nil {
      let index = holdings.insertionIndex(of: vif.id, by: \.vif.id)
      holdings.insert(Holding(vif, at: turn.now), at: index)
    }
    turn.emit(.note(.reloaded))
    turn.emit(.answer(ticket, .done))
  }
}
