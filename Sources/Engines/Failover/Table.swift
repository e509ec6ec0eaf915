// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import FailoverWire
internal import GroupModel

/// What all members of a synced set agree on: the facts of each, and who is to hold what.
///
/// It changes only by what is delivered in order, and by pure functions of itself; so members that
/// began with the same table, and moved together since, have the same one.
struct Table: Sendable, Equatable {
  /// The members it speaks for, in ascending order.
  private(set) var records: [MemberRecord]
  /// One for each VIF that a member knows, in ascending order.
  private(set) var claims: [Claim] = []
  /// The highest number given to a removal.
  private(set) var lastMove = MoveID(0)

  /// The table of one member that has met nobody.
  init(alone record: MemberRecord) {
    records = [record]
    addMissingClaims()
  }

  subscript(member: MemberID) -> MemberRecord? {
    guard let index = records.sortedIndex(of: member, by: \.member) else { return nil }
    return records[index]
  }

  subscript(vif: VIFID) -> Claim? {
    guard let index = claims.sortedIndex(of: vif, by: \.vif) else { return nil }
    return claims[index]
  }

  var members: [MemberID] { records.map(\.member) }

  /// The settings that hold for all: those of the lowest mature member.
  var shared: SharedSettings {
    (records.first { $0.mature } ?? records.first)?.facts.shared ?? SharedSettings()
  }
}

// MARK: - What is delivered

extension Table {
  /// Why a message was not acted on.
  enum Rejection: Error, Equatable {
    case stranger
    case staleMove
  }

  /// Takes a member's own account of itself.
  mutating func apply(
    _ report: FactsReport,
    from sender: MemberID,
    journal: inout Journal
  ) throws(Rejection) {
    guard let index = records.sortedIndex(of: sender, by: \.member) else { throw .stranger }
    guard report.facts.serial > records[index].facts.serial else { return }
    for vif in report.facts.vifs
    where records[index].facts[vif.id]?.readiness != vif.readiness {
      journal.note(.facts(sender, vif.id, vif.readiness, journal.view))
    }
    records[index].facts = report.facts
    for index in claims.indices {
      if claims[index].holder == sender { claims[index].stuck = false }
      guard report.withdrawn.contains(claims[index].vif) else { continue }
      if claims[index].holder == sender {
        claims[index].holder = nil
        claims[index].pending = false
        journal.vacated(claims[index].vif, by: sender, report.facts)
      }
      end(removalBy: sender, at: index, as: .released, journal: &journal)
    }
    addMissingClaims()
  }

  /// Makes every member mature.
  mutating func mature(by sender: MemberID?, journal: inout Journal) throws(Rejection) {
    if let sender, self[sender] == nil { throw .stranger }
    guard records.contains(where: { !$0.mature }) else { return }
    for index in records.indices { records[index].mature = true }
    journal.note(.matured(journal.view, by: sender))
  }

  /// A member's kernel acknowledged a removal.
  mutating func released(
    _ vif: VIFID,
    _ id: MoveID,
    by sender: MemberID,
    journal: inout Journal
  ) throws(Rejection) {
    let index = try claim(vif, withRemoval: id, by: sender)
    end(removalBy: sender, at: index, as: .released, journal: &journal)
  }

  /// A removal failed, or took too long: what was to be given away stays.
  mutating func cancel(
    _ vif: VIFID,
    _ id: MoveID,
    by member: MemberID,
    as ending: FailoverEngine.Ending,
    journal: inout Journal
  ) throws(Rejection) {
    let index = try claim(vif, withRemoval: id, by: member)
    // As long as the holder has it, the other goes on trying.
    guard claims[index].isCancellable else { return }
    end(removalBy: member, at: index, as: ending, journal: &journal)
    journal.assigned(vif, from: claims[index].holder, to: member, .cancelled)
    claims[index].holder = member
    claims[index].pending = false
    claims[index].stuck = true
  }

  /// Begins the moves of a round of balance, as far as they still make sense.
  mutating func balance(_ moves: [BalanceReport.Move], journal: inout Journal) {
    let allocation = allocation()
    for move in moves {
      guard let index = claims.sortedIndex(of: move.vif, by: \.vif),
        let target = records.sortedIndex(of: move.to, by: \.member),
        claims[index].holder == move.from, move.from != move.to, claims[index].removals.isEmpty,
        !claims[index].stuck, allocation.demands[index].eligible[target]
      else { continue }
      assign(index, to: move.to, because: .balance, journal: &journal)
    }
  }

  private func claim(
    _ vif: VIFID,
    withRemoval id: MoveID,
    by member: MemberID
  ) throws(Rejection) -> Int {
    guard self[member] != nil else { throw .stranger }
    guard let index = claims.sortedIndex(of: vif, by: \.vif),
      claims[index].removals.contains(where: { $0.member == member && $0.id == id })
    else { throw .staleMove }
    return index
  }

