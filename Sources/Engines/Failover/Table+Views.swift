// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import FailoverWire
internal import GroupModel
internal import Machine

// What a view takes away, and what comes of the tables of several synced sets.

extension Table {
  /// Forgets everybody who is not among `members`.
  ///
  /// What a departed member was to remove is gone with it, so its target acquires at once. Before
  /// an exchange the target's claim lapses: somebody else of the view may hold the VIF.
  ///
  /// With strict quorum and a `lease`, what those had that neither left nor are known to be `dead`
  /// waits until their addresses have run out.
  mutating func prune(
    to members: [MemberID],
    exchanging: Bool,
    lease: Duration?,
    dead: [NodeID],
    journal: inout Journal
  ) {
    fences.removeAll { $0.until <= journal.now }
    if let lease, shared.quorum?.isStrict ?? false, function >= 2 {
      fence(whatWentWithout: members, for: lease, dead, journal: &journal)
    }
    records.removeAll { !members.contains($0.member) }
    for index in claims.indices {
      let pending = claims[index].pending
      for removal in claims[index].removals where !members.contains(removal.member) {
        end(removalBy: removal.member, at: index, as: .released, journal: &journal)
      }
      let gone = claims[index].holder.map { !members.contains($0) } ?? false
      let lapsed = exchanging && pending && !claims[index].removals.contains { $0.cause == .move }
      if gone || lapsed {
        let (vif, holder) = (claims[index].vif, claims[index].holder)
        record(vif, from: holder, to: nil, .holderGone, journal: &journal)
        claims[index].holder = nil
        claims[index].pending = false
      }
      claims[index].stuck = false
    }
    addMissingClaims()
  }

  private mutating func fence(
    whatWentWithout members: [MemberID],
    for lease: Duration,
    _ dead: [NodeID],
    journal: inout Journal
  ) {
    let gone = records.filter { record in
      !members.contains(record.member) && !record.facts.leaving && !record.suspected
        && !dead.contains(record.member.node)
    }
    for record in gone {
      for claim in claims
      where claim.holder == record.member && !claim.pending
        || claim.removals.contains(where: { $0.member == record.member })
      {
        let until = journal.now + lease
        raise(LocalFence(vif: claim.vif, until: until, holder: record.member.node))
        journal.note(.fenced(claim.vif, lease, journal.view))
      }
    }
  }

  private mutating func raise(_ fence: LocalFence) {
    let index = fences.insertionIndex(of: fence.vif, by: \.vif)
    guard index < fences.count, fences[index].vif == fence.vif else {
      return fences.insert(fence, at: index)
    }
    if fences[index].until < fence.until { fences[index] = fence }
  }

  /// The addresses of a node are known to be gone.
  mutating func unfence(_ node: NodeID) { fences.removeAll { $0.holder == node } }

  /// Until when the VIF waits for a lease.
  func fence(of vif: VIFID) -> Instant? {
    fences.sortedIndex(of: vif, by: \.vif).map { fences[$0].until }
  }

  /// The table as it is told to members from elsewhere: pending moves count as not begun.
  func report(for view: ViewID, round: UInt32, at now: Instant) -> StateReport {
    var told = claims
    for index in told.indices where told[index].isCancellable {
      let moving = told[index].removals.first { $0.cause == .move }
      told[index].pending = false
      told[index].holder = moving?.member
      guard let moving else { continue }
      told[index].removals.removeAll { $0.member == moving.member }
    }
    var report = exact(for: view)
    report.claims = told
    report.round = round
    report.fences = fences.filter { $0.until > now }.map { fence in
      Fence(vif: fence.vif, remaining: (fence.until - now).wholeMilliseconds)
    }
    report.history = history.told(at: now)
    return report
  }

  /// The table as it is, but for what each member measures with its own clock.
  func exact(for view: ViewID) -> StateReport {
    var report = StateReport(view: view, records: records, lastMove: lastMove, claims: claims)
    report.strangers = strangers
    report.overrides = overrides
    report.lastOverride = lastOverride
    report.history = history.told(at: nil)
    report.lastChange = history.last
    return report
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
    lastOverride = reports.map(\.lastOverride).max() ?? 0
    for report in reports {
      for override in report.overrides { take(override) }
      for fence in report.fences {
        let until = journal.now + .milliseconds(Int64(fence.remaining))
        raise(LocalFence(vif: fence.vif, until: until, holder: nil))
      }
    }
    history = History(merging: reports, at: journal.now)
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
