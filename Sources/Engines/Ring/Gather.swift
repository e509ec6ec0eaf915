// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import RingWire

extension RingEngine {
  /// Agreeing on who is present (TOCS 1995, section 4; spec rules Gather.*).
  struct Gather: Sendable, Equatable {
    private(set) var considered: Roster
    private(set) var failed: Roster
    private let reason: GatherReason
    private let began: Instant
    /// By configured member: its last join of this Gather.
    private var joins: [Join?]
    /// By configured member: since when it is considered.
    private var consideredSince: [Instant?]
    /// When those heard that do not agree are found failed.
    private var consensusAt: Instant
    private var joinAt: Instant
    /// When the agreement was reached, if it stands.
    private var agreedAt: Instant?
    /// Whether every exclusion so far was a departure in good order.
    private var onlyDepartures = true

    init(_ reason: GatherReason, considering roster: Roster, in context: inout Context) {
      let now = context.now
      considered = [context.me]
      failed = .empty
      self.reason = reason
      began = now
      joins = Array(repeating: nil, count: context.settings.configured.count)
      consideredSince = Array(repeating: nil, count: context.settings.configured.count)
      consensusAt = now + context.timers.consensus
      joinAt = now
      context.statistics.count(reason)
      context.note(.gathering(because: reason))
      _ = consider(roster, in: &context)
    }
  }
}

// MARK: - Joins

extension RingEngine.Gather {
  private func join(in context: RingEngine.Context) -> Join {
    Join(
      sender: context.me,
      incarnation: context.incarnation,
      ringSequence: context.sequences.highest,
      considered: considered,
      failed: failed,
      known: context.known
    )
  }

  mutating func sendJoin(in context: inout RingEngine.Context) {
    joinAt = context.now + context.jittered(context.timers.join)
    context.multicast(.join(join(in: context)), to: context.everybodyElse)
    // Those in two-way contact may not have seen that they are.
    for neighbour in context.neighbours.list {
      let node = neighbour.announcement.sender
      guard considered.contains(node), !failed.contains(node), record(of: node, in: context) == nil
      else { continue }
      context.announce(to: [node])
    }
  }

  /// Takes a join (Gather.Merge).
  mutating func hear(_ join: Join, in context: inout RingEngine.Context) {
    let sender = join.sender
    guard !failed.contains(sender) else { return context.drop(.joinOfFailed) }
    guard considered.contains(sender) || !context.peers.isLeftOut(sender, at: context.now) else {
      return context.drop(.leftOut)
    }
    guard let index = context.settings.configured.index(of: sender) else { return }
    if let difference = context.difference(to: join, apartFrom: failed) {
      context.keepOut(sender, because: difference)
      // The run that was a member before is gone.
      if fail(sender, because: .rosterDiffers, in: &context) { renew(in: &context) }
      return
    }
    if !context.sequences.learn(join.ringSequence) { context.drop(.implausibleSequence) }
    context.peers.noteJoin(of: sender)
    joins[index] = join
    guard join.considered != considered || join.failed != failed else { return }
    var hasChanged = consider(join.considered.inserting(sender), in: &context)
    if join.failed.contains(context.me) {
      hasChanged = fail(sender, because: .calledUsFailed, in: &context) || hasChanged
    } else if isCredible(join, in: context) {
      for node in join.failed.nodes {
        hasChanged = fail(node, because: .reported(by: sender), in: &context) || hasChanged
      }
    }
    if hasChanged { renew(in: &context) }
  }

  /// Whether a member's word that others failed is taken.
  ///
  /// Not against those that this member hears itself, if a stranger says so of the ring that this
  /// member comes from, or if it would lose more of them than stay: then either they fall silent, or
  /// who said so is found not to agree. One bad link thus costs one member, not the ring.
  private func isCredible(_ join: Join, in context: RingEngine.Context) -> Bool {
    let oldest = context.now.sinceBoot - context.timers.tokenLoss
    let lost = join.failed.subtracting(failed).nodes.filter {
      guard let heard = context.peers.heard($0) else { return false }
      return heard.sinceBoot > oldest
    }
    guard !lost.isEmpty else { return true }
    let home = context.isInstalled ? context.home.members : .empty
    guard home.contains(join.sender) || !lost.contains(where: home.contains) else { return false }
    let kept = considered.subtracting(failed).subtracting(join.failed).removing(context.me)
    return lost.count <= kept.count
  }

