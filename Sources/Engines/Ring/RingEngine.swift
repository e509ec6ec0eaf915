// SPDX-License-Identifier: Apache-2.0

package import GroupModel
package import Machine
package import RingWire

/// The Totem single ring with Extended Virtual Synchrony.
///
/// ```
///            all agree                second sight          nothing left to recover
///   Gather ------------> Commit ------------------> Recovery ----------------------> Operational
///     ^                    |                           |                                 |
///     +--- token lost, a member gathers, leaves or restarts, a merge, a stall, voted out -+
/// ```
///
/// Sources: Amir, Moser, Melliar-Smith, Agarwal, Ciarfella, "The Totem Single-Ring Ordering and
/// Membership Protocol", TOCS 13(4), 1995; Moser, Amir, Melliar-Smith, Agarwal, "Extended Virtual
/// Synchrony", ICDCS 1994; Babay, Amir, "Fast Total Ordering for Modern Data Centers", ICDCS 2016.
///
/// Deviations from the papers:
/// - A foreign ring is merged with only after contact in both directions, never on a stray message.
/// - A member is judged by its silence, whatever the phase, and beacons keep it from being silent.
/// - After three rings in a row for which no token went round, the representative tries without one
///   of the members, each time without another one.
/// - The received flag names the attempt it was set in: flags of different attempts do not mean
///   that their owners hold the same messages, so then these are rebroadcast again.
/// - The rebroadcast flag of the token is its backlog, a sum that every member keeps up to date.
/// - Reliable, FIFO and causal messages are delivered in agreed order, which is more than they ask.
package struct RingEngine: StateMachine {
  private var context: Context
  private var phase: Phase

  /// Begins to gather.
  ///
  /// - Parameters:
  ///   - settings: what the engine is to know at its start.
  ///   - storedSequenceBound: the highest bound that ``Effect/store(bound:)`` ever put on stable
  ///     storage; ring sequences up to it may have been used. Without stable storage: the clock, in
  ///     milliseconds.
  ///   - random: must differ between the runs of one member.
  ///   - now: the time.
  package init(
    settings: Settings,
    storedSequenceBound: UInt64,
    random: SplitMix64,
    startingAt now: Instant
  ) {
    context = Context(
      settings: settings,
      storedSequenceBound: storedSequenceBound,
      random: random,
      now: now
    )
    let gather = Gather(.started, considering: [settings.me], in: &context)
    phase = .gather(gather)
    _ = context.effects.takeAll()
  }

  package var nextDeadline: Instant? { context.drainBy ?? phase.deadline(in: context) }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    swap(&context.effects, &effects)
    defer { swap(&context.effects, &effects) }
    let isStalled = begin(at: now)
    // Last of all, so that what is fed meets a shell with nothing left to do.
    defer { if isStalled { context.emit(.drain) } }
    switch event {
    case .received(let packet):
      if context.admits(packet) { phase.receive(packet, in: &context) }
    case .submit(let service, let payload):
      if context.take(service, payload) { phase.submitted(in: &context) }
    case .stored(let bound):
      context.sequences.noteStored(bound)
      phase.stored(in: &context)
    case .notStored:
      context.sequences.noteNotStored()
      phase.notStored(in: &context)
    case .drained:
      drained()
    case .reconfigure(let settings): context.wanted = settings
    case .leave:
      context.isLeaving = true
      phase.leave(in: &context)
    }
    reconfigure()
  }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    swap(&context.effects, &effects)
    defer { swap(&context.effects, &effects) }
    if begin(at: now) { return context.emit(.drain) }
    if let drainBy = context.drainBy {
      guard drainBy <= context.now else { return }
      drained()
    }
    fire()
    reconfigure()
  }

  /// Takes on what is to be, if the ring stands.
  private mutating func reconfigure() {
    guard context.wanted != nil, isTrusted, !context.isLeaving else { return }
    phase.reconfigure(in: &context)
  }

  /// Fires every deadline that is due.
  private mutating func fire() {
    while let deadline = phase.deadline(in: context), deadline <= context.now {
      phase.expire(in: &context)
    }
  }

  /// Notes the time, and whether the loop missed its own deadline by more than a token time-out.
  ///
  /// - Returns: whether it did, and the sockets must be drained before any timer is believed.
  private mutating func begin(at now: Instant) -> Bool {
    // A loop that called since then did run, however late its timers are.
    let due = nextDeadline.map { max($0, context.now) }
    context.begin(at: now)
    guard context.hasBegun, context.drainBy == nil, let due,
      context.now - due > context.timers.tokenLoss
    else {
      context.hasBegun = true
      return false
    }
    let gap = context.now - due
    context.statistics.stalls += 1
    context.note(.stalled(gap))
    context.emit(.liveness(.stalled(gap)))
    context.drainBy = context.now + context.timers.tokenLoss
    context.sequences.forgetWaiting()
    phase.distrust(in: &context)
    return true
  }

  private mutating func drained() {
    guard context.drainBy != nil else { return context.drop(.unexpected) }
    context.drainBy = nil
    context.peers.forgive(at: context.now)
    phase.drained(in: &context)
    // What came due during the stall must not look like another one.
    fire()
  }
}

