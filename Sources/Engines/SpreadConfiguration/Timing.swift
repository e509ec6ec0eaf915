// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText
import GroupModel

/// The time-outs of the ring: those of Spread 4, or ours.
extension Parser {
  mutating func checkedTimers() -> RingTimers {
    let given = Keyword.membershipTimeouts.filter { draft.seen[$0] != nil }
    let own = [Keyword.profile] + Keyword.ringTimers
    let mine = own.compactMap { draft.seen[$0] }.min()
    if let first = given.first, let place = draft.seen[first], given.count < 9 {
      let missing = Keyword.membershipTimeouts.filter { draft.seen[$0] == nil }.map(\.rawValue)
      report(
        Diagnostic(
          "\(first.rawValue) stands without \(missing.joined(separator: ", ")): all nine are given, "
            + "or none",
          at: place,
          advice: "add the others, or use Profile and time-outs of this ring"
        )
      )
      return .lan
    }
    if let first = given.first, let mine {
      report(
        Diagnostic(
          "a time-out of this ring contradicts \(first.rawValue), one of Spread's",
          at: mine,
          advice: "remove Profile and this ring's time-outs, or Spread's"
        )
      )
      return .lan
    }
    var timers = (draft.profile?.value ?? (isLocal ? .lan : .wan)).timers
    guard !draft.timersAreDoubtful else { return timers }
    if given.isEmpty {
      for (keyword, timer) in draft.timers {
        if let path = keyword.timer { timers[keyPath: path] = timer.value }
      }
    } else {
      timers = translated(timers)
    }
    guard !draft.daemonsAreDoubtful else { return timers }
    for broken in timers.brokenInequalities(members: draft.daemons.count) {
      let place = (given + own).compactMap { draft.seen[$0] }.max()
      report(
        Diagnostic(
          "the time-outs contradict each other: \(broken) does not hold with \(shown(timers)) and "
            + "\(draft.daemons.count) daemons",
          at: place ?? draft.seen[.segment] ?? next.location,
          advice: given.isEmpty ? "change one of them" : "lengthen TokenTimeout"
        )
      )
    }
    return timers
  }

  /// Whether Spread 4 would take the daemons for neighbours: the first ones of all segments have
  /// the upper half of their address in common.
  private var isLocal: Bool {
    let firsts = draft.segments.indices.compactMap { index in
      draft.daemons.first { $0.segment == index }?.address?.value
    }
    return Set(firsts.map { Array($0.octets.prefix($0.octets.count / 2)) }).count <= 1
  }

  /// This ring's time-outs from the nine of Spread 4, each held to the inequalities of this ring.
  private mutating func translated(_ base: RingTimers) -> RingTimers {
    func given(_ keyword: Keyword) -> Duration {
      .milliseconds(draft.milliseconds[keyword]?.value ?? 0)
    }
    var timers = base
    let loss = given(.tokenTimeout)
    timers.tokenLoss = loss
    timers.tokenRetransmit = min(given(.hurryTimeout), loss / 5)
    timers.idleHold = min(base.idleHold, timers.tokenRetransmit / 2)
    timers.beacon = min(given(.aliveTimeout), loss / 3)
    timers.join = min(given(.joinTimeout), loss / 4)
    timers.consensus = max(given(.gatherTimeout), loss * 6 / 5)
    timers.commitLoss = given(.formTimeout)
    timers.announcement = given(.lookupTimeout)
    let bounds: [(Keyword, Duration, String)] = [
      (.hurryTimeout, timers.tokenRetransmit, "a fifth of TokenTimeout at most"),
      (.aliveTimeout, timers.beacon, "a third of TokenTimeout at most"),
      (.joinTimeout, timers.join, "a quarter of TokenTimeout at most"),
      (.gatherTimeout, timers.consensus, "6/5 of TokenTimeout at least"),
    ]
    for (keyword, used, rule) in bounds where used != given(keyword) {
      guard let place = draft.milliseconds[keyword]?.location else { continue }
      note(
        "\(keyword.rawValue) is taken as \(milliseconds(used)) ms: it is \(rule)",
        at: place,
        advice: "write that, or use this ring's own time-outs"
      )
    }
    for keyword in [Keyword.repTimeout, .segTimeout] {
      guard let place = draft.milliseconds[keyword]?.location else { continue }
      note(
        "\(keyword.rawValue) has no effect: this ring has no representatives of segments",
        at: place,
        advice: "leave it as it is, or use this ring's own time-outs"
      )
    }
    return timers
  }

  private func shown(_ timers: RingTimers) -> String {
    Keyword.ringTimers.compactMap { keyword in
      keyword.timer.map { "\(keyword.rawValue) \(milliseconds(timers[keyPath: $0]))ms" }
    }.joined(separator: ", ")
  }

  private func milliseconds(_ duration: Duration) -> Int64 {
    let (seconds, attoseconds) = duration.components
    return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
  }
}

extension Keyword {
  /// The time-out of the ring that the statement sets; `nil` if it sets none.
  fileprivate var timer: WritableKeyPath<RingTimers, Duration>? {
    switch self {
    case .tokenLoss: \.tokenLoss
    case .tokenRetransmit: \.tokenRetransmit
    case .idleHold: \.idleHold
    case .beacon: \.beacon
    case .join: \.join
    case .consensus: \.consensus
    case .commitLoss: \.commitLoss
    case .ringAnnouncement: \.announcement
    default: nil  // not ours: statements about other things
    }
  }
}
