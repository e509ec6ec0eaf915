// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import RingWire

extension RingEngine {
  /// The membership algorithm: which phase the member is in.
  enum Phase: Sendable, Equatable {
    case gather(Gather)
    case commit(Commit)
    case recovery(Recovery)
    case operational(Operational)
    /// The member has left.
    case departed

    var name: PhaseName {
      switch self {
      case .gather: .gather
      case .commit: .commit
      case .recovery: .recovery
      case .operational: .operational
      case .departed: .departed
      }
    }

    func deadline(in context: Context) -> Instant? {
      switch self {
      case .gather(let gather): gather.deadline(in: context)
      case .commit(let commit): commit.deadline
      case .recovery(let recovery): recovery.deadline(in: context)
      case .operational(let operational): operational.deadline(in: context)
      case .departed: nil
      }
    }
  }
}

// MARK: - Packets

extension RingEngine.Phase {
  /// The transition table: each pair of phase and packet has its line, each assigns `self`.
  mutating func receive(_ packet: Packet, in context: inout RingEngine.Context) {
    switch (consume self, packet) {
    case (.gather(let gather), .data(let data)):
      context.keepInGather(data)
      self = .gather(gather)
    case (.gather(var gather), .join(let join)):
      gather.hear(join, in: &context)
      self = .settled(gather, in: &context)
    case (.gather(let gather), .commitToken(let token)):
      self = .answered(token, by: gather, in: &context)
    case (.gather(var gather), .announcement(let announcement)):
      gather.hear(announcement, in: &context)
      self = .settled(gather, in: &context)
    case (.gather(var gather), .departure(let departure)):
      gather.hear(departure, in: &context)
      self = .settled(gather, in: &context)
    case (.gather(let gather), .token), (.gather(let gather), .hurry):
      context.drop(.unexpected)
      self = .gather(gather)
    case (.gather(let gather), .beacon):
      self = .gather(gather)

    case (.commit(let commit), .join(let join)):
      self = .judged(join, commit.judge(join), commit.members, in: &context) ?? .commit(commit)
    case (.commit(let commit), .commitToken(let token)):
      self = .completed(commit, by: token, in: &context)
    case (.commit(let commit), .departure(let departure)):
      self = .left(departure, commit, in: &context) ?? .commit(commit)
    case (.commit(let commit), .data(let data)):
      context.drop(data.ring == context.home.id ? .afterExchange : .foreignRing)
      self = .commit(commit)
    case (.commit(let commit), .announcement):
      context.drop(.idleAnnouncement)
      self = .commit(commit)
    case (.commit(let commit), .token), (.commit(let commit), .hurry):
      context.drop(.unexpected)
      self = .commit(commit)
    case (.commit(let commit), .beacon):
      self = .commit(commit)

    case (.recovery(var recovery), .data(let data)):
      recovery.receive(data, in: &context)
      self = .recovery(recovery)
    case (.recovery(let recovery), .token(let token)):
      self = .visited(recovery, by: token, in: &context)
    case (.recovery(let recovery), .commitToken(let token)):
      self = .started(recovery, by: token, in: &context)
    case (.recovery(let recovery), .join(let join)):
      let verdict = recovery.judge(join, in: context)
      self =
        .judged(join, verdict, context.next.members, in: &context) ?? .recovery(recovery)
    case (.recovery(let recovery), .departure(let departure)):
      self = .left(departure, in: &context) ?? .recovery(recovery)
    case (.recovery(let recovery), .announcement):
      context.drop(.idleAnnouncement)
      self = .recovery(recovery)
    case (.recovery(let recovery), .hurry):
      context.drop(.unexpected)
      self = .recovery(recovery)
    case (.recovery(let recovery), .beacon):
      self = .recovery(recovery)

    case (.operational(var operational), let packet):
      let next = operational.receive(packet, in: &context)
      self = next ?? .operational(operational)
    case (.departed, _):
      context.drop(.leaving)
      self = .departed
    }
  }
}

// MARK: - Transitions

extension RingEngine.Phase {
  /// Gathers anew, with what gave rise to it.
  static func gathering(
    _ reason: RingEngine.GatherReason,
    considering roster: Roster,
    without deaf: NodeID? = nil,
    join: Join? = nil,
    departure: Departure? = nil,
    in context: inout RingEngine.Context
  ) -> Self {
    guard !context.isLeaving else { return departed(in: &context) }
    context.sequences.endWaiting(at: context.now)
    context.accuse()
    var gather = RingEngine.Gather(reason, considering: roster, in: &context)
    if let deaf { gather.exclude(deaf, in: &context) }
    if let departure { gather.hear(departure, in: &context) }
    if let join { gather.hear(join, in: &context) }
    return settled(gather, in: &context)
  }

  /// Others went on without this member: it joins anew, alone at first.
  static func votedOut(in context: inout RingEngine.Context) -> Self {
    context.statistics.votedOut += 1
    context.emit(.liveness(.votedOut))
    return gathering(.votedOut, considering: [context.me], in: &context)
  }

  static func departed(in context: inout RingEngine.Context) -> Self {
    // Twice, since nobody repeats it once this process has ended.
    let departure = Departure(sender: context.me, incarnation: context.incarnation)
    for _ in 0..<2 { context.multicast(.departure(departure), to: context.everybodyElse) }
    context.emit(.departed)
    return .departed
  }

