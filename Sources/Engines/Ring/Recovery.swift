// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import RingWire

extension RingEngine {
  /// Exchanging what is left of the old rings on the new one (TOCS 1995, section 5; ICDCS 1994;
  /// spec rules Recovery.*).
  struct Recovery: Sendable, Equatable {
    /// What every member said of its past, as the commit token brought it.
    private let commit: CommitToken
    /// Those that come from the same old ring as this member.
    private let transitional: Roster
    /// Whose messages must be delivered, hole or not: decided from exchanged values.
    private let obligations: Roster
    /// The highest sequence number that one of ``transitional`` had delivered on the old ring.
    private let delivered: UInt64
    /// The highest sequence number that one of ``transitional`` holds of the old ring.
    private let highest: UInt64
    /// Which old messages this member need not rebroadcast, from `first` on.
    private var isDone: [Bool]
    private let first: UInt64

    /// When the commit token is to be repeated; `nil` once something showed that it arrived.
    private var repeatAt: Instant?
    private var cleanVisits = 0
    private var installSequence: UInt64?
    private var laterVisits = 0

    /// Takes the commit token at its second sight, and passes it.
    init(_ token: CommitToken, in context: inout Context) {
      var passed = token
      passed.hop += 1
      passed.sender = context.me
      commit = passed
      let kin = Kin(of: context.home, in: token, me: context.me, isInstalled: context.isInstalled)
      transitional = kin.members
      obligations = kin.obligations
      delivered = kin.delivered
      highest = min(kin.highest, context.home.log.floor + UInt64(MessageLog.limit))
      // What was discarded here all members hold, whatever an aru says.
      first = max(kin.aru, context.home.log.floor) + 1
      if kin.mustRebroadcast {
        context.home.received = nil
        isDone = Array(repeating: false, count: highest >= first ? Int(highest - first) + 1 : 0)
      } else {
        isDone = []
      }
      context.next = LiveRing(
        id: token.ring,
        members: token.roster,
        incarnations: token.members.map(\.incarnation),
        known: token.known,
        dissenters: context.dissenters(in: token),
        me: context.me,
        longestMessage: context.settings.longestMessage,
        lossAt: context.now + context.timers.tokenLoss
      )
      context.next.standstill.restart(at: context.now)
      sendCommit(in: &context)
    }
  }
}

extension RingEngine.Recovery {
  /// The members that share an old ring, and what follows from what they said of it.
  private struct Kin {
    var members: Roster
    var obligations: Roster
    var aru: UInt64
    var delivered: UInt64
    var highest: UInt64
    var mustRebroadcast: Bool

    init(of home: LiveRing, in token: CommitToken, me: NodeID, isInstalled: Bool) {
      members = [me]
      obligations = home.obligations.inserting(me)
      (aru, delivered, highest) = (home.log.aru, home.delivered, home.log.highest)
      mustRebroadcast = false
      guard isInstalled else { return }
      var flags: [RingID?] = []
      for entry in token.members {
        guard let past = entry.past, past.ring == home.id, home.members.contains(entry.node)
        else { continue }
        members = members.inserting(entry.node)
        // Nobody is bound to strangers, and a set of more than all members could not be told.
        let bound = past.obligations.intersection(home.members)
        obligations = obligations.union(bound).inserting(entry.node)
        aru = min(aru, past.aru)
        delivered = max(delivered, past.delivered)
        highest = max(highest, past.highest)
        flags.append(past.received)
      }
      // Flags of one attempt mean that all hold the same messages; of several they do not.
      let allReceived = flags.allSatisfy { $0 != nil && $0 == flags[0] }
      mustRebroadcast = members.count > 1 && !allReceived
    }
  }

  private mutating func sendCommit(in context: inout RingEngine.Context) {
    guard !context.next.isAlone else { return }
    repeatAt = context.now + context.timers.tokenRetransmit
    context.emit(.send(.commitToken(commit), to: context.next.successor))
  }

