// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import RingWire

/// One ring as a member sees it: its messages, its token, and what was delivered of it.
///
/// Source: Totem (TOCS 1995), section 3.
struct LiveRing: Sendable, Equatable {
  let id: RingID
  let members: Roster
  /// The runs of ``members``, in their order.
  let incarnations: [Incarnation]
  /// What all of ``members`` had configured when the ring was formed.
  let known: KnownMembers
  /// Those of ``members`` that then had something else configured than this member.
  let dissenters: Roster
  let me: NodeID
  /// Who gets the token from this member; itself in a ring of one.
  let successor: NodeID
  /// All members but this one.
  let others: Roster

  var log = MessageLog()
  var assembler: Assembler
  /// The highest sequence number delivered or passed over.
  var delivered: UInt64 = 0
  /// What every member holds up to (Ring.SafePoint).
  private(set) var safe: UInt64 = 0

  // The token.
  private(set) var hop: UInt64 = 0
  /// Where the token rests while nobody sends: at the last sender, else at the representative.
  private(set) var restingPlace: NodeID
  /// The token last passed, as long as nothing shows that it arrived.
  private var unproven: Token?
  private(set) var repeatAt: Instant?
  var lossAt: Instant
  private(set) var passedAt: Instant?
  /// The token's sequence number at the previous visit.
  private(set) var previousSequence: UInt64 = 0
  /// The token's aru when it was passed last.
  private var passedAru: UInt64 = 0
  /// The token's sequence number when it was passed last.
  private(set) var passedSequence: UInt64 = 0
  /// What this member reported at its last visit.
  private(set) var share = Token.Report()
  /// For how long the token's aru stands still.
  var standstill: Standstill

  // What Recovery promised (Recovery.Obligation).
  var obligations: Roster
  /// The attempt in which the received flag was set.
  var received: RingID?
  /// Whether the state of this ring was exchanged: from then on only exchanged messages count.
  var isExchanged = false

  init(
    id: RingID,
    members: Roster,
    incarnations: [Incarnation],
    known: KnownMembers,
    dissenters: Roster = .empty,
    me: NodeID,
    longestMessage: Int,
    lossAt: Instant
  ) {
    (self.id, self.members, self.incarnations) = (id, members, incarnations)
    (self.known, self.dissenters) = (known, dissenters)
    (self.me, self.lossAt) = (me, lossAt)
    successor = members.successor(of: me) ?? me
    others = members.removing(me)
    restingPlace = id.representative
    obligations = [me]
    assembler = Assembler(senders: members, longestMessage: longestMessage)
    standstill = Standstill(since: lossAt)
  }

  var isRepresentative: Bool { id.representative == me }
  var isAlone: Bool { others.isEmpty }
  var isRestingPlace: Bool { restingPlace == me }

  func incarnation(of node: NodeID) -> Incarnation? {
    guard let index = members.index(of: node) else { return nil }
    return incarnations[index]
  }
}

// MARK: - Messages

extension LiveRing {
  /// Keeps a message; `nil` when it was new.
  mutating func keep(_ data: DataPacket) -> RingEngine.DropReason? {
    guard members.contains(data.originator) else { return .notMember }
    let entry = MessageLog.Entry(originator: data.originator, content: data.content)
    switch log.insert(entry, at: data.sequence) {
    case .inserted:
      if let token = unproven, data.sequence > token.sequence { settleRepetition() }
      return nil
    case .duplicate: return .duplicate
    case .beyond: return .beyondLog
    }
  }

  /// Takes the next place in the order and keeps the message.
  mutating func originate(_ content: DataPacket.Content, on token: inout Token) -> DataPacket {
    token.sequence += 1
    token.lastSender = me
    _ = log.insert(MessageLog.Entry(originator: me, content: content), at: token.sequence)
    return DataPacket(
      sender: me,
      originator: me,
      ring: id,
      sequence: token.sequence,
      content: content
    )
  }

  /// Orders a message in a ring of one.
  mutating func originateAlone(_ content: DataPacket.Content) {
    _ = log.insert(MessageLog.Entry(originator: me, content: content), at: log.highest + 1)
    safe = log.aru
  }
}

// MARK: - The token

extension LiveRing {
  /// Takes a token; `nil` when it is new and fits what is known.
  ///
  /// It is missed a token time-out from now, however long it is kept before it is passed.
  mutating func accept(
    _ token: Token,
    at now: Instant,
    timers: RingTimers
  ) -> RingEngine.DropReason? {
    guard token.hop > hop else { return .repeatedToken }
    // It visits every member once a round, in their order.
    guard token.hop == expectedHop, token.aruHolder.map(members.contains) ?? true,
      token.lastSender.map(members.contains) ?? true
    else { return .implausibleToken }
    // Flow control keeps what is ordered within one log of what is safe; more is not believed, and
    // must not be counted up to.
    guard token.sequence >= log.highest, token.aru >= safe,
      token.sequence - log.floor <= 4 * UInt64(MessageLog.limit)
    else { return .implausibleToken }
    hop = token.hop
    rest(by: token)
    lossAt = now + timers.tokenLoss
    settleRepetition()
    return nil
  }

  /// The hop of the next token, if it is none that was taken before.
  private var expectedHop: UInt64? {
    if hop > 0 { return hop + UInt64(members.count) - 1 }
    // The representative makes the first one itself.
    return isRepresentative ? nil : members.index(of: me).map(UInt64.init)
  }

