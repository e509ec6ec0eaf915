// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine

/// What takes long with very many groups, in parts: the ring below must get its turn, or its members
/// take each other for dead.
///
/// The ring's next delivery waits until all is done, so nothing changes the tables meanwhile.
extension GroupsEngine {
  enum Chore: Sendable, Equatable {
    /// Signals to groups that they are about to lose members.
    case signal(groups: [Int], next: Int)
    /// The views that follow a ring change.
    case announce(groups: [Int], next: Int, sets: [Roster])
    /// Takes a member out of its groups.
    case remove(MemberID, groups: [Int], next: Int)
    /// Messages that waited for the end of an exchange.
    case apply([OrderedMessage], next: Int)
    /// Signals to those groups that lose members outside the roster.
    case lose(outside: Roster)
    case install(RingID, of: Roster, with: Roster)
    case note(Note)
  }

  /// Whether something is left to be done before the ring's next delivery can be taken.
  package var isBusy: Bool { !chores.isEmpty }

  /// Does what is left, until about as many notices were given as may be at once.
  mutating func work(into effects: inout EffectQueue<Effect>) {
    let most = effects.effects.count + settings.noticesAtOnce
    // Groups without members here give no notice, but cost time as well.
    var steps = 16 * settings.noticesAtOnce
    while steps > 0, effects.effects.count < most, let chore = chores.popLast() {
      perform(chore, into: &effects)
      steps -= 1
    }
    if !isBusy { flush(into: &effects) }
  }

  mutating func finishWork(into effects: inout EffectQueue<Effect>) {
    while isBusy { work(into: &effects) }
  }

  /// Does one part of a chore; the rest of it goes back below what that part has brought up.
  private mutating func perform(_ chore: Chore, into effects: inout EffectQueue<Effect>) {
    switch chore {
    case .signal(let groups, let next):
      guard next < groups.count else { return }
      chores.append(.signal(groups: groups, next: next + 1))
      signal(groups[next], into: &effects)
    case .announce(let groups, let next, let sets):
      guard next < groups.count else { return }
      chores.append(.announce(groups: groups, next: next + 1, sets: sets))
      announceNetwork(groups[next], sets: sets, into: &effects)
    case .remove(let member, let groups, let next):
      guard next < groups.count else { return finishRemoval(of: member, into: &effects) }
      chores.append(.remove(member, groups: groups, next: next + 1))
      _ = directory.remove(member, from: groups[next])
      announce(groups[next], .disconnect(member), into: &effects)
    case .apply(let messages, let next):
      guard next < messages.count else { return }
      chores.append(.apply(messages, next: next + 1))
      apply(messages[next], into: &effects)
    case .lose(let roster): lose(outside: roster)
    case .install(let ring, let members, let together):
      install(ring, of: members, with: together, into: &effects)
    case .note(let note): effects.append(.note(note))
    }
  }
}
