// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import RingWire

extension RingEngine {
  /// The commit token goes round (TOCS 1995, section 4; spec rules Commit.*).
  struct Commit: Sendable, Equatable {
    /// The token as this member filled it in.
    private(set) var token: CommitToken
    /// The sets that were agreed to.
    private let considered: Roster
    private let failed: Roster
    /// Until when the token waits here for stable storage.
    private var storedBy: Instant?
    private var repeatAt: Instant
    private var lossAt: Instant

    /// Fills in what this member says of its past, and passes the token when it may.
    init(_ token: CommitToken, after gather: Gather, in context: inout Context) {
      self.token = token
      (considered, failed) = (gather.considered, gather.failed)
      repeatAt = context.now
      lossAt = context.now + context.timers.commitLoss
      context.sequences.attempt(token.ring.sequence)
      context.attempts.note()
      context.home.isExchanged = true
      if let index = token.roster.index(of: context.me) {
        self.token.members[index].past = context.past
      }
      self.token.known = token.known.intersection(context.settings.known)
      if let bound = context.sequences.reserve(beyond: token.ring.sequence) {
        context.emit(.store(bound: bound))
      }
      if context.sequences.covers(token.ring.sequence) {
        pass(in: &context)
      } else {
        storedBy = context.now + context.sequences.beginWaiting(at: context.now)
        _ = expire(in: &context)
      }
    }
  }
}

extension RingEngine.Commit {
  var members: Roster { token.roster }

  func incarnation(of node: NodeID) -> Incarnation? {
    members.index(of: node).map { token.members[$0].incarnation }
  }

  /// Whether the token has left this member.
  var isPassed: Bool { storedBy == nil }

  var deadline: Instant { min(storedBy ?? repeatAt, lossAt) }

  private mutating func pass(in context: inout RingEngine.Context) {
    storedBy = nil
    context.sequences.endWaiting(at: context.now)
    token.hop += 1
    token.sender = context.me
    repeatAt = context.now
    lossAt = context.now + context.timers.commitLoss
    send(in: &context)
  }

  private mutating func send(in context: inout RingEngine.Context) {
    repeatAt = context.now + context.timers.tokenRetransmit
    guard let next = members.successor(of: context.me), next != context.me else { return }
    context.emit(.send(.commitToken(token), to: next))
  }

  /// Takes notice that a bound was stored.
  mutating func proceedAfterStoring(in context: inout RingEngine.Context) {
    guard storedBy != nil else { return }
    if context.sequences.covers(token.ring.sequence) { return pass(in: &context) }
    // It was a lower bound, but storage answers.
    storedBy = context.now + context.sequences.beginWaiting(at: context.now)
  }

  /// Goes on without stable storage, if the token waits for it.
  mutating func proceedWithoutStoring(in context: inout RingEngine.Context) {
    guard storedBy != nil else { return }
    context.note(.sequenceNotStored(token.ring.sequence))
    context.sequences.noteNotStored()
    pass(in: &context)
  }

  /// Repeats the token, or stops waiting for storage.
  ///
  /// - Returns: whether the commit token is lost.
  mutating func expire(in context: inout RingEngine.Context) -> Bool {
    if let until = storedBy {
      guard until <= context.now else { return lossAt <= context.now }
      proceedWithoutStoring(in: &context)
      return false
    }
    guard lossAt > context.now else { return true }
    if repeatAt <= context.now { send(in: &context) }
    return false
  }

  /// Whether this is the token at its second sight, with everybody's past.
  func completes(_ other: CommitToken, in context: RingEngine.Context) -> Bool {
    guard isPassed, other.ring == token.ring, other.members.count == token.members.count,
      let index = members.index(of: context.me)
    else { return false }
    guard Int(other.hop) == members.count + index else { return false }
    return zip(other.members, token.members).allSatisfy { theirs, mine in
      theirs.node == mine.node && theirs.incarnation == mine.incarnation && theirs.past != nil
        && (mine.past == nil || mine.past == theirs.past)
    }
  }

  /// What a join says about this attempt.
  enum Verdict: Sendable, Equatable {
    /// It was sent before the agreement.
    case past
    /// The sender is not concerned.
    case foreign
    case disputed(RingEngine.GatherReason)
  }

  func judge(_ join: Join) -> Verdict {
    guard let index = members.index(of: join.sender) else { return .foreign }
    if join.incarnation != token.members[index].incarnation { return .disputed(.memberRestarted) }
    if join.ringSequence >= token.ring.sequence { return .disputed(.memberGathers) }
    if join.considered.isSubset(of: considered), join.failed.isSubset(of: failed) { return .past }
    return .disputed(.commitDisputed)
  }
}

extension RingEngine.Context {
  /// What this member says of the ring it comes from (Commit.TwoRounds).
  var past: CommitToken.Past {
    CommitToken.Past(
      ring: isInstalled ? home.id : nil,
      aru: home.log.aru,
      delivered: home.delivered,
      highest: home.log.highest,
      received: home.received,
      obligations: home.obligations,
      configuration: settings.known.digest
    )
  }
}
