// SPDX-License-Identifier: Apache-2.0

internal import FailoverWire
internal import GroupModel
internal import Machine

/// Signs of life, on a backend that keeps a member whose loop hangs in its views.
struct Pulse: Sendable, Hashable {
  /// When the next heartbeat is due.
  private(set) var beatsAt: Instant
  /// When each member was heard last, in ascending order of member.
  private var heard: [Sign] = []
  private var lastBeat: UInt64 = 0
  /// Own heartbeats that have not come back, oldest first.
  private var underway: [Beat] = []

  private struct Sign: Sendable, Hashable {
    let member: MemberID
    var at: Instant
  }

  private struct Beat: Sendable, Hashable {
    let number: UInt64
    let sent: Instant
    let view: ViewID
  }

  init(startingAt instant: Instant) { beatsAt = instant }

  /// A view: silence is measured anew.
  mutating func begin(_ members: [MemberID], at now: Instant) {
    heard = members.sorted().map { Sign(member: $0, at: now) }
    underway = []
    beatsAt = now
  }

  mutating func hear(_ member: MemberID, at now: Instant) {
    if let index = heard.sortedIndex(of: member, by: \.member) { heard[index].at = now }
  }

  /// The next heartbeat.
  mutating func beat(
    every period: Duration,
    lateAfter limit: Duration,
    in view: ViewID,
    at now: Instant
  ) -> UInt64 {
    // Whoever was late itself heard nobody meanwhile.
    if now - beatsAt > limit {
      for index in heard.indices { heard[index].at = now }
    }
    beatsAt = now + period
    lastBeat &+= 1
    underway.append(Beat(number: lastBeat, sent: now, view: view))
    if underway.count > 8 { underway.removeFirst() }
    return lastBeat
  }

  /// An own heartbeat came back; returns when it had been sent, if that was in the same view.
  mutating func came(_ number: UInt64, in view: ViewID) -> Instant? {
    guard let beat = underway.first(where: { $0.number == number }), beat.view == view else {
      return nil
    }
    underway.removeAll { $0.number <= number }
    return beat.sent
  }

  /// Whether an own heartbeat has not come back for so long.
  func isOverdue(by limit: Duration, at now: Instant) -> Bool {
    underway.first.map { now - $0.sent > limit } ?? false
  }

  /// Who has been silent for so long, or since when the first of the others is.
  func silent(for limit: Duration, at now: Instant, besides skipped: [MemberID]) -> [MemberID] {
    heard.filter { now - $0.at >= limit && !skipped.contains($0.member) }.map(\.member)
  }

  /// When the first of the others will have been silent for so long.
  func expiry(of limit: Duration, besides skipped: [MemberID]) -> Instant? {
    heard.filter { !skipped.contains($0.member) }.map(\.at).min().map { $0 + limit }
  }
}
