// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import Machine

/// Keeps on this node's interfaces what it is to hold, and nothing longer than it may: what is wanted
/// against what is observed.
///
/// It adds, renews, and puts back only with *proof of a rotation*: a token of the installed ring that
/// this node passed on less than a token time-out ago, after its last stall, and got back. A node that
/// hangs, or wakes up when others have gone on without it, has none. So its leases run out in the
/// kernel, and nothing that it finds in its buffers makes it put an address back.
///
///     absent --hold--> wished --proof--> asked --done--> standing --drop--> leaving --> absent
///                         |                                 |  ^
///                         +--recall--> absent       vanished|  |put back, at most 3 times a minute
///                                                           +--+---> lost, until it is dropped
package struct InterfacesEngine: StateMachine {
  private(set) var settings: Settings
  /// In ascending order of VIF; those that are absent have no entry.
  var claims: [Claim] = []
  /// Interfaces that are administratively down.
  private var down: [InterfaceName] = []
  private(set) var underWay: UnderWay?
  /// When there is something for the kernel, so that the wishes of one turn go together.
  private var planAt: Instant?
  private var renewAt: Instant?
  private var batches: UInt64 = 0
  /// Until when the last proof holds.
  private(set) var liveUntil: Instant?
  /// When a renewal was due and proof was missing; for the log.
  private var heldSince: Instant?

  package init(_ settings: Settings) { self.settings = settings }

  /// Whether there is proof that this node may add and renew.
  package func isLive(at now: Instant) -> Bool { liveUntil.map { now < $0 } ?? false }

  /// How long the kernel will keep the VIF if nothing is renewed any more; `nil` if it does not stand,
  /// or for ever.
  package func leaseLeft(of vif: VIFID, at now: Instant) -> Duration? {
    guard let claim = claims.first(where: { $0.vif.id == vif }) else { return nil }
    let ends = claim.slots.compactMap(\.endsAt)
    guard let first = ends.min(), ends.count == claim.slots.count else { return nil }
    return max(.zero, first - now)
  }

  package var nextDeadline: Instant? {
    var deadlines = [underWay?.renewalDeadline]
    if underWay == nil {
      deadlines.append(planAt)
      // Without proof nothing is renewed, and proof comes by an event.
      if let renewAt, let liveUntil, renewAt < liveUntil { deadlines.append(renewAt) }
    }
    return deadlines.compactMap(\.self).min()
  }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch event {
    case .hold(let vif): wish(for: vif, at: now)
    case .drop(let vif): unwish(vif, at: now)
    case .rotation(let passed): prove(passed, at: now, into: &effects)
    case .distrust: liveUntil = nil
    case .recall: recall(into: &effects)
    case .observed(let present): observe(present, at: now)
    case .appeared(let address): change(address, at: now) { $0.missingSince = nil }
    case .vanished(let address):
      change(address, at: now) { $0.missingSince = $0.missingSince ?? now }
    case .link(let name, let isUp):
      down.removeAll { $0 == name }
      if isUp { planSoon(at: now) } else { down.append(name) }
    case .completed(let batch, let outcomes):
      complete(batch, outcomes, at: now, into: &effects)
    case .reconfigure(let lease, let proofLife):
      reconfigure(lease: lease, proofLife: proofLife, at: now)
    }
    switch event {
    case .observed, .appeared, .vanished, .completed: tellWholeness(into: &effects)
    case .hold, .drop, .rotation, .distrust, .recall, .link, .reconfigure: break
    }
  }

  /// What stands gets another lease by a renewal, as soon as there is proof.
  private mutating func reconfigure(lease: Duration?, proofLife: Duration, at now: Instant) {
    if lease != settings.lease, !claims.isEmpty { renewAt = now }
    (settings.lease, settings.proofLife) = (lease, proofLife)
    liveUntil = liveUntil.map { min($0, now + proofLife) }
  }

  private mutating func tellWholeness(into effects: inout EffectQueue<Effect>) {
    for index in claims.indices where claims[index].stage == .standing {
      let isWhole = !claims[index].slots.contains(where: \.isMissing)
      guard isWhole != claims[index].isToldWhole else { continue }
      claims[index].isToldWhole = isWhole
      let vif = claims[index].vif
      effects.append(isWhole ? .restored(vif) : .vanished(vif.id))
    }
  }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    if let deadline = underWay?.renewalDeadline, deadline <= now {
      underWay?.renewalDeadline = nil
      for index in claims.indices where claims[index].stage == .standing {
        lose(index, "the kernel has not renewed its lease in time", into: &effects)
      }
    }
    guard underWay == nil else { return }
    if [planAt, renewAt].contains(where: { $0.map { $0 <= now } ?? false }) {
      plan(at: now, into: &effects)
    }
  }

  // MARK: - Wishes

  private mutating func wish(for vif: VirtualInterface, at now: Instant) {
    planSoon(at: now)
    let index = claims.firstIndex { $0.vif.id >= vif.id } ?? claims.count
    if index < claims.count, claims[index].vif.id == vif.id {
      // The present removal, if any, ends first; it is answered before this wish is.
      claims[index] = Claim(vif, stage: .wished)
    } else {
      claims.insert(Claim(vif, stage: .wished), at: index)
    }
  }

  private mutating func unwish(_ vif: VirtualInterface, at now: Instant) {
    planSoon(at: now)
    let index = claims.firstIndex { $0.vif.id >= vif.id } ?? claims.count
    if index < claims.count, claims[index].vif.id == vif.id {
      claims[index].stage = .unwished
    } else {
      claims.insert(Claim(vif, stage: .unwished), at: index)
    }
  }

  private mutating func recall(into effects: inout EffectQueue<Effect>) {
    liveUntil = nil
    for claim in claims where claim.stage == .wished { effects.append(.recalled(claim.vif.id)) }
    claims.removeAll { $0.stage == .wished }
  }

  // MARK: - Proof

  /// Takes a proof: it counts from when the token was passed on, not from when it was seen again.
  private mutating func prove(
    _ passed: Instant,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    let until = passed + settings.proofLife
    guard now < until else { return }
    liveUntil = max(until, liveUntil ?? until)
    if let since = heldSince {
      heldSince = nil
      effects.append(.note(.renewalHeld(now - since)))
    }
    let waits = claims.contains { claim in
      claim.stage == .wished
        || claim.stage == .standing && claim.slots.contains(where: \.isMissing)
    }
    if waits { planSoon(at: now) }
  }

  // MARK: - What is observed

  private mutating func observe(_ present: [InterfaceAddress], at now: Instant) {
    let present = Set(present)
    for claim in claims.indices {
      for slot in claims[claim].slots.indices {
        let address = claims[claim].slots[slot].address
        let since = claims[claim].slots[slot].missingSince ?? now
        claims[claim].slots[slot].missingSince = present.contains(address) ? nil : since
      }
    }
    planSoon(at: now)
  }

  private mutating func change(
    _ address: InterfaceAddress,
    at now: Instant,
    _ body: (inout Slot) -> Void
  ) {
    for claim in claims.indices {
      guard let slot = claims[claim].slots.firstIndex(where: { $0.address == address }) else {
        continue
      }
      body(&claims[claim].slots[slot])
      if claims[claim].slots[slot].isMissing { planSoon(at: now) }
    }
  }

  func isUp(_ interface: InterfaceName) -> Bool { !down.contains(interface) }

  // MARK: - The next batch

  /// Sends everything that may be sent now.
  private mutating func plan(at now: Instant, into effects: inout EffectQueue<Effect>) {
    planAt = nil
    var changes: [Change] = []
    var parts: [Part] = []
    for index in claims.indices where claims[index].stage == .unwished {
      guard hasRoom(changes, at: now) else { break }
      claims[index].stage = .leaving
      changes += claims[index].vif.addresses.map(Change.remove)
      parts.append(.drop(claims[index].vif.id, count: claims[index].slots.count))
    }
    if isLive(at: now) {
      planRenewal(&changes, &parts, at: now)
      planPutBacks(&changes, &parts, at: now, into: &effects)
      for index in claims.indices where claims[index].stage == .wished {
        guard hasRoom(changes, at: now) else { break }
        claims[index].stage = .asked
        changes += claims[index].vif.addresses.map(Change.add)
        parts.append(.hold(claims[index].vif.id, count: claims[index].slots.count))
      }
    } else {
      liveUntil = nil
      if let renewAt, renewAt <= now { heldSince = heldSince ?? now }
    }
    guard !changes.isEmpty else { return }
    batches += 1
    let batch = Batch(number: batches)
    underWay = UnderWay(
      batch: batch,
      parts: parts,
      lease: settings.lease,
      renewalDeadline: renewalDeadline(from: now)
    )
    effects.append(.change(batch, changes, lease: settings.lease, until: liveUntil))
  }

  /// When a batch that has not ended keeps leases from being renewed for too long.
  private func renewalDeadline(from now: Instant) -> Instant? {
    guard let lease = settings.lease, claims.contains(where: { $0.stage == .standing })
    else { return nil }
    return now + lease / 2
  }

  /// There may be something for the kernel at the end of this turn.
  private mutating func planSoon(at now: Instant) { planAt = min(planAt ?? now, now) }

  private mutating func hasRoom(_ changes: [Change], at now: Instant) -> Bool {
    if changes.count < settings.mostInBatch { return true }
    planSoon(at: now)
    return false
  }

  /// Renews everything that stands, in one batch, so that it would all end together.
  private mutating func planRenewal(
    _ changes: inout [Change],
    _ parts: inout [Part],
    at now: Instant
  ) {
    guard let due = renewAt, due <= now else { return }
    // Without a lease this is the last time.
    renewAt = settings.lease.map { now + $0 / 3 }
    for claim in claims where claim.stage == .standing {
      for slot in claim.slots where !slot.isMissing {
        changes.append(.renew(slot.address))
        parts.append(.renew(slot.address, of: claim.vif.id))
      }
    }
  }

  private mutating func planPutBacks(
    _ changes: inout [Change],
    _ parts: inout [Part],
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    for index in claims.indices where claims[index].stage == .standing {
      for slot in claims[index].slots.indices where claims[index].slots[slot].isMissing {
        // What stood on a link that is down comes back with it.
        guard isUp(claims[index].slots[slot].address.interface) else { continue }
        let hasExpired = isExpired(claims[index].slots[slot], at: now)
        claims[index].slots[slot].putBacks.removeAll { now - $0 >= settings.putBackPeriod }
        let address = claims[index].slots[slot].address
        if !hasExpired, claims[index].slots[slot].putBacks.count >= settings.putBacks {
          effects.append(.note(.fight(address)))
          lose(index, "somebody else takes \(address) away again and again", into: &effects)
          break
        }
        if !hasExpired, let due = putBackAt(claims[index].slots[slot]), due > now {
          planAt = min(planAt ?? due, due)
          continue
        }
        changes.append(.add(address))
        parts.append(.putBack(address, of: claims[index].vif.id, counted: !hasExpired))
      }
    }
  }

  /// When a missing address is put back.
  private func putBackAt(_ slot: Slot) -> Instant? {
    let pauses = settings.putBackPauses
    guard let since = slot.missingSince, !pauses.isEmpty else { return nil }
    return since + pauses[min(slot.putBacks.count, pauses.count - 1)]
  }

  /// Whether the kernel took it away because its lease had run out; it counts in whole seconds.
  private func isExpired(_ slot: Slot, at now: Instant) -> Bool {
    slot.endsAt.map { now + .seconds(1) >= $0 } ?? false
  }

  private mutating func lose(
    _ index: Int,
    _ text: String,
    into effects: inout EffectQueue<Effect>
  ) {
    claims[index].stage = .lost
    effects.append(.lost(claims[index].vif.id, text))
  }

  // MARK: - What the kernel did

  private mutating func complete(
    _ batch: Batch,
    _ outcomes: [Outcome],
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    guard let ended = underWay, ended.batch == batch else { return }
    underWay = nil
    planSoon(at: now)
    let ends = ended.lease.map { now + $0 }
    var rest = outcomes[...]
    for part in ended.parts {
      let own = Array(rest.prefix(part.count))
      rest = rest.dropFirst(part.count)
      switch part {
      case .hold(let vif, _): held(vif, own, until: ends, at: now, into: &effects)
      case .drop(let vif, _): dropped(vif, own, into: &effects)
      case .putBack(let address, let vif, let counted):
        putBack(address, of: vif, counted: counted, own.first, until: ends, at: now, into: &effects)
      case .renew(let address, let vif):
        renewed(address, of: vif, own.first, until: ends, at: now, into: &effects)
      }
    }
  }

  private func reasons(_ outcomes: [Outcome]) -> [String] {
    outcomes.compactMap { if case .failed(let text) = $0 { text } else { nil } }
  }

  private mutating func held(
    _ vif: VIFID,
    _ outcomes: [Outcome],
    until ends: Instant?,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    guard let index = claims.firstIndex(where: { $0.vif.id == vif }) else { return }
    let failures = reasons(outcomes)
    guard claims[index].stage == .asked else { return }
    if !failures.isEmpty {
      claims[index].stage = .lost
      effects.append(.held(vif, .failed(failures.joined(separator: "; "))))
    } else if outcomes.contains(.expired) {
      // Proof ran out on the way: the next one sends it again.
      claims[index].stage = .wished
    } else {
      claims[index].stage = .standing
      for slot in claims[index].slots.indices { claims[index].slots[slot].endsAt = ends }
      if let lease = settings.lease {
        // What was there before may have less left than a whole lease.
        let soon = outcomes.contains(.already) ? now : now + lease / 3
        renewAt = min(renewAt ?? soon, soon)
      }
      effects.append(.held(vif, .done))
    }
  }

  private mutating func dropped(
    _ vif: VIFID,
    _ outcomes: [Outcome],
    into effects: inout EffectQueue<Effect>
  ) {
    let failures = reasons(outcomes)
    if let index = claims.firstIndex(where: { $0.vif.id == vif }), claims[index].stage == .leaving {
      claims.remove(at: index)
    }
    if !claims.contains(where: { $0.stage == .standing }) { renewAt = nil }
    effects.append(
      .dropped(vif, failures.isEmpty ? .done : .failed(failures.joined(separator: "; ")))
    )
  }

  private mutating func putBack(
    _ address: InterfaceAddress,
    of vif: VIFID,
    counted: Bool,
    _ outcome: Outcome?,
    until ends: Instant?,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    guard let index = claims.firstIndex(where: { $0.vif.id == vif }),
      claims[index].stage == .standing,
      let slot = claims[index].slots.firstIndex(where: { $0.address == address })
    else { return }
    switch outcome {
    case .done:
      claims[index].slots[slot].missingSince = nil
      claims[index].slots[slot].endsAt = ends
      if counted { claims[index].slots[slot].putBacks.append(now) }
      let times = claims[index].slots[slot].putBacks.count
      effects.append(.note(counted ? .putBack(address, times: times) : .leaseReturned(address)))
    case .already: claims[index].slots[slot].missingSince = nil
    case .failed(let text):
      // On a link that went down meanwhile it fails too.
      if isUp(address.interface) { lose(index, text, into: &effects) }
    case .expired, nil: break
    }
  }

  private mutating func renewed(
    _ address: InterfaceAddress,
    of vif: VIFID,
    _ outcome: Outcome?,
    until ends: Instant?,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    guard let index = claims.firstIndex(where: { $0.vif.id == vif }),
      claims[index].stage == .standing,
      let slot = claims[index].slots.firstIndex(where: { $0.address == address })
    else { return }
    switch outcome {
    case .done, .already: claims[index].slots[slot].endsAt = ends
    case .failed(let text):
      if isUp(address.interface) { lose(index, text, into: &effects) }
    case .expired, nil: renewAt = now
    }
  }
}