  func deadline(in context: RingEngine.Context) -> Instant {
    var deadline = context.next.lossAt
    if let repeatAt { deadline = min(deadline, repeatAt) }
    if let at = context.next.repeatAt { deadline = min(deadline, at) }
    return deadline
  }

  /// Repeats tokens.
  ///
  /// - Returns: whether the token of the new ring is lost.
  mutating func expire(in context: inout RingEngine.Context) -> Bool {
    guard context.next.lossAt > context.now else { return true }
    if let at = repeatAt, at <= context.now { sendCommit(in: &context) }
    if let token = context.next.tokenToRepeat(at: context.now, timers: context.timers) {
      context.statistics.tokensRepeated += 1
      context.emit(.send(.token(token), to: context.next.successor))
    }
    return false
  }

  /// Whether the commit token came back to the representative after both rounds.
  func mayStart(_ token: CommitToken, in context: RingEngine.Context) -> Bool {
    token.ring == context.next.id && context.next.isRepresentative && context.next.hop == 0
      && Int(token.hop) == 2 * commit.members.count
  }

  /// Keeps a message of the new ring, and what it brings of the old one.
  mutating func take(_ data: DataPacket, in context: inout RingEngine.Context) {
    if let reason = context.next.keep(data) { return context.drop(reason) }
    repeatAt = nil
    if case .recovered(let old) = data.content { recover(old, in: &context) }
    setFlag(in: &context)
  }

  private mutating func recover(_ old: DataPacket.Recovered, in context: inout RingEngine.Context) {
    guard context.isInstalled, old.ring == context.home.id, old.sequence <= highest else { return }
    let data = DataPacket(
      sender: old.originator,
      originator: old.originator,
      ring: old.ring,
      sequence: old.sequence,
      content: .messages(old.fragments)
    )
    _ = context.home.keep(data)
    if old.sequence >= first, old.sequence - first < UInt64(isDone.count) {
      isDone[Int(old.sequence - first)] = true
    }
  }
}

// MARK: - The token

extension RingEngine.Recovery {
  /// Takes the token of the new ring.
  ///
  /// - Returns: what becomes of the new ring.
  mutating func take(_ token: Token, in context: inout RingEngine.Context) -> Outcome {
    if let reason = context.next.accept(token, at: context.now, timers: context.timers) {
      context.drop(reason)
      return .goesOn
    }
    context.statistics.tokens += 1
    repeatAt = nil
    context.next.standstill.note(token, inRecovery: true, at: context.now)
    let verdict = context.next.standstill.judge(
      context.next.log,
      me: context.me,
      timers: context.timers
    )
    if case .stuck(let deaf) = verdict { return .standstill(deaf) }
    return visit(token, in: &context) ? .installed : .goesOn
  }

  /// What a visit of the token brought.
  enum Outcome: Sendable, Equatable {
    case goesOn
    case installed
    /// The exchange stands still, on account of this member if one is named.
    case standstill(NodeID?)
  }

  /// One visit of the token: exchange, agree that nothing is left, install.
  mutating func visit(_ received: Token, in context: inout RingEngine.Context) -> Bool {
    var token = received
    let again = context.next.retransmit(&token, atMost: context.settings.personalWindow)
    context.statistics.retransmissions += UInt64(again.count)
    for packet in again { context.multicast(.data(packet), to: context.next.others) }
    rebroadcast(&token, in: &context)
    let share = Token.Report(
      retransmitted: UInt32(again.count),
      backlog: remaining(in: context)
    )
    context.next.request(&token, upTo: received.sequence)
    context.next.updateAru(of: &token)
    context.next.updateSafe(received: received.aru)
    let isInstalled = advanceStage(received, in: &context)
    let successor = context.next.successor
    context.next.pass(
      &token,
      share: share,
      receivedSequence: received.sequence,
      at: context.now,
      timers: context.timers
    )
    // A member delivers a configuration before anybody can see that it did.
    if isInstalled {
      install(in: &context)
    } else {
      context.next.log.discard(upTo: context.next.safe)
    }
    context.emit(.send(.token(token), to: successor))
    return isInstalled
  }