  /// What all members reported in the last whole round before this visit.
  func report(of token: Token) -> Token.Report {
    isRepresentative ? token.thisRound : token.lastRound
  }

  /// How many packets others sent since the token was passed; new ones are counted by their numbers.
  func sentByOthers(_ token: Token) -> Int {
    let retransmitted = report(of: token).retransmitted
    let again = retransmitted - min(retransmitted, share.retransmitted)
    return Int(token.sequence - min(token.sequence, passedSequence)) + Int(again)
  }

  /// Sends again what members lack and this one holds (Ring.Retransmit).
  mutating func retransmit(_ token: inout Token, atMost limit: Int) -> [DataPacket] {
    guard !token.requests.isEmpty else { return [] }
    var packets: [DataPacket] = []
    var unanswered: [SequenceRange] = []
    for range in token.requests {
      answer(range, limit: limit, packets: &packets, unanswered: &unanswered)
    }
    token.requests = Array(unanswered.prefix(WireLimits.requests))
    return packets
  }

  private func answer(
    _ range: SequenceRange,
    limit: Int,
    packets: inout [DataPacket],
    unanswered: inout [SequenceRange]
  ) {
    var open: UInt64?
    // What is below the safe point nobody lacks; what is above the highest held is not held.
    var sequence = max(range.first, safe + 1)
    let end = min(range.last, log.highest)
    while sequence <= end {
      if packets.count < limit, let entry = log[sequence] {
        if let first = open, let gap = SequenceRange(first, sequence - 1) { unanswered.append(gap) }
        open = nil
        packets.append(packet(entry, at: sequence))
      } else if open == nil {
        open = sequence
      }
      sequence += 1
    }
    let first = open ?? max(sequence, range.first)
    if let gap = SequenceRange(first, range.last) { unanswered.append(gap) }
  }

  private func packet(_ entry: MessageLog.Entry, at sequence: UInt64) -> DataPacket {
    DataPacket(
      sender: me,
      originator: entry.originator,
      ring: id,
      sequence: sequence,
      content: entry.content
    )
  }

  /// Asks for what is missing up to `end`, besides what others asked for.
  mutating func request(_ token: inout Token, upTo end: UInt64) {
    guard log.aru < end else { return }
    let missing = log.missing(upTo: end, count: WireLimits.requests)
    token.requests = token.requests.isEmpty ? missing : merge(token.requests, missing)
  }

  /// Applies the rule of the token's aru (Ring.Aru).
  mutating func updateAru(of token: inout Token) {
    let isMine = token.aruHolder == me || token.aruHolder == nil
    guard log.aru < token.aru || isMine else { return }
    token.aru = min(log.aru, token.sequence)
    token.aruHolder = token.aru == token.sequence ? nil : me
  }

  /// Moves the safe point: what two successive visits carried (Ring.SafePoint).
  mutating func updateSafe(received aru: UInt64) {
    safe = max(safe, min(aru, passedAru, log.aru))
  }

  /// Prepares the token to be passed and to be repeated until something shows that it arrived.
  mutating func pass(
    _ token: inout Token,
    share: Token.Report,
    receivedSequence: UInt64,
    at now: Instant,
    timers: RingTimers
  ) {
    if isRepresentative {
      token.lastRound = token.thisRound
      token.thisRound = share
    } else {
      token.thisRound.add(share)
    }
    self.share = share
    passedSequence = token.sequence
    previousSequence = receivedSequence
    passedAru = token.aru
    token.sender = me
    token.hop += 1
    hop = token.hop
    rest(by: token)
    passedAt = now
    unproven = token
    repeatAt = now + timers.tokenRetransmit
  }

  private mutating func rest(by token: Token) {
    // Of a token that names nobody all must think the same, or it may rest nowhere.
    restingPlace = token.lastSender ?? id.representative
  }

  /// The token to repeat, if that is due.
  mutating func tokenToRepeat(at now: Instant, timers: RingTimers) -> Token? {
    guard let at = repeatAt, at <= now, let token = unproven else { return nil }
    repeatAt = now + timers.tokenRetransmit
    return token
  }

  /// Forgets when the token was passed, so that its return proves nothing.
  mutating func forgetPass() { passedAt = nil }

  mutating func settleRepetition() {
    unproven = nil
    repeatAt = nil
  }
}

extension Token.Report {
  fileprivate mutating func add(_ other: Self) {
    retransmitted = UInt32(clamping: UInt64(retransmitted) + UInt64(other.retransmitted))
    backlog = UInt32(clamping: UInt64(backlog) + UInt64(other.backlog))
  }
}

/// The union of two lists of ranges, each ascending; cut to what a token holds.
private func merge(_ some: [SequenceRange], _ others: [SequenceRange]) -> [SequenceRange] {
  let sorted = (some + others).sorted { $0.first < $1.first }
  var result: [SequenceRange] = []
  for range in sorted {
    if let last = result.last, range.first <= last.last + 1 {
      guard let joined = SequenceRange(last.first, max(last.last, range.last)) else { continue }
      result[result.count - 1] = joined
    } else {
      guard result.count < WireLimits.requests else { break }
      result.append(range)
    }
  }
  return result
}
