// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import FailoverWire
internal import GroupModel
internal import Machine

/// Everything that ends with the connection to the group.
struct Session: Sendable, Hashable {
  let me: MemberID
  var table: Table
  /// The members whose tables are the same as this one: a synced set.
  var synced: [MemberID]
  var stage = Stage.disconnected
  /// When this node becomes mature if it meets nobody who is.
  var maturesAt: Instant
  /// *mature* was sent, and has not come back.
  var maturing = false
  /// When the next round of balance is due; meaningful while running.
  var balancesAt: Instant
  var tale: Tale
  var watches: [Watch] = []
  /// Requests that the port was too busy for, and when they are tried again.
  var unsent: [GroupRequest] = []
  var resendsAt: Instant?
  /// The loop below stalled, and has not found out yet what it missed.
  var stalled = false
  /// The membership is about to change: what is delivered up to the view, others may not see.
  var signalled = false
  /// The backend is lost, and what was held then is kept.
  var isKeeping = false
  var pulse: Pulse
  /// When time last passed, for deadlines that are over.
  var latest = Instant.boot
  /// Commands that wait for their message, oldest first.
  var pending: [Pending] = []
  /// The number of the last order sent.
  var lastOrder: UInt64 = 0
  /// Nodes whose addresses are known to be gone although they are in the view yet.
  var obituaries: [NodeID] = []

  enum Stage: Sendable, Hashable {
    case disconnected
    /// Connected, not yet in the group.
    case joining
    case exchanging(Exchange)
    case running(View)
  }

  struct View: Sendable, Hashable {
    let id: ViewID
    /// In ascending order.
    let members: [MemberID]
    /// Counts the exchanges of the view.
    var round: UInt32 = 0
  }

  /// Begins with what this node `keeps` on its interfaces although it lost the group.
  init(me: MemberID, facts: Facts, stage: Stage, maturesAt: Instant, keeping: [VIFID] = []) {
    self.me = me
    let isKeeping = !keeping.isEmpty
    table = Table(
      alone: MemberRecord(member: me, mature: isKeeping, facts: facts),
      keeping: keeping
    )
    self.isKeeping = isKeeping
    pulse = Pulse(startingAt: maturesAt)
    synced = [me]
    self.stage = stage
    self.maturesAt = maturesAt
    balancesAt = maturesAt
    tale = Tale(told: facts)
  }

  /// Takes new facts while nobody else relies on the old ones.
  mutating func rebase(_ facts: Facts) {
    let kept = table.claims.filter { $0.holder == me }.map(\.vif)
    let record = MemberRecord(member: me, mature: isKeeping, facts: facts)
    table = Table(alone: record, keeping: isKeeping ? kept : [])
    tale = Tale(told: facts)
  }

  var view: View? {
    switch stage {
    case .disconnected, .joining: nil
    case .exchanging(let exchange): exchange.view
    case .running(let view): view
    }
  }

  var isRunning: Bool {
    switch stage {
    case .running: true
    case .disconnected, .joining, .exchanging: false
    }
  }

  var isMature: Bool { table[me]?.mature ?? false }

  /// The lowest member decides what needs a decision.
  var isRepresentative: Bool { table.representative == me }

  /// Whether the component, as far as it is known, is large enough to hold anything.
  var hasQuorum: Bool {
    switch stage {
    case .disconnected, .joining: true
    case .exchanging(let exchange): exchange.view.members.count >= table.needed
    case .running: table.hasQuorum
    }
  }
}

/// A command that waits for its message to come back.
struct Pending: Sendable, Hashable {
  let ticket: FailoverEngine.Ticket
  let message: Message

  enum Message: Sendable, Hashable {
    /// Own facts of at least this serial.
    case facts(UInt64)
    case order(UInt64)
  }
}

/// What this node has told of itself.
struct Tale: Sendable, Hashable {
  /// What it told last; the serial is that of the message.
  private(set) var told: Facts
  /// Messages on their way, oldest first.
  private var underway: [Underway] = []
  /// Until then the next message waits for removals that it is to report.
  var waitsUntil: Instant?

  private struct Underway: Sendable, Hashable {
    let serial: UInt64
    let withdrawn: [VIFID]
  }

  init(told: Facts) { self.told = told }

  var isUnderway: Bool { !underway.isEmpty }

  /// Whether a message on its way says that the VIF is not, and stays not, on the interfaces.
  func withdraws(_ vif: VIFID) -> Bool { underway.contains { $0.withdrawn.contains(vif) } }

  /// The next message.
  mutating func tell(_ facts: Facts, withdrawn: [VIFID]) -> FactsReport {
    var facts = facts
    facts.serial = told.serial &+ 1
    told = facts
    waitsUntil = nil
    underway.append(Underway(serial: facts.serial, withdrawn: withdrawn))
    return FactsReport(facts: facts, withdrawn: withdrawn)
  }

  /// An own message took effect.
  mutating func tookEffect(serial: UInt64) { underway.removeAll { $0.serial <= serial } }
}

/// A removal that is waited for.
struct Watch: Sendable, Hashable {
  let vif: VIFID
  let member: MemberID
  let id: MoveID
  /// `nil` when there is nothing more to do about it.
  var deadline: Instant?
  var isOverdue = false
}
