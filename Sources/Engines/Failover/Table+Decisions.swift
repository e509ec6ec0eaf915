// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import FailoverWire
internal import GroupModel

// Pure functions of the table: who may hold what, and who is to.

extension Table {
  /// Gives every VIF that needs one another holder: the same choice at every member.
  ///
  /// Nothing is to be done if all that the choice follows from is as it was when it last changed
  /// nothing; to see that is far cheaper than to choose, for hundreds of VIFs at every message.
  mutating func plan(journal: inout Journal) {
    let inputs = Settled.Inputs(self)
    guard planned.inputs != inputs else { return }
    planned.inputs = inputs
    let result = allocation().resolved()
    for (index, server) in result.enumerated() where !claims[index].waits {
      let holder = server.map { records[$0].member }
      guard holder != claims[index].holder else { continue }
      planned.inputs = nil
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
        prefers: preferring(claim.vif)
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

  /// For each record, whether it is to hold the VIF if it can.
  private func preferring(_ vif: VIFID) -> [Bool] {
    guard let node = override(of: vif)?.node else {
      return records.map { $0.facts[vif]?.preferred ?? false }
    }
    return records.map { $0.member.node == node }
  }

  /// For each record, whether it may hold the VIF: of those that could, the best kind there is.
  ///
  /// Healthy and not drained ones; then those that rest because they changed too often, unless a
  /// check of theirs fails; with policy *keep* unhealthy ones; then drained ones. Function 1 knows
  /// neither health nor quorum.
  func eligible(for vif: VIFID) -> [Bool] {
    guard hasQuorum else { return records.map { _ in false } }
    let keeps = function >= 2 && shared.policy == .keep
    let ranks = records.map { rank(of: $0, for: vif, keeping: keeps) }
    let best = ranks.compactMap(\.self).min()
    return ranks.map { $0 != nil && $0 == best }
  }

  private func rank(of record: MemberRecord, for vif: VIFID, keeping: Bool) -> Int? {
    guard record.mature, !record.facts.leaving, !record.suspected,
      let readiness = record.facts[vif]?.readiness,
      readiness == .ready || keeping && readiness.isUsable || isAtRest(record, from: vif)
    else { return nil }
    return (record.facts.drained ? 2 : 0) + (readiness == .ready ? 0 : 1)
  }

  /// Whether the member could hold the VIF as it is now, and only has changed too often.
  private func isAtRest(_ record: MemberRecord, from vif: VIFID) -> Bool {
    function >= 2 && record.facts[vif]?.readiness == .flapping
      && !record.facts.failing.contains { $0.concerns(vif) }
  }

  /// Why the member cannot hold the VIF while others can, for people; `nil` if it can.
  func obstacle(of record: MemberRecord, to vif: VIFID) -> String? {
    if !record.mature { return "not mature yet" }
    if record.facts.leaving { return "leaving" }
    if record.suspected { return "silent" }
    guard let fact = record.facts[vif] else { return "not configured with it" }
    if fact.readiness == .unhealthy {
      let names = record.facts.failing.filter { $0.concerns(vif) }.map(\.name.text)
      return "health check fails" + (names.isEmpty ? "" : ": " + names.joined(separator: ", "))
    }
    if fact.readiness != .ready { return fact.readiness.description }
    return record.facts.drained ? "drained" : nil
  }

  /// Where a member is configured otherwise than what is in force, a phrase each.
  func differences(of record: MemberRecord) -> [String] {
    guard let owner else { return [] }
    var phrases: [String] = []
    let (mine, shared) = (record.facts.shared, owner.facts.shared)
    if mine.policy != shared.policy { phrases.append("another Policy") }
    if mine.quorum != shared.quorum { phrases.append("another Quorum") }
    if mine.apart != shared.apart { phrases.append("other Apart sets") }
    if mine.acquisitionsPerRound != shared.acquisitionsPerRound {
      phrases.append("another AcquisitionsPerRound")
    }
    for fact in owner.facts.vifs where record.facts[fact.id] == nil {
      phrases.append("without \(fact.id)")
    }
    for fact in record.facts.vifs where owner.facts[fact.id] == nil {
      phrases.append("with \(fact.id)")
    }
    return phrases
  }

  private func reason(at index: Int) -> FailoverEngine.Reason {
    guard let holder = claims[index].holder, let record = self[holder] else { return .uncovered }
    if !hasQuorum { return .quorum }
    if record.facts.leaving { return .leaving }
    if record.suspected { return .silent }
    guard let readiness = record.facts[claims[index].vif]?.readiness else { return .reconfigured }
    return readiness == .ready ? .drained : .notEligible(readiness)
  }

  /// Makes `member` the holder; the one that holds the VIF is to remove it first.
  mutating func assign(
    _ index: Int,
    to member: MemberID?,
    because reason: FailoverEngine.Reason,
    journal: inout Journal
  ) {
    let old = claims[index].holder
    record(claims[index].vif, from: old, to: member, reason, journal: &journal)
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

  mutating func addRemoval(
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

/// A mark of what was last decided: no part of what members agree on, so all of them are equal.
struct Settled: Sendable, Hashable {
  /// All of a table that the choice of holders follows from.
  struct Inputs: Sendable, Equatable {
    private struct Decision: Sendable, Equatable {
      let vif: VIFID
      let holder: MemberID?
      let waits: Bool
      let stuck: Bool
    }

    private let records: [MemberRecord]
    private let overrides: [Override]
    private let decisions: [Decision]

    init(_ table: Table) {
      records = table.records
      overrides = table.overrides
      decisions = table.claims.map {
        Decision(vif: $0.vif, holder: $0.holder, waits: $0.waits, stuck: $0.stuck)
      }
    }
  }

  var inputs: Inputs?

  static func == (one: Settled, other: Settled) -> Bool { true }
  func hash(into hasher: inout Hasher) {}
}
