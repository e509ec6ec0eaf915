// SPDX-License-Identifier: Apache-2.0

internal import Addresses
package import FailoverWire
internal import GroupModel
package import Machine

/// Decides with its peers, through one group, who holds which VIF.
///
///     disconnected -> joining -> view -+-> all of one synced set ---------> running
///          ^                           +-> others too -> exchanging --all--> running
///          |                                     ^          |                 |
///          +------ backend lost, or left         +-- view --+------ view -----+
///
/// The table of who is to hold what is replicated: it changes only by ordered messages and views,
/// and by pure functions of itself. Members that moved together through every view since their last
/// exchange have the same table, so a departure needs no message. What this node does with its
/// interfaces follows from the table, with one exception: what it cannot hold, it removes at once.
///
/// Guarantees: within a view nobody acquires a VIF while another member has it; two members have
/// it only if two synced sets brought it to a merge, until the loser has removed it.
package struct FailoverEngine: StateMachine, Hashable {
  var settings: Settings
  var session: Session
  var links: Links
  /// One for each configured VIF, and for each that is yet to be removed, in order.
  var holdings: [Holding]
  /// The health checks that fail, in order.
  var failing: [FailingCheck] = []
  var flaps = Flaps()
  var isDrained: Bool
  var departure: Departure?
  var dropped = Drops()
  /// Since when something has changed from which nothing has followed here yet.
  var unsettledSince: Instant?

  /// The end of this member.
  enum Departure: Sendable, Hashable {
    /// Removes everything, tells the others, and disconnects.
    case leaving(deadline: Instant, disconnecting: Bool)
    case departed
  }

  /// How much longer than its lease an address may live: the kernel does not look at every moment.
  static let leaseSlack = Duration.milliseconds(1_100)

  /// Begins outside the group, drained if that is what the last engine of this node had kept
  /// (``Effect/keep(drained:)``).
  package init(_ settings: Settings, isDrained: Bool = false) {
    self.settings = settings
    self.isDrained = isDrained
    links = Links(vifs: settings.vifs)
    holdings = settings.vifs.map { Holding($0, at: .boot) }
    let me = MemberID(node: settings.node, process: settings.node.name)
    session = Session(
      me: me,
      facts: Facts(vifs: []),
      stage: .disconnected,
      maturesAt: .boot
    )
  }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    guard departure != .departed else { return }
    // Of no interest here, and by far the most frequent.
    if case .group(.liveness(.rotation)) = event { return }
    var turn = Turn(at: now, view: session.view?.id)
    switch event {
    case .group(let event): handle(event, in: &turn)
    case .refused(let request, let refusal): refused(request, refusal, in: &turn)
    case .link(let name, let state):
      if links.update(name, to: state, at: now, settling: settings.settle) {
        links.forgive(settings.vifs, on: name)
        turn.emit(.note(.link(name, state)))
      }
    case .checks(let failing): take(failing, in: &turn)
    case .command(let command, let ticket): handle(command, ticket, in: &turn)
    case .obituary(let node):
      session.table.unfence(node)
      let isMember = session.view?.members.contains { $0.node == node } ?? false
      if isMember, !session.obituaries.contains(node) { session.obituaries.append(node) }
    case .acquired(let vif, let outcome): acquired(vif, outcome, in: &turn)
    case .released(let vif, let outcome): released(vif, outcome, in: &turn)
    case .recalled(let vif): recalled(vif)
    case .lost(let vif, let text): lost(vif, text, in: &turn)
    case .leave: beginLeaving(in: &turn)
    }
    finish(&turn)
    if settings.settlesLater {
      unsettledSince = unsettledSince ?? now
    } else {
      settle(&turn)
    }
    for effect in turn.effects { effects.append(effect) }
  }

  /// What follows for the table from everything that one event, or the time, changed: at the same
  /// place in the order at all members.
  mutating func finish(_ turn: inout Turn) {
    if session.isRunning { session.table.plan(journal: &turn.journal) }
    digest(&turn)
  }

  /// What follows for this node's interfaces, and what it has to say: it depends on nothing but how
  /// things stand, so once is enough after many events.
  mutating func settle(_ turn: inout Turn) {
    unsettledSince = nil
    watchFlaps(&turn)
    watchRemovals(at: turn.now)
    reconcile(&turn)
    tellFacts(&turn)
    answerRemovals(&turn)
    announceOwed(&turn)
    progressDeparture(&turn)
  }

  /// What is not finished, and a change of membership would cut.
  package struct Activity: Sendable, Hashable {
    /// Members exchange their tables.
    package var isExchanging: Bool
    /// How many removals are waited for.
    package var removals: Int
  }

  package var activity: Activity {
    Activity(
      isExchanging: session.view != nil && !session.isRunning,
      removals: session.view == nil ? 0 : session.table.claims.reduce(0) { $0 + $1.removals.count }
    )
  }

  /// The replicated table, for comparison between members; `nil` outside a settled view.
  package var replicated: StateReport? {
    guard session.isRunning, let view = session.view else { return nil }
    return session.table.exact(for: view.id)
  }
}

/// One event being handled: when, what changes, and what follows.
struct Turn {
  let now: Instant
  var journal: Journal
  private(set) var effects: [FailoverEngine.Effect] = []

  init(at now: Instant, view: ViewID?) {
    self.now = now
    journal = Journal(view: view ?? ViewID(epoch: 0, origin: 0, index: 0), now: now)
  }

  mutating func emit(_ effect: FailoverEngine.Effect) { effects.append(effect) }
}
