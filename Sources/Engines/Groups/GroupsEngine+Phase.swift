// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine

/// What the ring delivers, phase by phase.
extension GroupsEngine {
  mutating func take(_ delivery: RingEvent, into effects: inout EffectQueue<Effect>) {
    switch (phase, delivery) {
    case (.forming, .message), (.forming, .transitional):
      drop(.beforeConfiguration)
    case (.settled, .message(let message)), (.transitional, .message(let message)):
      apply(message, into: &effects)
    case (.exchanging, .message(let message)):
      wait(message, into: &effects)
    case (.settled, .transitional(let next, let staying)):
      part(with: staying, for: next, into: &effects)
    case (.exchanging(let exchange), .transitional(let next, let staying)):
      part(with: staying, for: next, cutting: exchange, into: &effects)
    case (.transitional, .transitional):
      drop(.unexpectedConfiguration)
    case (.forming, .regular(let ring, let members, _)):
      install(ring, of: members, into: &effects)
    case (.transitional, .regular(let ring, let members, let together)):
      install(ring, of: members, with: together, into: &effects)
    case (.settled, .regular(let ring, let members, let together)):
      // A ring that skips the transitional configuration loses nothing by having it made up.
      chores.append(.install(ring, of: members, with: together))
      part(with: together, for: ring, into: &effects)
    case (.exchanging(let exchange), .regular(let ring, let members, let together)):
      chores.append(.install(ring, of: members, with: together))
      part(with: together, for: ring, cutting: exchange, into: &effects)
    }
  }

  /// The transitional configuration: each group that is about to lose members says so (Group.Cut).
  private mutating func part(
    with staying: Roster,
    for next: RingID,
    cutting exchange: Exchange? = nil,
    into effects: inout EffectQueue<Effect>
  ) {
    phase = .transitional
    let together = synced.intersection(staying).inserting(settings.me)
    // From here on views are numbered for those alone that go to the next ring together.
    ids = ViewIDs(before: next, lowest: together.lowest ?? settings.me)
    chores.append(.lose(outside: together))
    if let exchange { cut(exchange, into: &effects) }
  }

  /// Signals to each group that has members of the synced set outside the roster that they are lost.
  mutating func lose(outside roster: Roster) {
    reachable = roster
    guard reachable != synced else { return }
    let losing = directory.places { _, place in
      directory.hasMembers(outside: reachable, group: place)
    }
    for group in losing { directory.update(group) { $0.isChanged = true } }
    chores.append(.signal(groups: losing, next: 0))
  }

  /// A ring change before all sets were heard: back to the own set's table, to which what waited
  /// is applied.
  private mutating func cut(_ exchange: Exchange, into effects: inout EffectQueue<Effect>) {
    statistics.exchangesCut += 1
    if let ring { effects.append(.note(.exchangeCut(ring))) }
    directory.removeMembers(outside: synced)
    directory.adoptAll()
    chores.append(.apply(exchange.deferred, next: 0))
  }

  /// The next regular configuration: what was lost goes, then the sets meet.
  mutating func install(
    _ next: RingID,
    of roster: Roster,
    with together: Roster? = nil,
    into effects: inout EffectQueue<Effect>
  ) {
    if let together { synced = synced.intersection(together).inserting(settings.me) }
    directory.removeMembers(outside: synced)
    (ring, members, reachable) = (next, roster, synced)
    ids = ViewIDs(ring: next)
    if synced == members {
      statistics.departuresOnly += 1
      settle([synced])
    } else {
      beginExchange(into: &effects)
    }
  }

  /// All daemons of the ring hold one table: groups that owe a view get it, in order of name.
  ///
  /// - Parameter sets: the synced sets that met here, which together are the ring.
  mutating func settle(_ sets: [Roster]) {
    phase = .settled
    (synced, reachable) = (members, members)
    let changed = directory.places { group, _ in group.isChanged || group.isTouched }
    directory.adoptAll()
    for group in changed { directory.update(group) { $0.isChanged = false } }
    if let ring, sets.count > 1 || !changed.isEmpty {
      chores.append(.note(.synced(ring, members: members, changedGroups: changed.count)))
    }
    chores.append(.announce(groups: changed, next: 0, sets: sets))
  }
}
