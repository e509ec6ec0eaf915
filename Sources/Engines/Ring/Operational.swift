// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import RingWire

extension RingEngine {
  /// The ring works: messages are ordered and delivered (TOCS 1995, section 3; spec rules Ring.*).
  struct Operational: Sendable, Equatable {
    /// How far this member believes that its ring is still the one it knows (self-stall detection).
    enum Trust: Sendable, Equatable {
      case sure
      /// What waited in the sockets is being fed: who waits for the end of that.
      case draining(Evidence)
      /// Nothing was found: until the own token has been passed and is back, nobody above acts.
      case doubtful(passed: Bool)
    }

    /// What was found in the sockets after a stall.
    struct Evidence: Sendable, Equatable {
      var isVotedOut = false
      var join: Join?
      var departure: Departure?
      var passed = false
    }

    /// What ends the phase.
    enum Outcome: Sendable, Equatable {
      case gather(GatherReason, considering: Roster)
      /// The ring's aru stands still, on account of this member if one is named.
      case standstill(NodeID?)
      case departed
    }

    /// The idle token, kept where it rests; in a ring of one it never leaves.
    var held: Token?
    var releaseAt: Instant
    private var announceAt: Instant
    /// How many visits in a row brought nothing new.
    private var quietVisits = 0
    /// Whether somebody asked for the token since it was passed.
    private var isHurried = false
    /// Whether this member asked for the token since it had it.
    private var hasHurried = false
    private(set) var trust = Trust.sure
    private var provenAt: Instant?
    /// The last place that this member took in the order.
    private var lastOwn: UInt64 = 0
    private var departBy: Instant?

    /// Rotations that bring nothing before the token rests.
    static let patience = 2

    init(in context: inout Context) {
      releaseAt = context.now
      announceAt = context.now
      if context.home.isAlone { held = Token(sender: context.me, ring: context.home.id) }
      if context.drainBy != nil { trust = .draining(Evidence()) }
      if context.isLeaving { departBy = context.now + context.timers.tokenLoss }
    }
  }
}

// MARK: - Time

extension RingEngine.Operational {
  func deadline(in context: RingEngine.Context) -> Instant {
    var deadline = held == nil ? context.home.lossAt : releaseAt
    if let at = context.home.repeatAt { deadline = min(deadline, at) }
    if !context.home.isAlone {
      deadline = min(deadline, context.broadcastAt + context.timers.beacon)
    }
    if context.announces { deadline = min(deadline, announceAt) }
    if let departBy { deadline = min(deadline, departBy) }
    return deadline
  }

  mutating func expire(in context: inout RingEngine.Context) -> Outcome? {
    let now = context.now
    if let departBy, departBy <= now { return .departed }
    if held == nil, context.home.lossAt <= now {
      return .gather(.tokenLost, considering: context.home.members)
    }
    if held != nil, releaseAt <= now { release(in: &context) }
    if let token = context.home.tokenToRepeat(at: now, timers: context.timers) {
      context.statistics.tokensRepeated += 1
      context.emit(.send(.token(token), to: context.home.successor))
    }
    if !context.home.isAlone, context.broadcastAt + context.timers.beacon <= now {
      context.broadcastAt = now
      beacon(in: &context)
    }
    if context.announces, announceAt <= now {
      announceAt = now + context.jittered(context.timers.announcement)
      context.announce(to: context.settings.configured.subtracting(context.home.members))
    }
    return departure(in: context)
  }
}

extension RingEngine.Operational {
  /// Shows that this member lives to all that have not just heard it: the successor hears the token.
  private func beacon(in context: inout RingEngine.Context) {
    let home = context.home
    let isHeard = home.passedAt.map { context.now - $0 < context.timers.beacon / 2 } ?? false
    let silent = isHeard ? home.others.removing(home.successor) : home.others
    guard !silent.isEmpty else { return }
    let beacon = Beacon(sender: context.me, ring: context.home.id)
    context.multicast(.beacon(beacon), to: silent)
  }
}

extension RingEngine.Context {
  /// Whether this member announces its ring.
  var announces: Bool {
    home.isRepresentative && home.members.count < settings.configured.count
  }
}

// MARK: - The token