  /// Ends the Gather if all agree.
  static func settled(
    _ gather: RingEngine.Gather,
    in context: inout RingEngine.Context
  ) -> Self {
    var gather = gather
    switch gather.proceed(in: &context) {
    case nil:
      return .gather(gather)
    case .again(let roster):
      return gathering(.commitLost, considering: roster, in: &context)
    case .commit(let entries):
      let ring = RingID(sequence: context.sequences.highest + 1, representative: context.me)
      let token = CommitToken(
        sender: context.me,
        ring: ring,
        hop: 0,
        members: entries,
        known: context.settings.known
      )
      return committed(RingEngine.Commit(token, after: gather, in: &context), in: &context)
    }
  }

  /// Waits for the commit token's second round; a ring of one needs none.
  static func committed(
    _ commit: RingEngine.Commit,
    in context: inout RingEngine.Context
  ) -> Self {
    guard commit.members == [context.me], commit.isPassed else { return .commit(commit) }
    let recovery = RingEngine.Recovery(commit.token, in: &context)
    recovery.install(in: &context)
    return .operational(RingEngine.Operational(in: &context))
  }

  fileprivate static func answered(
    _ token: CommitToken,
    by gather: RingEngine.Gather,
    in context: inout RingEngine.Context
  ) -> Self {
    guard gather.accepts(token, in: context) else {
      context.drop(.commitMismatch)
      return .gather(gather)
    }
    return .commit(RingEngine.Commit(token, after: gather, in: &context))
  }

  fileprivate static func completed(
    _ commit: RingEngine.Commit,
    by token: CommitToken,
    in context: inout RingEngine.Context
  ) -> Self {
    guard commit.completes(token, in: context) else {
      context.drop(token.ring == commit.token.ring ? .repeatedCommit : .commitMismatch)
      return .commit(commit)
    }
    return .recovery(RingEngine.Recovery(token, in: &context))
  }

  fileprivate static func started(
    _ recovery: RingEngine.Recovery,
    by token: CommitToken,
    in context: inout RingEngine.Context
  ) -> Self {
    guard recovery.mayStart(token, in: context) else {
      context.drop(.repeatedCommit)
      return .recovery(recovery)
    }
    var recovery = recovery
    let first = Token(sender: context.me, ring: context.next.id)
    let isInstalled = recovery.visit(first, in: &context)
    return isInstalled
      ? .operational(RingEngine.Operational(in: &context)) : .recovery(recovery)
  }

  fileprivate static func visited(
    _ recovery: RingEngine.Recovery,
    by token: Token,
    in context: inout RingEngine.Context
  ) -> Self {
    guard token.ring == context.next.id, context.next.members.contains(token.sender) else {
      context.drop(token.ring == context.home.id ? .pastRing : .foreignRing)
      return .recovery(recovery)
    }
    var recovery = recovery
    return switch recovery.take(token, in: &context) {
    case .goesOn: .recovery(recovery)
    case .installed: .operational(RingEngine.Operational(in: &context))
    case .standstill(let deaf):
      .gathering(
        .failedToReceive,
        considering: context.next.members,
        without: deaf,
        in: &context
      )
    }
  }

  /// Gathers if a join calls the attempt into question.
  fileprivate static func judged(
    _ join: Join,
    _ verdict: RingEngine.Commit.Verdict,
    _ members: Roster,
    in context: inout RingEngine.Context
  ) -> Self? {
    switch verdict {
    case .past:
      context.drop(.pastJoin)
      return nil
    case .foreign:
      context.drop(.foreignJoin)
      return nil
    case .disputed(let reason):
      return gathering(reason, considering: members, join: join, in: &context)
    }
  }

  /// Gathers if a member of the ring agreed on left.
  fileprivate static func left(
    _ departure: Departure,
    _ commit: RingEngine.Commit,
    in context: inout RingEngine.Context
  ) -> Self? {
    let run = commit.incarnation(of: departure.sender)
    return left(departure, run, commit.members, in: &context)
  }

  /// Gathers if a member of the ring being recovered into left.
  fileprivate static func left(
    _ departure: Departure,
    in context: inout RingEngine.Context
  ) -> Self? {
    let run = context.next.incarnation(of: departure.sender)
    return left(departure, run, context.next.members, in: &context)
  }

  /// Gathers if a member of the attempt left; not for the sake of another run of it.
  private static func left(
    _ departure: Departure,
    _ run: Incarnation?,
    _ members: Roster,
    in context: inout RingEngine.Context
  ) -> Self? {
    guard run == departure.incarnation else {
      context.drop(.pastDeparture)
      return nil
    }
    return gathering(.memberLeft, considering: members, departure: departure, in: &context)
  }
}

extension RingEngine.Context {
  /// Leaves out for a while who did not receive what this member holds, whoever ends the ring on
  /// that account: the representative must not let it in again at once.
  fileprivate mutating func accuse() {
    let deaf =
      home.standstill.accused(by: me, home.log, timers: timers)
      ?? next.standstill.accused(by: me, next.log, timers: timers)
    home.standstill.restart(at: now)
    next.standstill.restart(at: now)
    guard let deaf, let penalty = peers.penalise(deaf, at: now) else { return }
    note(.leftOut(deaf, for: penalty))
  }

  /// Keeps a late message of the old ring, as long as nothing was said of what is held.
  fileprivate mutating func keepInGather(_ data: DataPacket) {
    guard isInstalled, data.ring == home.id else { return drop(.foreignRing) }
    guard !home.isExchanged else { return drop(.afterExchange) }
    if let reason = home.keep(data) { drop(reason) }
  }
}

extension RingEngine.Recovery {
  fileprivate mutating func receive(_ data: DataPacket, in context: inout RingEngine.Context) {
    guard data.ring == context.next.id else {
      return context.drop(data.ring == context.home.id ? .afterExchange : .foreignRing)
    }
    guard context.next.members.contains(data.sender) else { return context.drop(.notMember) }
    take(data, in: &context)
  }
}