  /// Finds a member failed that does not receive what this one holds.
  mutating func exclude(_ deaf: NodeID, in context: inout RingEngine.Context) {
    fail(deaf, because: .failedToReceive, in: &context)
  }

  /// Adds processes, as far as those of the old ring know them.
  ///
  /// - Returns: whether anything changed.
  @discardableResult
  private mutating func consider(_ roster: Roster, in context: inout RingEngine.Context) -> Bool {
    let new = context.acquaintances(among: roster).subtracting(considered)
    guard !new.isEmpty else { return false }
    considered = considered.union(new)
    for node in new.nodes {
      guard let index = context.settings.configured.index(of: node) else { continue }
      consideredSince[index] = context.now
    }
    return true
  }

  /// Finds a process failed.
  ///
  /// - Returns: whether anything changed.
  @discardableResult
  private mutating func fail(
    _ node: NodeID,
    because reason: RingEngine.ExclusionReason,
    in context: inout RingEngine.Context
  ) -> Bool {
    guard node != context.me, considered.contains(node), !failed.contains(node) else {
      return false
    }
    failed = failed.inserting(node)
    if reason == .left { context.peers.forgetJoin(of: node) } else { onlyDepartures = false }
    context.note(.excluded(node, because: reason))
    return true
  }

  /// Tells everybody that the sets have grown, and gives them time to answer.
  private mutating func renew(in context: inout RingEngine.Context) {
    consensusAt = context.now + context.timers.consensus
    agreedAt = nil
    sendJoin(in: &context)
  }

  private func record(of node: NodeID, in context: RingEngine.Context) -> Join? {
    guard let index = context.settings.configured.index(of: node) else { return nil }
    return joins[index]
  }

  private func agrees(_ node: NodeID, in context: RingEngine.Context) -> Bool {
    guard let join = record(of: node, in: context) else { return false }
    return join.considered == considered && join.failed == failed
  }
}

// MARK: - Other inputs

extension RingEngine.Gather {
  /// Takes the word of a member that it leaves.
  mutating func hear(_ departure: Departure, in context: inout RingEngine.Context) {
    let node = departure.sender
    let known =
      record(of: node, in: context)?.incarnation ?? context.home.incarnation(of: node)
    guard known == nil || known == departure.incarnation,
      fail(node, because: .left, in: &context)
    else { return context.drop(.pastDeparture) }
    renew(in: &context)
  }

  /// Takes an announcement: another ring joins the merge, or went on without this member.
  mutating func hear(_ announcement: Announcement, in context: inout RingEngine.Context) {
    if context.provesNewerRing(announcement.ring, of: announcement.sender),
      !announcement.members.contains(context.me)
    {
      var hasChanged = false
      for node in announcement.members.nodes {
        hasChanged = fail(node, because: .calledUsFailed, in: &context) || hasChanged
      }
      if hasChanged { renew(in: &context) } else { context.drop(.idleAnnouncement) }
      return
    }
    guard let contact = context.hear(announcement) else { return }
    context.peers.noteMerge(with: contact.members)
    if consider(contact.members, in: &context) { renew(in: &context) }
  }

  /// Whether the commit token is what was agreed on, and this member has its place in it
  /// (Commit.Refuse).
  func accepts(_ token: CommitToken, in context: RingEngine.Context) -> Bool {
    let roster = token.roster
    guard let index = roster.index(of: context.me), Int(token.hop) == index, index > 0,
      roster == considered.subtracting(failed), token.ring.sequence > context.sequences.highest,
      context.sequences.believes(token.ring.sequence)
    else { return false }
    let mine = token.members[index]
    return mine.incarnation == context.incarnation && mine.past == nil
  }
}