  private mutating func end(
    removalBy member: MemberID,
    at index: Int,
    as ending: FailoverEngine.Ending,
    journal: inout Journal
  ) {
    guard let position = claims[index].removals.sortedIndex(of: member, by: \.member) else {
      return
    }
    let removal = claims[index].removals.remove(at: position)
    if claims[index].removals.isEmpty { claims[index].pending = false }
    let vif = claims[index].vif
    journal.note(.removed(vif, by: member, removal.id, journal.view, ending))
  }

  private mutating func addMissingClaims() {
    for record in records {
      for vif in record.facts.vifs {
        let index = claims.insertionIndex(of: vif.id, by: \.vif)
        if index == claims.count || claims[index].vif != vif.id {
          claims.insert(Claim(vif: vif.id), at: index)
        }
      }
    }
    claims.removeAll { claim in
      claim.holder == nil && claim.removals.isEmpty
        && !records.contains { $0.facts[claim.vif] != nil }
    }
  }
}

// MARK: - Views

extension Table {
  /// Forgets everybody who is not among `members`.
  ///
  /// What a departed member was to remove is gone with it, so its target acquires at once. Before
  /// an exchange the target's claim lapses: somebody else of the view may hold the VIF.
  mutating func prune(to members: [MemberID], exchanging: Bool, journal: inout Journal) {
    records.removeAll { !members.contains($0.member) }
    for index in claims.indices {
      let pending = claims[index].pending
      for removal in claims[index].removals where !members.contains(removal.member) {
        end(removalBy: removal.member, at: index, as: .released, journal: &journal)
      }
      let gone = claims[index].holder.map { !members.contains($0) } ?? false
      let lapsed = exchanging && pending && !claims[index].removals.contains { $0.cause == .move }
      if gone || lapsed {
        journal.assigned(claims[index].vif, from: claims[index].holder, to: nil, .holderGone)
        claims[index].holder = nil
        claims[index].pending = false
      }
      claims[index].stuck = false
    }
    addMissingClaims()
  }

  /// The table as it is told to members from elsewhere: pending moves count as not begun.
  func report(for view: ViewID) -> StateReport {
    var told = claims
    for index in told.indices where told[index].isCancellable {
      let moving = told[index].removals.first { $0.cause == .move }
      told[index].pending = false
      told[index].holder = moving?.member
      guard let moving else { continue }
      told[index].removals.removeAll { $0.member == moving.member }
    }
    return StateReport(view: view, records: records, lastMove: lastMove, claims: told)
  }

  /// The table as it is.
  func exact(for view: ViewID) -> StateReport {
    StateReport(view: view, records: records, lastMove: lastMove, claims: claims)
  }

  /// The one table that comes of those of several synced sets; `reports` cover the view.
  ///
  /// With a mature member among them all are mature. A VIF brought in by several holders stays at
  /// one; the others are to remove it.
  init(merging reports: [StateReport], journal: inout Journal) {
    records = reports.flatMap(\.records).sorted { $0.member < $1.member }
    lastMove = reports.map(\.lastMove).max() ?? MoveID(0)
    if let mature = records.first(where: \.mature)?.member {
      try? self.mature(by: mature, journal: &journal)
    }
    for report in reports {
      for claim in report.claims {
        let index = claims.insertionIndex(of: claim.vif, by: \.vif)
        if index == claims.count || claims[index].vif != claim.vif {
          claims.insert(Claim(vif: claim.vif), at: index)
        }
        claims[index].removals.append(contentsOf: claim.removals)
      }
    }
    for index in claims.indices { claims[index].removals.sort { $0.member < $1.member } }
    addMissingClaims()
    keepOneHolder(of: reports, journal: &journal)
  }

  private mutating func keepOneHolder(of reports: [StateReport], journal: inout Journal) {
    var allocation = allocation()
    for index in allocation.demands.indices {
      allocation.demands[index].waits = true  // Nothing is given out here, only kept.
    }
    for report in reports {
      for claim in report.claims {
        guard let holder = claim.holder,
          let index = claims.sortedIndex(of: claim.vif, by: \.vif),
          let server = records.sortedIndex(of: holder, by: \.member)
        else { continue }
        allocation.demands[index].holders.append(server)
      }
    }
    for index in allocation.demands.indices { allocation.demands[index].holders.sort() }
    let kept = allocation.resolved()
    for (index, demand) in allocation.demands.enumerated() {
      // With no valid holder the lowest stands for them until the plan finds another.
      guard let keeper = kept[index] ?? demand.holders.first else { continue }
      claims[index].holder = records[keeper].member
      for loser in demand.holders where loser != keeper {
        addRemoval(at: index, by: records[loser].member, .conflict, .conflict, journal: &journal)
      }
    }
  }
}

// MARK: - Decisions

extension Table {
  /// Gives every VIF that needs one another holder: the same choice at every member.
  mutating func plan(journal: inout Journal) {
    let result = allocation().resolved()
    for (index, server) in result.enumerated() where !claims[index].waits {
      let holder = server.map { records[$0].member }
      guard holder != claims[index].holder else { continue }
      assign(index, to: holder, because: reason(at: index), journal: &journal)
    }
  }