extension RingEngine.Operational {
  mutating func take(_ token: Token, in context: inout RingEngine.Context) -> Outcome? {
    if case .draining(let evidence) = trust, evidence.isVotedOut {
      context.drop(.pastRing)
      return nil
    }
    if let reason = context.home.accept(token, at: context.now, timers: context.timers) {
      context.drop(reason)
      return nil
    }
    context.statistics.tokens += 1
    if let passedAt = context.home.passedAt { noteReturn(of: passedAt, in: &context) }
    if trust == .sure, let outcome = standstill(token, in: &context) { return outcome }
    let report = context.home.report(of: token)
    context.window.adapt(
      sent: token.sequence - min(token.sequence, context.home.previousSequence),
      retransmitted: report.retransmitted
    )
    context.statistics.window = context.window.current
    // All was safe here when it was passed, so by the next visit it is everywhere: a token that
    // rests before makes members wait for what is sent next.
    let isQuiet =
      token.sequence == context.home.previousSequence && context.home.safe >= token.sequence
      && report.backlog == 0 && token.requests.isEmpty
    quietVisits = isQuiet ? min(quietVisits + 1, Self.patience) : 0
    visit(token, mayHold: !isHurried, in: &context)
    return departure(in: context)
  }

  /// Whether the token has come again and again, and found members where they were (failure to
  /// receive).
  private func standstill(_ token: Token, in context: inout RingEngine.Context) -> Outcome? {
    context.home.standstill.note(token, inRecovery: false, at: context.now)
    let verdict = context.home.standstill.judge(
      context.home.log,
      me: context.me,
      timers: context.timers
    )
    switch verdict {
    case .moving: return nil
    case .stuck(let deaf): return .standstill(deaf)
    }
  }

  /// Draws what follows from a token that came back.
  private mutating func noteReturn(of passedAt: Instant, in context: inout RingEngine.Context) {
    let rotation = context.now - passedAt
    context.statistics.rotation = rotation
    context.statistics.longestRotation = max(context.statistics.longestRotation, rotation)
    if case .doubtful(passed: true) = trust {
      trust = .sure
      context.emit(.liveness(.resumed))
    }
    prove(passedAt, in: &context)
  }

  /// Tells the layers above that the ring turns, often enough for them.
  private mutating func prove(_ passedAt: Instant, in context: inout RingEngine.Context) {
    guard trust == .sure else { return }
    if let last = provenAt, context.now - last < context.timers.tokenLoss / 32 { return }
    provenAt = context.now
    context.emit(.liveness(.rotation(passed: passedAt)))
  }

  /// One visit: answer requests, take places, report, pass on or keep, deliver.
  private mutating func visit(
    _ received: Token,
    mayHold: Bool,
    in context: inout RingEngine.Context
  ) {
    var token = received
    let again = context.home.retransmit(&token, atMost: context.settings.personalWindow)
    for packet in again { send(packet, in: &context) }
    context.statistics.retransmissions += UInt64(again.count)
    let batch = order(on: &token, besides: again.count, in: &context)
    let tail =
      context.settings.accelerated ? min(batch.count / 2, context.settings.acceleratedWindow) : 0
    for packet in batch.dropLast(tail) { send(packet, in: &context) }
    let known = context.home.previousSequence
    context.home.request(
      &token,
      upTo: context.settings.accelerated ? min(known, received.sequence) : received.sequence
    )
    context.home.updateAru(of: &token)
    context.home.updateSafe(received: received.aru)
    let isIdle = quietVisits >= Self.patience && batch.isEmpty && context.outbox.isEmpty
    if mayHold, isIdle, trust == .sure, context.home.isRestingPlace {
      held = received
      releaseAt = context.now + context.timers.idleHold
    } else {
      let share = Token.Report(
        retransmitted: UInt32(again.count),
        backlog: context.outbox.packets
      )
      pass(&token, share: share, receivedSequence: received.sequence, in: &context)
    }
    for packet in batch.suffix(tail) { send(packet, in: &context) }
    deliver(in: &context)
  }

  private mutating func pass(
    _ token: inout Token,
    share: Token.Report,
    receivedSequence: UInt64,
    in context: inout RingEngine.Context
  ) {
    (isHurried, hasHurried) = (false, false)
    context.home.pass(
      &token,
      share: share,
      receivedSequence: receivedSequence,
      at: context.now,
      timers: context.timers
    )
    context.emit(.send(.token(token), to: context.home.successor))
    switch trust {
    case .sure: break
    case .draining(var evidence):
      evidence.passed = true
      trust = .draining(evidence)
    case .doubtful: trust = .doubtful(passed: true)
    }
  }

  /// Takes places in the order for what waits, as many as flow control allows (Ring.Flow).
  private mutating func order(
    on token: inout Token,
    besides retransmitted: Int,
    in context: inout RingEngine.Context
  ) -> [DataPacket] {
    guard trust == .sure, !context.outbox.isEmpty else { return [] }
    let allowed = context.allowance(on: token, besides: retransmitted)
    var batch: [DataPacket] = []
    while batch.count < allowed, let fragments = context.outbox.takePacket() {
      batch.append(context.home.originate(.messages(fragments), on: &token))
    }
    context.statistics.packetsSent += UInt64(batch.count)
    if !batch.isEmpty { lastOwn = token.sequence }
    return batch
  }