  /// The two stages of Recovery.Complete.
  private mutating func advanceStage(
    _ received: Token,
    in context: inout RingEngine.Context
  ) -> Bool {
    if let installSequence {
      laterVisits = received.aru >= installSequence ? laterVisits + 1 : 0
    } else {
      // At the first visit nobody has reported yet; from the second on it is everybody's report.
      let isClean = context.next.report(of: received).backlog == 0
      cleanVisits = isClean ? cleanVisits + 1 : 0
      if cleanVisits >= 2 { installSequence = received.sequence }
    }
    setFlag(in: &context)
    return laterVisits >= 2 && context.home.received != nil
  }

  /// Promises to deliver by the exchanged values, once everything exchanged is here
  /// (Recovery.Obligation).
  private func setFlag(in context: inout RingEngine.Context) {
    guard let installSequence, context.home.received == nil,
      context.next.log.aru >= installSequence
    else { return }
    context.home.received = context.next.id
    context.home.obligations = obligations
  }

  /// Rebroadcasts old messages that somebody may lack (Recovery.Exchange).
  private mutating func rebroadcast(
    _ token: inout Token,
    in context: inout RingEngine.Context
  ) {
    var count = 0
    let outstanding = token.sequence - min(token.sequence, context.next.safe)
    let room = min(
      context.settings.personalWindow,
      context.maxOutstanding - Int(clamping: outstanding)
    )
    for index in isDone.indices where !isDone[index] {
      guard count < room else { break }
      let sequence = first + UInt64(index)
      guard let entry = context.home.log[sequence],
        case .messages(let fragments) = entry.content
      else { continue }
      isDone[index] = true
      let old = DataPacket.Recovered(
        ring: context.home.id,
        originator: entry.originator,
        sequence: sequence,
        fragments: fragments
      )
      let packet = context.next.originate(.recovered(old), on: &token)
      context.multicast(.data(packet), to: context.next.others)
      context.statistics.rebroadcasts += 1
      count += 1
    }
  }

  private func remaining(in context: RingEngine.Context) -> UInt32 {
    var count: UInt32 = 0
    for index in isDone.indices where !isDone[index] {
      if context.home.log[first + UInt64(index)] != nil { count += 1 }
    }
    return count
  }

  /// What a join says about this attempt.
  func judge(_ join: Join, in context: RingEngine.Context) -> RingEngine.Commit.Verdict {
    guard let incarnation = context.next.incarnation(of: join.sender) else { return .foreign }
    guard join.ringSequence >= context.next.id.sequence else { return .past }
    return .disputed(incarnation == join.incarnation ? .memberGathers : .memberRestarted)
  }
}

// MARK: - Installation

extension RingEngine.Recovery {
  /// Delivers what is left of the old ring and both configurations (Recovery.Deliver).
  ///
  /// Whatever decides here was exchanged, so that all of ``transitional`` decide alike.
  func install(in context: inout RingEngine.Context) {
    var sequence = context.home.delivered
    while sequence < highest, let entry = context.home.log[sequence + 1] {
      if entry.isSafe, sequence + 1 > delivered { break }
      sequence += 1
      context.deliver(entry)
    }
    if context.isInstalled {
      let configuration = Delivery.TransitionalConfiguration(
        from: context.home.id,
        to: context.next.id,
        members: transitional
      )
      context.emit(.deliver(.transitional(configuration)))
      deliverRest(after: sequence, in: &context)
    }
    context.install(cameTogether: transitional)
  }

  private func deliverRest(after last: UInt64, in context: inout RingEngine.Context) {
    var sequence = last
    var isAfterHole = false
    while sequence < highest {
      sequence += 1
      guard let entry = context.home.log[sequence] else {
        isAfterHole = true
        continue
      }
      guard !isAfterHole || obligations.contains(entry.originator) else { continue }
      if entry.isSafe { context.statistics.safeInTransitional += 1 }
      context.deliver(entry)
    }
    if isAfterHole { context.statistics.recoveriesWithHoles += 1 }
  }
}
