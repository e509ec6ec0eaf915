// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import FailoverWire
internal import GroupModel
internal import Machine

/// What all members of a synced set agree on: the facts of each, and who is to hold what.
///
/// It changes only by what is delivered in order, and by pure functions of itself; so members that
/// began with the same table, and moved together since, have the same one.
struct Table: Sendable, Hashable {
  /// The members it speaks for, in ascending order.
  var records: [MemberRecord]
  /// One for each VIF that a member knows, in ascending order.
  var claims: [Claim] = []
  /// The highest number given to a removal.
  var lastMove = MoveID(0)
  /// Members of the view that are passed over until they speak, in ascending order.
  var strangers: [MemberID] = []
  /// In ascending order of VIF, each once.
  var overrides: [Override] = []
  /// The highest counter given to an override.
  var lastOverride: UInt64 = 0
  /// VIFs that wait for a lease to run out, as each member measures it itself.
  var fences: [LocalFence] = []
  var history = History()
  /// What ``plan(journal:)`` last found nothing to do for.
  var planned = Settled()

  /// The table of one member that has met nobody, and has on its interfaces what it `keeps`.
  init(alone record: MemberRecord, keeping vifs: [VIFID] = []) {
    records = [record]
    addMissingClaims()
    for vif in vifs {
      if let index = claims.sortedIndex(of: vif, by: \.vif) { claims[index].holder = record.member }
    }
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

  /// Whose settings hold for all: the lowest mature member.
  var owner: MemberRecord? { records.first { $0.mature } ?? records.first }
  var shared: SharedSettings { owner?.facts.shared ?? SharedSettings() }

  /// The allocation function in force: the lowest that a member has.
  var function: UInt8 {
    records.map(\.facts.shared.functionVersion).min() ?? SharedSettings.newestFunction
  }

  /// The lowest member that is not silent decides what needs a decision.
  var representative: MemberID? { (records.first { !$0.suspected } ?? records.first)?.member }

  /// How many members the component needs to hold anything; 0 without a quorum.
  var needed: Int { function >= 2 ? Int(shared.quorum?.members ?? 0) : 0 }
  var hasQuorum: Bool { records.count { !$0.suspected } >= needed }

  /// The override of a VIF that counts now.
  func override(of vif: VIFID) -> Override? {
    guard function >= 2, let index = overrides.sortedIndex(of: vif, by: \.vif) else { return nil }
    return overrides[index]
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
    let withdrawn = Set(report.withdrawn)
    for index in claims.indices {
      if claims[index].holder == sender { claims[index].stuck = false }
      guard withdrawn.contains(claims[index].vif) else { continue }
      if claims[index].holder == sender {
        claims[index].holder = nil
        claims[index].pending = false
        let readiness = report.facts[claims[index].vif]?.readiness
        let reason = readiness.map { FailoverEngine.Reason.notEligible($0) } ?? .reconfigured
        record(
          claims[index].vif,
          from: sender,
          to: nil,
          report.facts.leaving ? .leaving : reason,
          journal: &journal
        )
      }
      end(removalBy: sender, at: index, as: .released, journal: &journal)
    }
    addMissingClaims()
  }

  /// A member that counted as silent has spoken.
  mutating func heard(_ sender: MemberID, journal: inout Journal) {
    guard let index = records.sortedIndex(of: sender, by: \.member), records[index].suspected
    else { return }
    records[index].suspected = false
    journal.note(.silence(sender, isSilent: false, journal.view))
  }

  /// A member has been silent for longer than its addresses can live: it holds nothing.
  mutating func suspect(
    _ member: MemberID,
    by sender: MemberID,
    journal: inout Journal
  ) throws(Rejection) {
    guard let index = records.sortedIndex(of: member, by: \.member), self[sender] != nil else {
      throw .stranger
    }
    guard member != sender, !records[index].suspected else { throw .staleMove }
    records[index].suspected = true
    journal.note(.silence(member, isSilent: true, journal.view))
    for index in claims.indices {
      if claims[index].holder == member {
        record(claims[index].vif, from: member, to: nil, .silent, journal: &journal)
        claims[index].holder = nil
        claims[index].pending = false
      }
      end(removalBy: member, at: index, as: .released, journal: &journal)
    }
  }

  /// What an operator at `node` ordered; returns why it has no effect.
  mutating func override(
    _ vif: VIFID,
    to node: NodeID?,
    moving: Bool,
    by author: NodeID,
    journal: inout Journal
  ) -> FailoverEngine.Refusal? {
    guard let claim = claims.sortedIndex(of: vif, by: \.vif) else { return .unknownVIF(vif) }
    var target: Int?
    if let node {
      guard let index = records.firstIndex(where: { $0.member.node == node }) else {
        return .unknownNode(node)
      }
      if moving {
        guard eligible(for: vif)[index] else {
          let reason = hasQuorum ? obstacle(of: records[index], to: vif) : "too few members"
          return .notEligible(node, reason ?? "others can")
        }
        target = index
      } else if records[index].facts[vif] == nil {
        return .notEligible(node, "not configured with it")
      }
    }
    remember(vif, node, by: author, journal: &journal)
    if let target, claims[claim].removals.isEmpty,
      let holder = claims[claim].holder, holder != records[target].member
    {
      assign(claim, to: records[target].member, because: .ordered, journal: &journal)
    }
    return nil
  }

  private mutating func remember(
    _ vif: VIFID,
    _ node: NodeID?,
    by author: NodeID,
    journal: inout Journal
  ) {
    lastOverride &+= 1
    let stamp = Override.Stamp(counter: lastOverride, node: author)
    take(Override(vif: vif, node: node, stamp: stamp))
    journal.note(.override(vif, node, by: author, journal.view))
  }

  /// Takes an override unless there is a later one.
  mutating func take(_ override: Override) {
    let index = overrides.insertionIndex(of: override.vif, by: \.vif)
    guard index < overrides.count, overrides[index].vif == override.vif else {
      return overrides.insert(override, at: index)
    }
    if overrides[index].stamp < override.stamp { overrides[index] = override }
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
    record(vif, from: claims[index].holder, to: member, .cancelled, journal: &journal)
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

  mutating func end(
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

  mutating func addMissingClaims() {
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
    overrides.removeAll { claims.sortedIndex(of: $0.vif, by: \.vif) == nil }
  }

  /// Writes a change of holder into log and history.
  mutating func record(
    _ vif: VIFID,
    from: MemberID?,
    to: MemberID?,
    _ reason: FailoverEngine.Reason,
    journal: inout Journal
  ) {
    journal.note(.assigned(vif, from: from, to: to, journal.view, reason))
    history.add(vif, from: from, to: to, reason, in: journal.view, at: journal.now)
  }
}
