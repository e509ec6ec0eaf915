// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import FailoverWire
internal import GroupModel
internal import Machine

/// Everything that ends with the connection to the group.
struct Session: Sendable, Equatable {
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

  enum Stage: Sendable, Equatable {
    case disconnected
    /// Connected, not yet in the group.
    case joining
    case exchanging(Exchange)
    case running(View)
  }

  struct View: Sendable, Equatable {
    let id: ViewID
    /// In ascending order.
    let members: [MemberID]
  }

  init(me: MemberID, facts: Facts, stage: Stage, maturesAt: Instant) {
    self.me = me
    table = Table(alone: MemberRecord(member: me, mature: false, facts: facts))
    synced = [me]
    self.stage = stage
    self.maturesAt = maturesAt
    balancesAt = maturesAt
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
  var isRepresentative: Bool { table.records.first?.member == me }
}

/// Agreeing on one table with members from elsewhere.
struct Exchange: Sendable, Equatable {
  /// The most messages kept during one exchange.
  static let queueLimit = 4_096

  let view: Session.View
  /// One for each synced set that has spoken, in the order of delivery.
  private(set) var reports: [StateReport] = []
  /// What was delivered meanwhile, to be applied on top.
  private(set) var queue: [Queued] = []

  struct Queued: Sendable, Equatable {
    let sender: MemberID
    let message: FailoverMessage
  }

  init(view: Session.View) { self.view = view }

  /// Whether the reports speak for every member of the view.
  var isComplete: Bool { reports.reduce(0) { $0 + $1.records.count } == view.members.count }

  func speaks(for member: MemberID) -> Bool {
    reports.contains { $0.records.sortedIndex(of: member, by: \.member) != nil }
  }

  /// Takes a report of this view; `false` if it contradicts the view, what others said, or the set
  /// that this node belongs to.
  mutating func take(_ report: StateReport, from sender: MemberID, synced: [MemberID]) -> Bool {
    let members = report.records.map(\.member)
    guard members.first == sender,
      members.allSatisfy({ view.members.contains($0) && !speaks(for: $0) }),
      members == synced || !members.contains(where: { synced.contains($0) })
    else { return false }
    reports.append(report)
    return true
  }

  /// Keeps a message; `false` if there are too many.
  mutating func keep(_ message: FailoverMessage, from sender: MemberID) -> Bool {
    guard queue.count < Self.queueLimit else { return false }
    queue.append(Queued(sender: sender, message: message))
    return true
  }
}

/// What this node has told of itself.
struct Tale: Sendable, Equatable {
  /// What it told last; the serial is that of the message.
  private(set) var told: Facts
  /// Messages on their way, oldest first.
  private var underway: [Underway] = []
  /// Until then the next message waits for removals that it is to report.
  var waitsUntil: Instant?

  private struct Underway: Sendable, Equatable {
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
struct Watch: Sendable, Equatable {
  let vif: VIFID
  let member: MemberID
  let id: MoveID
  /// `nil` when there is nothing more to do about it.
  var deadline: Instant?
  var isOverdue = false
}
