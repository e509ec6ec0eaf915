// SPDX-License-Identifier: Apache-2.0

/// What worlds exercised: the proof that they were not tame.
package struct Counters: Sendable, Equatable {
  package var worlds = 0
  package var steps = 0
  package var virtualMilliseconds = 0
  /// The longest time, in milliseconds, that a world took to settle after its faults ended.
  package var slowestSettling = 0

  // What the world did.
  package var datagrams = 0
  package var lost = 0
  package var faults = 0
  package var cuts = 0
  package var starts = 0
  package var crashes = 0
  package var departures = 0
  package var halts = 0
  package var drains = 0

  // What the checkers saw.
  package var submitted = 0
  package var refused = 0
  package var sent = 0
  package var delivered = 0
  package var deliveredInTransitional = 0
  package var safeInRegular = 0
  package var safeInTransitional = 0
  package var fragments = 0
  package var largeDelivered = 0
  package var retransmissions = 0
  package var rebroadcasts = 0
  package var configurations = 0
  package var transitions = 0
  package var merges = 0
  package var threeWayMerges = 0
  package var recoveriesWithRebroadcast = 0
  package var recoveriesPastHoles = 0
  package var obligationsKept = 0

  // What the engines counted.
  package var changesDuringCommit = 0
  package var changesDuringRecovery = 0
  package var recoveriesWithHoles = 0
  package var stalls = 0
  package var stallsResumed = 0
  package var votedOut = 0
  package var leftOut = 0
  package var restartsNoticed = 0
  package var tokensRepeated = 0
  package var unstoredSequences = 0
  package var failedWrites = 0
  package var reconfigured = 0
  package var notReconfigured = 0

  // What process groups did.
  package var groupViews = 0
  package var groupViewsTold = 0
  package var networkViews = 0
  package var viewsApart = 0
  package var signals = 0
  package var joinsInTransitional = 0
  package var exchanges = 0
  package var exchangesCut = 0
  package var deferred = 0
  package var mergesDisjoint = 0
  package var mergesOverlapping = 0
  package var groupMessages = 0
  package var privateMessages = 0
  package var clientCrashes = 0
  package var requestsRefused = 0

  // What fail-over did.
  package var views = 0
  package var acquisitions = 0
  package var releases = 0
  package var conflicts = 0
  package var announcements = 0
  package var kernelFailures = 0
  package var linkChanges = 0
  package var orders = 0
  package var ordersDone = 0
  package var tableExchangesCut = 0
  package var movesCut = 0
  package var threeSets = 0
  package var releasersLost = 0
  package var refusedByKernel = 0
  package var stallsDuringMove = 0

  package init() {}

  private typealias Row = (name: String, minimum: Int, path: any KeyPathOf)

  /// Which engines ran in the worlds.
  package enum Layer: Sendable {
    case ring
    case groups
    case failover
  }

  /// The counters by name, in order, with the least that a campaign of a thousand worlds reaches;
  /// 0 for those that only inform.
  private static let common: [Row] = [
    ("worlds", 0, \.worlds),
    ("steps", 0, \.steps),
    ("virtual milliseconds", 0, \.virtualMilliseconds),
    ("datagrams", 0, \.datagrams),
    ("datagrams lost", 0, \.lost),
    ("faults", 0, \.faults),
    ("partitions", 500, \.cuts),
    ("starts", 0, \.starts),
    ("crashes", 500, \.crashes),
    ("departures", 100, \.departures),
    ("pauses", 500, \.halts),
    ("drains", 100, \.drains),
    ("stalls", 100, \.stalls),
    ("stalls resumed", 10, \.stallsResumed),
    ("stalls voted out", 50, \.votedOut),
  ]

  private static let ring: [Row] = [
    ("messages submitted", 0, \.submitted),
    ("messages refused", 0, \.refused),
    ("messages sent", 0, \.sent),
    ("messages delivered", 0, \.delivered),
    ("delivered in a transitional configuration", 1_000, \.deliveredInTransitional),
    ("safe, in a regular configuration", 1_000, \.safeInRegular),
    ("safe, in a transitional configuration", 100, \.safeInTransitional),
    ("fragments", 1_000, \.fragments),
    ("large messages delivered", 100, \.largeDelivered),
    ("retransmissions", 1_000, \.retransmissions),
    ("rebroadcasts", 1_000, \.rebroadcasts),
    ("regular configurations", 1_000, \.configurations),
    ("transitional configurations", 1_000, \.transitions),
    ("merges", 500, \.merges),
    ("three-way merges", 50, \.threeWayMerges),
    ("recoveries with rebroadcast", 500, \.recoveriesWithRebroadcast),
    ("recoveries past holes", 100, \.recoveriesPastHoles),
    ("recoveries with holes", 100, \.recoveriesWithHoles),
    ("deliveries after a hole by obligation", 10, \.obligationsKept),
    ("changes during Commit", 100, \.changesDuringCommit),
    ("changes during Recovery", 100, \.changesDuringRecovery),
    ("members left out", 0, \.leftOut),
    ("restarts noticed", 50, \.restartsNoticed),
    ("tokens repeated", 500, \.tokensRepeated),
    ("sequences used before stored", 0, \.unstoredSequences),
    ("failed writes of sequences", 0, \.failedWrites),
    ("lists of members taken on", 0, \.reconfigured),
    ("lists of members refused", 0, \.notReconfigured),
  ]

  private static let groups: [Row] = [
    ("group views", 5_000, \.groupViews),
    ("group views told", 0, \.groupViewsTold),
    ("group views by network", 2_000, \.networkViews),
    ("group views during partitions", 1_000, \.viewsApart),
    ("transitional signals", 1_000, \.signals),
    ("joins inside a transitional period", 20, \.joinsInTransitional),
    ("exchanges of state", 2_000, \.exchanges),
    ("exchanges cut short", 50, \.exchangesCut),
    ("messages deferred by an exchange", 500, \.deferred),
    ("merges with disjoint groups", 100, \.mergesDisjoint),
    ("merges with overlapping groups", 300, \.mergesOverlapping),
    ("messages given to processes", 10_000, \.groupMessages),
    ("messages by private names", 1_000, \.privateMessages),
    ("processes crashed", 500, \.clientCrashes),
    ("requests refused", 0, \.requestsRefused),
  ]

  private static let failover: [Row] = [
    ("views installed", 1_000, \.views),
    ("acquisitions", 1_000, \.acquisitions),
    ("releases", 1_000, \.releases),
    ("VIFs held twice at a merge", 200, \.conflicts),
    ("frames of announcements", 1_000, \.announcements),
    ("kernel failures", 100, \.kernelFailures),
    ("link changes", 500, \.linkChanges),
    ("doings of operators and checks", 1_000, \.orders),
    ("commands done", 500, \.ordersDone),
    ("exchanges of tables cut by a view", 10, \.tableExchangesCut),
    ("moves cut by a view", 10, \.movesCut),
    ("three synced sets merged", 10, \.threeSets),
    ("releasers lost", 10, \.releasersLost),
    ("VIFs that could not be held", 10, \.refusedByKernel),
    ("stalls during a move", 10, \.stallsDuringMove),
  ]

  private typealias KeyPathOf = WritableKeyPath<Counters, Int> & Sendable

  /// Adds another world's counters.
  package mutating func add(_ other: Self) {
    for row in Self.common + Self.ring + Self.groups + Self.failover {
      self[keyPath: row.path] += other[keyPath: row.path]
    }
    slowestSettling = max(slowestSettling, other.slowestSettling)
  }

  /// The counters with their names, and the least that so many worlds should reach.
  package func rows(
    of layer: Layer
  ) -> [(name: String, value: Int, minimum: Int, perThousand: Int)] {
    let table =
      switch layer {
      case .ring: Self.common + Self.ring
      case .groups: Self.common + Self.ring + Self.groups
      case .failover: Self.common + Self.failover
      }
    return table.map { row in
      (row.name, self[keyPath: row.path], row.minimum * worlds / 1_000, row.minimum)
    }
  }
}
