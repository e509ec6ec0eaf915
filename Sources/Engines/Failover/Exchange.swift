// SPDX-License-Identifier: Apache-2.0

internal import FailoverWire
internal import GroupModel
internal import Machine

/// Agreeing on one table with members from elsewhere.
struct Exchange: Sendable, Hashable {
  /// The most messages kept during one exchange.
  static let queueLimit = 4_096

  let view: Session.View
  /// One for each synced set that has spoken, in the order of delivery.
  private(set) var reports: [StateReport] = []
  /// Members that are passed over unless they speak yet, in ascending order.
  private(set) var passed: [MemberID] = []
  /// What was delivered meanwhile, to be applied on top.
  private(set) var queue: [Queued] = []
  /// This member was passed over: for the others the exchange begins when one like it speaks.
  private let waits: Bool
  /// When to speak for the own set, whose lowest member is silent; `nil` if that is settled.
  var speaksAt: Instant?
  /// When to go on without those who are silent.
  var passesAt: Instant?

  struct Queued: Sendable, Hashable {
    let sender: MemberID
    let message: FailoverMessage
  }

  init(view: Session.View, waiting: Bool = false) { (self.view, waits) = (view, waiting) }

  /// Whether the reports speak for every member of the view that is not passed over.
  var isComplete: Bool { !reports.isEmpty && silent.allSatisfy { passed.contains($0) } }

  /// Who speaks for nobody yet, nor is spoken for.
  var silent: [MemberID] { view.members.filter { !speaks(for: $0) } }

  /// The lowest member that is spoken for decides whom to pass over.
  var representative: MemberID? { view.members.first { speaks(for: $0) } }

  /// Whether the next report makes what is kept void: what came before the others began is in what
  /// they report.
  var isToForget: Bool { waits && reports.isEmpty }

  func speaks(for member: MemberID) -> Bool {
    reports.contains { $0.records.sortedIndex(of: member, by: \.member) != nil }
  }

  /// Takes a report of this view; `false` if it contradicts the view, what others said, or the set
  /// that this node belongs to.
  mutating func take(_ report: StateReport, from sender: MemberID, synced: [MemberID]) -> Bool {
    let members = report.records.map(\.member)
    guard members.contains(sender),
      members.allSatisfy({ view.members.contains($0) && !speaks(for: $0) }),
      members == synced || !members.contains(where: { synced.contains($0) })
    else { return false }
    if isToForget { queue = [] }
    reports.append(report)
    if members.contains(where: { synced.contains($0) }) { speaksAt = nil }
    pass(report.strangers)
    return true
  }

  /// Goes on without those of `members` that have not spoken.
  mutating func pass(_ members: [MemberID]) {
    passed = view.members.filter { member in
      !speaks(for: member) && (passed.contains(member) || members.contains(member))
    }
  }

  /// Keeps a message; `false` if there are too many.
  mutating func keep(_ message: FailoverMessage, from sender: MemberID) -> Bool {
    guard queue.count < Self.queueLimit else { return false }
    queue.append(Queued(sender: sender, message: message))
    return true
  }
}