  /// The moves of one round of balance.
  func balancing() -> [BalanceReport.Move] {
    allocation().balancing(limit: shared.acquisitionsPerRound.map(Int.init) ?? .max).map { move in
      BalanceReport.Move(
        vif: claims[move.demand].vif,
        from: records[move.from].member,
        to: records[move.to].member
      )
    }
  }

  /// How many VIFs each member holds or is to hold, by position in ``records``.
  var loads: [Int] {
    records.map { record in claims.count { $0.holder == record.member } }
  }

  /// The allocation problem: servers as ``records``, demands as ``claims``.
  func allocation() -> Allocation {
    let servers = records.map { Allocation.Server(member: $0.member, weight: Int($0.facts.weight)) }
    let demands = claims.map { claim in
      let holder = claim.holder.flatMap { records.sortedIndex(of: $0, by: \.member) }
      var demand = Allocation.Demand(
        vif: claim.vif,
        holders: holder.map { [$0] } ?? [],
        eligible: eligible(for: claim.vif),
        prefers: records.map { $0.facts[claim.vif]?.preferred ?? false }
      )
      demand.waits = claim.waits
      demand.fixed = claim.stuck
      return demand
    }
    let apart = shared.apart.map { set in
      set.compactMap { claims.sortedIndex(of: $0, by: \.vif) }
    }
    return Allocation(servers: servers, demands: demands, apart: apart)
  }

  /// For each record, whether it may hold the VIF; drained members may if nobody else can.
  private func eligible(for vif: VIFID) -> [Bool] {
    let able = records.map { record in
      record.mature && !record.facts.leaving && record.facts[vif]?.readiness == .ready
    }
    let willing = zip(able, records).map { $0 && !$1.facts.drained }
    return willing.contains(true) ? willing : able
  }

  private func reason(at index: Int) -> FailoverEngine.Reason {
    guard let holder = claims[index].holder, let record = self[holder] else { return .uncovered }
    if record.facts.leaving { return .leaving }
    let readiness = record.facts[claims[index].vif]?.readiness ?? .other
    return readiness == .ready ? .drained : .notEligible(readiness)
  }

  /// Makes `member` the holder; the one that holds the VIF is to remove it first.
  private mutating func assign(
    _ index: Int,
    to member: MemberID?,
    because reason: FailoverEngine.Reason,
    journal: inout Journal
  ) {
    let old = claims[index].holder
    journal.assigned(claims[index].vif, from: old, to: member, reason)
    if let old, !claims[index].pending {
      addRemoval(at: index, by: old, .move, reason, journal: &journal)
    }
    claims[index].holder = member
    claims[index].stuck = false
    // One that was to remove it, and is the holder again, may still have it, or puts it back.
    let mayHave = claims[index].removals.contains { $0.member == member }
    claims[index].pending = member != nil && !mayHave && !claims[index].removals.isEmpty
    if let member { end(removalBy: member, at: index, as: .cancelled, journal: &journal) }
  }

  private mutating func addRemoval(
    at index: Int,
    by member: MemberID,
    _ cause: Removal.Cause,
    _ reason: FailoverEngine.Reason,
    journal: inout Journal
  ) {
    lastMove = MoveID(lastMove.rawValue &+ 1)
    let removal = Removal(member: member, id: lastMove, cause: cause)
    let position = claims[index].removals.insertionIndex(of: member, by: \.member)
    claims[index].removals.insert(removal, at: position)
    let vif = claims[index].vif
    journal.note(.removing(vif, by: member, removal.id, journal.view, reason))
  }
}

extension Claim {
  /// Nobody but those who are to remove it can have the VIF.
  var isCancellable: Bool { holder == nil || pending }
  /// Nobody is to get the VIF before a removal has ended.
  var waits: Bool { holder == nil && !removals.isEmpty }
}

/// What changed in the table while one event was handled, for log and status.
struct Journal: Sendable, Equatable {
  var view: ViewID
  private(set) var notes: [FailoverEngine.Note] = []

  init(view: ViewID) { self.view = view }

  mutating func note(_ note: FailoverEngine.Note) { notes.append(note) }

  mutating func takeNotes() -> [FailoverEngine.Note] {
    defer { notes = [] }
    return notes
  }

  mutating func assigned(
    _ vif: VIFID,
    from: MemberID?,
    to: MemberID?,
    _ reason: FailoverEngine.Reason
  ) {
    notes.append(.assigned(vif, from: from, to: to, view, reason))
  }

  mutating func vacated(_ vif: VIFID, by member: MemberID, _ facts: Facts) {
    let readiness = facts[vif]?.readiness ?? .other
    assigned(vif, from: member, to: nil, facts.leaving ? .leaving : .notEligible(readiness))
  }
}