// MARK: - Time and agreement

extension RingEngine.Gather {
  /// What comes of the Gather when it ends by itself.
  enum Outcome: Sendable, Equatable {
    /// This member represents the ring agreed on.
    case commit([CommitToken.Entry])
    /// No commit token came for the agreement.
    case again(Roster)
  }

  func deadline(in context: RingEngine.Context) -> Instant {
    var deadline = joinAt
    for node in considered.nodes where node != context.me && !failed.contains(node) {
      if let at = exclusion(of: node, in: context) { deadline = min(deadline, at.time) }
    }
    if let agreedAt { deadline = min(deadline, patienceEnds(agreedAt, in: context)) }
    return deadline
  }

  /// Repeats the join, judges silence, and looks whether all agree.
  mutating func proceed(in context: inout RingEngine.Context) -> Outcome? {
    judge(in: &context)
    if joinAt <= context.now {
      if let bound = context.sequences.reserve(beyond: context.sequences.highest) {
        context.emit(.store(bound: bound))
      }
      sendJoin(in: &context)
    }
    let agreed = considered.subtracting(failed)
    guard agreed.nodes.allSatisfy({ $0 == context.me || agrees($0, in: context) }) else {
      agreedAt = nil
      return nil
    }
    guard agreed.lowest == context.me else {
      let since = agreedAt ?? context.now
      agreedAt = since
      guard patienceEnds(since, in: context) <= context.now else { return nil }
      return .again(agreed)
    }
    guard isSettled(agreed, in: context) else { return nil }
    if let spoiler = context.attempts.suspect(of: agreed, besides: context.me) {
      _ = fail(spoiler, because: .spoiled, in: &context)
      renew(in: &context)
      return nil
    }
    return .commit(entries(of: agreed, in: context))
  }

  /// Whether there was time enough for others to be heard.
  ///
  /// A start waits for those that start together; a ring of one is formed at once only if all others
  /// left in good order (Gather.Alone).
  private func isSettled(_ agreed: Roster, in context: RingEngine.Context) -> Bool {
    let isHasty = reason == .started || (agreed.count == 1 && !leftAlone)
    return !isHasty || context.now >= began + context.timers.join * 3
  }

  private var leftAlone: Bool { !failed.isEmpty && onlyDepartures }

  private func entries(of agreed: Roster, in context: RingEngine.Context) -> [CommitToken.Entry] {
    agreed.nodes.map { node in
      let run = record(of: node, in: context)?.incarnation ?? context.incarnation
      return CommitToken.Entry(node: node, incarnation: run)
    }
  }

  private func patienceEnds(_ agreed: Instant, in context: RingEngine.Context) -> Instant {
    agreed + context.timers.commitLoss + context.timers.consensus
  }

  /// Finds those failed that were silent for a token time-out, or heard but did not agree in time.
  private mutating func judge(in context: inout RingEngine.Context) {
    var hasChanged = false
    // With one failed because it disagreed, the others disagree too: who cannot agree goes alone
    // rather than set those at odds that could.
    for node in considered.nodes where node != context.me && !failed.contains(node) {
      guard let at = exclusion(of: node, in: context), at.time <= context.now else { continue }
      hasChanged = fail(node, because: at.reason, in: &context) || hasChanged
    }
    if hasChanged { renew(in: &context) }
  }

  /// When a member will be found failed if nothing changes, and why.
  private func exclusion(
    of node: NodeID,
    in context: RingEngine.Context
  ) -> (time: Instant, reason: RingEngine.ExclusionReason)? {
    guard let index = context.settings.configured.index(of: node) else { return nil }
    let since = consideredSince[index] ?? began
    let settled = since + context.timers.join * 3
    guard let heard = context.peers[index].heard else { return (settled, .silent) }
    let silent = max(heard + context.timers.tokenLoss, settled)
    guard heard >= began else { return (silent, .silent) }
    guard agrees(node, in: context) else { return (consensusAt, .disagreed) }
    return (max(silent, consensusAt), .silent)
  }
}
