// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import FailoverWire
internal import GroupModel
internal import Machine

/// The latest changes of holder: the same at every member, but for the clock they are dated by.
struct History: Sendable, Hashable {
  /// Oldest first.
  private(set) var changes: [Change] = []
  /// The number of the latest change.
  private(set) var last: UInt64 = 0

  struct Change: Sendable, Hashable {
    /// Without an age.
    let entry: HistoryEntry
    let at: Instant
  }

  init() {}

  mutating func add(
    _ vif: VIFID,
    from: MemberID?,
    to: MemberID?,
    _ reason: FailoverEngine.Reason,
    in view: ViewID,
    at now: Instant
  ) {
    last &+= 1
    let entry = HistoryEntry(
      view: view,
      number: last,
      vif: vif,
      from: from,
      to: to,
      reason: reason
    )
    changes.append(Change(entry: entry, at: now))
    trim()
  }

  private mutating func trim() {
    let excess = changes.count - HistoryEntry.limit
    if excess > 0 { changes.removeFirst(excess) }
  }

  /// The changes with their ages; without a time, with none.
  func told(at now: Instant?) -> [HistoryEntry] {
    changes.map { change in
      var entry = change.entry
      entry.age = now.map { ($0 - change.at).wholeMilliseconds } ?? 0
      return entry
    }
  }

  /// What came of several histories: each change once, by age.
  ///
  /// Only what was told counts, so that it is the same everywhere.
  init(merging reports: [StateReport], at now: Instant) {
    last = reports.map(\.lastChange).max() ?? 0
    var entries: [HistoryEntry] = []
    var known: [HistoryEntry: Int] = [:]
    for entry in reports.flatMap(\.history) {
      var ageless = entry
      ageless.age = 0
      if let index = known[ageless] {
        entries[index].age = max(entries[index].age, entry.age)
      } else {
        known[ageless] = entries.count
        entries.append(entry)
      }
    }
    entries.sort { one, other in
      if one.age != other.age { return one.age > other.age }
      return (one.view, one.number, one.vif) < (other.view, other.number, other.vif)
    }
    changes = entries.map { entry in
      var bare = entry
      bare.age = 0
      return Change(entry: bare, at: now.earlier(by: .milliseconds(Int64(entry.age))))
    }
    trim()
  }
}

/// A VIF that is not acquired before the lease of its last holder has run out.
struct LocalFence: Sendable, Hashable {
  let vif: VIFID
  let until: Instant
  /// `nil` if others told of it.
  let holder: NodeID?
}

extension Duration {
  /// In milliseconds, as far as the field holds.
  var wholeMilliseconds: UInt32 {
    let (seconds, attoseconds) = components
    return UInt32(
      clamping: seconds.multipliedReportingOverflow(by: 1_000).partialValue
        + attoseconds / 1_000_000_000_000_000
    )
  }
}

extension Instant {
  /// The instant so long before, at the earliest the start of the clock.
  func earlier(by duration: Duration) -> Instant {
    Instant(sinceBoot: max(.zero, sinceBoot - duration))
  }
}