  private func send(_ packet: DataPacket, in context: inout RingEngine.Context) {
    context.broadcastAt = context.now
    context.multicast(.data(packet), to: context.home.others)
  }

  private func deliver(in context: inout RingEngine.Context) {
    guard trust == .sure else { return }
    context.deliverReady()
    context.home.log.discard(upTo: min(context.home.safe, context.home.delivered))
  }

  /// Lets the kept token go on; in a ring of one, orders what waits.
  private mutating func release(in context: inout RingEngine.Context) {
    guard let token = held else { return }
    guard context.home.isAlone else {
      held = nil
      return visit(token, mayHold: false, in: &context)
    }
    releaseAt = context.now + context.timers.beacon
    guard trust == .sure else { return }
    while let fragments = context.outbox.takePacket() {
      context.home.originateAlone(.messages(fragments))
      context.statistics.packetsSent += 1
      deliver(in: &context)
    }
    prove(context.now, in: &context)
  }
}

extension RingEngine.Context {
  /// How many new packets this visit may send: the window less what others sent, a fair share of it
  /// by backlog, and no more in flight than is held.
  ///
  /// Fair shares add up to the window, each with one packet at least, so that whatever the others do
  /// nobody is left without a turn; the window is wide enough for that, and for as much again.
  func allowance(on token: Token, besides retransmitted: Int) -> Int {
    let members = home.members.count
    let window = max(window.current, 2 * members)
    let free = window - home.sentByOthers(token) - retransmitted
    let mine = Int(outbox.packets)
    let backlog = home.report(of: token).backlog
    let theirs = Int(backlog - min(backlog, home.share.backlog))
    let fair = 1 + (window - members) * mine / max(1, mine + theirs)
    let outstanding = token.sequence - min(token.sequence, home.safe)
    let room = maxOutstanding - Int(clamping: outstanding)
    return max(0, min(settings.personalWindow, free, fair, room))
  }
}

// MARK: - Other inputs

extension RingEngine.Operational {
  mutating func take(_ data: DataPacket, in context: inout RingEngine.Context) {
    if let reason = context.home.keep(data) { return context.drop(reason) }
    if trust == .sure { context.deliverReady() }
  }

  /// Sends what was just submitted as soon as may be.
  mutating func noteSubmission(in context: inout RingEngine.Context) {
    guard trust == .sure else { return }
    if held != nil {
      release(in: &context)
    } else if !context.home.isRestingPlace, !hasHurried, quietVisits > 0 {
      hurry(in: &context)
    }
  }

  private mutating func hurry(in context: inout RingEngine.Context) {
    hasHurried = true
    let hurry = Hurry(sender: context.me, ring: context.home.id)
    context.emit(.send(.hurry(hurry), to: context.home.restingPlace))
  }

  mutating func take(_: Hurry, in context: inout RingEngine.Context) {
    guard context.home.isRestingPlace else { return context.drop(.idleHurry) }
    guard held != nil else {
      isHurried = true
      return
    }
    release(in: &context)
  }

  /// Begins to leave: what waits is sent and made safe first, for a token time-out at most.
  mutating func leave(in context: inout RingEngine.Context) -> Outcome? {
    departBy = context.now + context.timers.tokenLoss
    if held != nil {
      release(in: &context)
    } else if !context.home.isRestingPlace {
      hurry(in: &context)
    }
    return departure(in: context)
  }

  private func departure(in context: RingEngine.Context) -> Outcome? {
    guard departBy != nil, context.outbox.isEmpty, lastOwn <= context.home.safe else { return nil }
    return .departed
  }
}

// MARK: - Stalls

extension RingEngine.Operational {
  /// The loop did not run for too long: nothing above acts until the ring is known to stand.
  mutating func distrust(in context: inout RingEngine.Context) {
    trust = .draining(Evidence())
    context.home.forgetPass()
  }

  /// Puts off what would end the phase while the sockets are being drained.
  ///
  /// - Returns: whether it was put off.
  mutating func postpone(_ change: (inout Evidence) -> Void) -> Bool {
    guard case .draining(var evidence) = trust else { return false }
    change(&evidence)
    trust = .draining(evidence)
    return true
  }

  /// Everything that waited was fed: a newer ring wins, then a member that gathers.
  ///
  /// - Returns: what was found; `nil` if the own token decides.
  mutating func endDraining(in context: inout RingEngine.Context) -> Evidence? {
    guard case .draining(let evidence) = trust else { return nil }
    guard !evidence.isVotedOut, evidence.join == nil, evidence.departure == nil else {
      return evidence
    }
    if context.home.isAlone {
      trust = .sure
      context.emit(.liveness(.resumed))
      deliver(in: &context)
    } else {
      trust = .doubtful(passed: evidence.passed)
      context.home.lossAt = context.now + context.timers.tokenLoss
    }
    return nil
  }
}