extension RingEngine {
  package var statistics: Statistics { context.statistics }
  package var phaseName: PhaseName { phase.name }
  /// What tells this run of the member from its other runs.
  package var incarnation: Incarnation { context.incarnation }
  /// The regular configuration delivered last; `nil` before the first.
  package var ring: RingID? { context.isInstalled ? context.home.id : nil }
  /// The members of ``ring``; empty before the first.
  package var members: Roster { context.isInstalled ? context.home.members : .empty }
  /// Whether ``ring`` is believed to stand: not while another is formed, nor after a stall before
  /// its token has come back.
  package var isTrusted: Bool {
    switch phase {
    case .operational(let operational): operational.trust == .sure
    case .gather, .commit, .recovery, .departed: false
    }
  }
  /// The members of the ring that would be gone, or at another address, with these settings: they must
  /// leave first.
  package func membersInTheWay(of settings: Settings) -> Roster {
    context.membersInTheWay(of: settings)
  }
  /// The members that are configured.
  package var configured: Roster { context.settings.configured }
  /// Messages taken from the layer above that have no place in the order yet.
  package var backlog: Int { context.outbox.count }
  /// About how many packets the messages take that wait for a place in the order.
  package var backlogPackets: Int { Int(context.outbox.packets) }
  /// Whether the layer above should wait: half of the room for messages is used.
  package var isCongested: Bool { context.outbox.isCongested }
}

// MARK: - Events other than packets

extension RingEngine.Phase {
  mutating func expire(in context: inout RingEngine.Context) {
    switch consume self {
    case .gather(let gather):
      self = .settled(gather, in: &context)
    case .commit(var commit):
      self =
        commit.expire(in: &context)
        ? .gathering(.commitLost, considering: commit.members, in: &context)
        : .committed(commit, in: &context)
    case .recovery(var recovery):
      self =
        recovery.expire(in: &context)
        ? .gathering(.recoveryLost, considering: context.next.members, in: &context)
        : .recovery(recovery)
    case .operational(var operational):
      let outcome = operational.expire(in: &context)
      self = operational.phase(after: outcome, in: &context) ?? .operational(operational)
    case .departed:
      self = .departed
    }
  }

  mutating func submitted(in context: inout RingEngine.Context) {
    switch consume self {
    case .operational(var operational):
      operational.noteSubmission(in: &context)
      self = .operational(operational)
    case .gather(let gather): self = .gather(gather)
    case .commit(let commit): self = .commit(commit)
    case .recovery(let recovery): self = .recovery(recovery)
    case .departed: self = .departed
    }
  }

  mutating func stored(in context: inout RingEngine.Context) {
    guard case .commit(var commit) = self else { return }
    commit.proceedAfterStoring(in: &context)
    self = .committed(commit, in: &context)
  }

  mutating func notStored(in context: inout RingEngine.Context) {
    guard case .commit(var commit) = self else { return }
    commit.proceedWithoutStoring(in: &context)
    self = .committed(commit, in: &context)
  }

  /// Takes on other members and time-outs; only what works can be asked to.
  mutating func reconfigure(in context: inout RingEngine.Context) {
    guard case .operational = self, let wanted = context.wanted else { return }
    context.wanted = nil
    let inTheWay = context.membersInTheWay(of: wanted)
    guard inTheWay.isEmpty else { return context.note(.notReconfigured(stillMembers: inTheWay)) }
    let known = context.settings.known
    context.take(wanted)
    context.note(.reconfigured)
    guard context.settings.known != known else { return }
    self = .gathering(.reconfigured, considering: context.home.members, in: &context)
  }

  mutating func leave(in context: inout RingEngine.Context) {
    switch consume self {
    case .operational(var operational):
      let outcome = operational.leave(in: &context)
      self = operational.phase(after: outcome, in: &context) ?? .operational(operational)
    case .gather, .commit, .recovery: self = .departed(in: &context)
    case .departed: self = .departed
    }
  }

  mutating func distrust(in context: inout RingEngine.Context) {
    switch consume self {
    case .operational(var operational):
      operational.distrust(in: &context)
      self = .operational(operational)
    case .gather(let gather): self = .gather(gather)
    case .commit(let commit): self = .commit(commit)
    case .recovery(let recovery): self = .recovery(recovery)
    case .departed: self = .departed
    }
  }

  mutating func drained(in context: inout RingEngine.Context) {
    switch consume self {
    case .operational(var operational):
      let next = operational.drained(in: &context)
      self = next ?? .operational(operational)
    case .gather(let gather):
      let roster = gather.considered.subtracting(gather.failed)
      self = .gathering(.stalled, considering: roster, in: &context)
    case .commit(let commit):
      self = .gathering(.stalled, considering: commit.members, in: &context)
    case .recovery:
      self = .gathering(.stalled, considering: context.next.members, in: &context)
    case .departed: self = .departed
    }
  }
}

extension RingEngine.Context {
  /// Whether a packet is for the phases to judge; its sender counts as heard.
  fileprivate mutating func admits(_ packet: Packet) -> Bool {
    let sender = packet.sender
    guard sender != me else {
      drop(.ownPacket)
      return false
    }
    guard let index = peers.nodes.index(of: sender) else {
      drop(.notConfigured)
      return false
    }
    peers[index].heard = now
    return true
  }

  /// Queues a message; refused ones are noted.
  fileprivate mutating func take(_ service: Service, _ payload: [UInt8]) -> Bool {
    if let reason = refusal(of: payload.count) {
      drop(reason)
      note(.refused(reason))
      return false
    }
    statistics.messagesSubmitted += 1
    outbox.append(service: service, payload: payload)
    return true
  }

  private func refusal(of length: Int) -> RingEngine.DropReason? {
    if isLeaving { return .leaving }
    if length > settings.longestMessage { return .tooLong }
    return outbox.hasRoom ? nil : .backlogFull
  }
}
