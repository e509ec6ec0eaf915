// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import FailoverWire
internal import GroupModel
internal import Machine

extension FailoverEngine {
  /// What this member knows and does.
  package var status: Status {
    Status(
      node: session.me.node,
      me: session.stage == .disconnected ? nil : session.me,
      phase: phase,
      view: session.view?.id,
      members: memberStatus,
      vifs: vifStatus,
      interfaces: links.interfaces.map { link in
        Status.Interface(
          name: link.name,
          state: link.state,
          held: holdings.filter { holding in
            holding.presence == .present
              && holding.vif.addresses.contains { $0.interface == link.name }
          }.map(\.vif.id)
        )
      },
      shared: sharedStatus,
      overrides: session.view == nil ? [] : session.table.overrides.filter { $0.node != nil },
      history: session.table.history.changes.map { change in
        Status.Change(
          view: change.entry.view,
          vif: change.entry.vif,
          from: change.entry.from,
          to: change.entry.to,
          reason: change.entry.reason.description,
          at: change.at
        )
      },
      degraded: degraded,
      dropped: dropped
    )
  }

  private var phase: Status.Phase {
    switch departure {
    case .departed: return .departed
    case .leaving: return .leaving
    case nil: break
    }
    return switch session.stage {
    case .disconnected: .disconnected
    case .joining: .joining
    case .exchanging: .exchanging
    case .running: session.isMature ? .running : .immature
    }
  }

  private var memberStatus: [Status.Member] {
    guard let view = session.view else { return [] }
    let loads = session.table.loads
    return view.members.map { member in
      guard let index = session.table.records.sortedIndex(of: member, by: \.member) else {
        return Status.Member(
          member: member,
          weight: 0,
          mature: false,
          drained: false,
          load: 0,
          known: false,
          failing: [],
          leaving: false,
          isSilent: session.table.strangers.contains(member),
          version: 0,
          differences: []
        )
      }
      let record = session.table.records[index]
      return Status.Member(
        member: member,
        weight: record.facts.weight,
        mature: record.mature,
        drained: record.facts.drained,
        load: loads[index],
        known: true,
        failing: record.facts.failing,
        leaving: record.facts.leaving,
        isSilent: record.suspected,
        version: record.facts.shared.functionVersion,
        differences: session.table.differences(of: record)
      )
    }
  }

  private var sharedStatus: Status.Shared? {
    guard session.view != nil, let owner = session.table.owner else { return nil }
    return Status.Shared(
      owner: owner.member,
      settings: owner.facts.shared,
      functionVersion: session.table.function,
      hasQuorum: session.hasQuorum
    )
  }

  private func prevented(from vif: VIFID) -> [Status.Prevented] {
    guard session.view != nil else { return [] }
    return session.table.records.compactMap { record in
      session.table.obstacle(of: record, to: vif).map {
        Status.Prevented(member: record.member, reason: $0)
      }
    }
  }

  private var vifStatus: [Status.VIF] {
    var all = holdings.map { status(of: $0) }
    for claim in session.table.claims where session.view != nil {
      let index = all.insertionIndex(of: claim.vif, by: \.id)
      guard index == all.count || all[index].id != claim.vif else { continue }
      all.insert(
        Status.VIF(
          id: claim.vif,
          configured: nil,
          holder: claim.holder,
          state: state(of: claim, holding: nil),
          reason: "not configured here",
          since: .boot,
          readiness: nil,
          prevented: prevented(from: claim.vif),
          fencedUntil: session.table.fence(of: claim.vif)
        ),
        at: index
      )
    }
    return all
  }

  /// The change that made the VIF's holder its holder, if the history has it.
  private func lastChange(of claim: Claim) -> History.Change? {
    let last = session.table.history.changes.last { $0.entry.vif == claim.vif }
    return last?.entry.to == claim.holder ? last : nil
  }

  private func status(of holding: Holding) -> Status.VIF {
    let claim = session.view == nil ? nil : session.table[holding.vif.id]
    let readiness = readiness(of: holding.vif)
    let state = claim.map { self.state(of: $0, holding: holding) } ?? .uncovered
    // What happened before this daemon was started, the others have kept.
    let past = holding.hasChanged ? nil : claim.flatMap(lastChange)
    let reason = past?.entry.reason.description ?? holding.reason
    return Status.VIF(
      id: holding.vif.id,
      configured: holding.vif,
      holder: claim?.holder,
      state: state,
      reason: state == .uncovered ? uncoveredReason(readiness) : reason,
      since: past?.at ?? holding.since,
      readiness: readiness,
      prevented: prevented(from: holding.vif.id),
      fencedUntil: session.table.fence(of: holding.vif.id)
    )
  }

  private func uncoveredReason(_ readiness: Readiness) -> String {
    switch phase {
    case .disconnected: "not connected to the group"
    case .joining: "not in the group yet"
    case .immature: "not mature yet"
    case .exchanging: "members are exchanging their tables"
    case .leaving, .departed: "leaving"
    case .running where !session.hasQuorum:
      "too few members: \(session.table.needed) are needed"
    case .running:
      readiness == .ready ? "no member is eligible" : "no member is eligible; here: \(readiness)"
    }
  }

  private func state(of claim: Claim, holding: Holding?) -> Status.Holding {
    guard let holder = claim.holder else { return claim.removals.isEmpty ? .uncovered : .moving }
    if holder == session.me, let holding {
      return holding.presence == .present ? .held : .moving
    }
    return claim.pending ? .moving : .elsewhere
  }

  private var degraded: [String] {
    var lines: [String] = []
    for watch in session.watches where watch.isOverdue {
      lines.append("\(watch.vif): \(watch.member) does not say that it removed it")
    }
    if session.view != nil, !session.hasQuorum {
      lines.append("too few members: \(session.table.needed) are needed to hold anything")
    }
    for record in session.table.records where record.suspected {
      lines.append("\(record.member): silent")
    }
    for check in failing { lines.append("health check \(check.name.text) fails here") }
    if flaps.restsUntil != nil { lines.append("this node changed too often, and rests") }
    for claim in session.table.claims where claim.stuck {
      let holder = claim.holder.map(\.description) ?? "nobody"
      lines.append("\(claim.vif): \(holder) could not give it away")
    }
    for holding in holdings {
      if holding.retry != nil {
        lines.append("\(holding.vif.id): the kernel does not remove it; trying again")
      }
      if readiness(of: holding.vif) == .cannotHold {
        lines.append("\(holding.vif.id): the kernel refuses it")
      }
    }
    return lines
  }
}
