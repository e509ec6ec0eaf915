// SPDX-License-Identifier: Apache-2.0

package import GroupModel
internal import GroupsWire
package import Machine

/// The lightweight process groups of one daemon, over a ring with Extended Virtual Synchrony.
///
/// Source: spec rules D; Amir, Stanton, "The Spread Wide Area Group Communication System", CNDS
/// 1998, for lightweight groups over one order of daemons.
///
/// A join, leave or disconnect is one ordered message that every daemon applies to its own table at
/// the same place, so tables that are equal stay equal. A *synced set* is a set of daemons whose
/// last completed exchange was the same one and which moved together ever since: they hold one
/// table. A ring whose members are one synced set goes on at once; otherwise the lowest member of
/// each set says what the set holds, and what is ordered meanwhile waits.
///
/// ```
///   forming ---regular---> settled <--------------- regular of one synced set -----+
///                          |     ^                                                 |
///                transitional    +-- all sets heard -- exchanging <-- regular -- transitional
///                          |                               |                       ^
///                          +-------------------------------+---- transitional -----+
/// ```
///
/// A transitional configuration during an exchange cuts it: what waited is applied to each set's
/// own table, and the next ring begins anew with the sets as they were.
package struct GroupsEngine: StateMachine {
  let settings: Settings
  var phase: Phase = .forming
  /// The regular configuration delivered last; `nil` before the first.
  var ring: RingID?
  var members: Roster = .empty
  /// The daemons that hold the same table as this one, itself included.
  var synced: Roster
  /// Those of ``synced`` that are not known to stay behind: fewer in a transitional configuration.
  var reachable: Roster
  var directory = Directory()
  var ids: ViewIDs
  var locals = Locals()
  var outbox = Outbox()
  /// What is left to be done, the first last.
  var chores: [Chore] = []
  package internal(set) var statistics = Statistics()

  package init(settings: Settings) {
    self.settings = settings
    synced = [settings.me]
    reachable = synced
    ids = ViewIDs(before: RingID(sequence: 0, representative: settings.me), lowest: settings.me)
  }

  /// At once when something is left to be done; nothing else here waits for a time.
  package var nextDeadline: Instant? { isBusy ? .boot : nil }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    work(into: &effects)
  }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch event {
    case .ring(let delivery):
      finishWork(into: &effects)
      take(delivery, into: &effects)
      work(into: &effects)
    case .connect(let process): connect(process, into: &effects)
    case .request(let request, let process): take(request, from: process, into: &effects)
    case .crash(let process): crash(process, into: &effects)
    case .congested(let congested):
      outbox.isCongested = congested
      flush(into: &effects)
    }
  }
}

extension GroupsEngine {
  /// What the engine is waiting for.
  enum Phase: Sendable, Equatable {
    /// The first configuration.
    case forming
    /// Nothing: the daemons of the ring hold one table.
    case settled
    /// The regular configuration that follows the transitional one.
    case transitional
    /// The state of the other synced sets of the ring.
    case exchanging(Exchange)
  }

  /// Whether the daemons of the ring hold one table, and requests go out at once.
  package var isSettled: Bool { phase == .settled }

  /// The daemons whose tables are known to be equal, this one included.
  package var syncedSet: Roster { synced }

  package var groupCount: Int { directory.groupCount }

  /// The present members of a group in ascending order, and the id of its view; `nil` if it has
  /// none.
  package func group(_ name: GroupName) -> (id: ViewID, members: [MemberID])? {
    guard let place = directory.place(of: name) else { return nil }
    return (directory.groups[place].id, directory.members(of: place))
  }

  /// The groups with members, in ascending order.
  package var groupNames: [GroupName] {
    directory.places { _, _ in true }.map { directory.groups[$0].name }
  }

  /// Some groups, in ascending order of name, with the number of their members.
  ///
  /// At most `limit`, those behind `name` if it is given: a page of a list that may be long.
  package func groups(after name: GroupName?, limit: Int) -> [(name: GroupName, members: Int)] {
    directory.places(after: name, limit: limit).map {
      (directory.groups[$0].name, directory.memberCount(of: $0))
    }
  }

  /// Messages that wait for the end of an exchange.
  package var deferredCount: Int {
    switch phase {
    case .forming, .settled, .transitional: 0
    case .exchanging(let exchange): exchange.deferred.count
    }
  }

  mutating func drop(_ reason: DropReason) { statistics.count(reason) }
}
