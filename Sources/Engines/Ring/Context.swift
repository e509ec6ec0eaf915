// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import RingWire

extension RingEngine {
  /// What every phase may use; the large stores live here.
  struct Context: Sendable, Equatable {
    private(set) var settings: Settings
    /// What is to be taken on once the ring stands.
    var wanted: Settings?
    let incarnation: Incarnation
    private(set) var now: Instant
    private var random: SplitMix64
    /// The caller's queue, while an event is handled.
    var effects = EffectQueue<Effect>()
    var statistics = Statistics()

    /// The ring of the regular configuration delivered last; before the first, one without an id
    /// that anybody else knows.
    var home: LiveRing
    /// Whether ``home`` was ever delivered.
    var isInstalled = false
    /// The ring being recovered into; meaningless outside Recovery.
    var next: LiveRing

    var outbox: Outbox
    var window: FlowWindow
    var peers: Peers
    var neighbours: Neighbours
    var sequences: RingSequences
    var attempts = Attempts()
    /// When this member last sent something to all members of its ring.
    var broadcastAt: Instant
    var isLeaving = false
    /// Whose exclusion for a differing configuration was noted already.
    var keptOut = Roster.empty
    /// Until when the sockets may take to be drained after a stall; `nil` without one.
    var drainBy: Instant?
    /// Whether the engine was called since it started.
    var hasBegun = false

    init(settings: Settings, storedSequenceBound: UInt64, random: SplitMix64, now: Instant) {
      self.settings = settings
      self.now = now
      self.random = random
      incarnation = Incarnation(self.random.next())
      let none = LiveRing(
        id: RingID(sequence: 0, representative: settings.me),
        members: [settings.me],
        incarnations: [incarnation],
        known: settings.known,
        me: settings.me,
        longestMessage: settings.longestMessage,
        lossAt: now
      )
      (home, next) = (none, none)
      outbox = Outbox(room: settings.fragmentRoom, longestMessage: settings.longestMessage)
      window = FlowWindow(limit: settings.window)
      peers = Peers(settings.configured)
      neighbours = Neighbours()
      sequences = RingSequences(stored: storedSequenceBound)
      broadcastAt = now
    }

    /// Takes on other members and time-outs; the old ones must not be in use any more.
    mutating func take(_ other: Settings) {
      settings.take(other)
      peers = Peers(settings.configured, keeping: peers)
      neighbours.keep(settings.configured)
      keptOut = .empty
      outbox.room = settings.fragmentRoom
    }

    var me: NodeID { settings.me }
    var timers: RingTimers { settings.timers }
    var everybodyElse: Roster { settings.configured.removing(settings.me) }

    mutating func begin(at instant: Instant) {
      // A clock that steps back must not trap; time then stands still.
      now = max(now, instant)
    }

    mutating func emit(_ effect: Effect) { effects.append(effect) }

    mutating func note(_ note: Note) { effects.append(.note(note)) }

    mutating func drop(_ reason: DropReason) { statistics.count(reason) }

    /// The interval, or up to an eighth more, so that members do not act in step.
    mutating func jittered(_ interval: Duration) -> Duration {
      interval + interval / 1_024 * Int.random(in: 0..<128, using: &random)
    }

    mutating func multicast(_ packet: Packet, to roster: Roster) {
      guard !roster.isEmpty else { return }
      effects.append(.multicast(packet, to: roster))
    }
  }
}

extension RingEngine.Settings {
  /// The most bytes of fragments in one packet: a message of the full budget fits, unless long
  /// names make the datagram longer than the budget allows for.
  var fragmentRoom: Int {
    let longest = configured.nodes.map { $0.name.bytes.count }.max() ?? 0
    let overhead = DataPacket.overhead(longestName: longest)
    let whole = datagramBudget + Self.datagramOverhead
    return max(256, min(datagramBudget + Fragment.overhead, whole - overhead))
  }
}

/// How many packets all members may send in one rotation, fitted to what gets through.
///
/// Halved after a rotation with more than 1 % retransmissions, one more after a clean one.
struct FlowWindow: Sendable, Equatable {
  static let least = 8
  let limit: Int
  private(set) var current: Int

  init(limit: Int) {
    self.limit = max(limit, 1)
    current = self.limit
  }

  /// Takes in what happened in a rotation: new packets, and those sent again.
  mutating func adapt(sent new: UInt64, retransmitted: UInt32) {
    if UInt64(retransmitted) * 100 > new + UInt64(retransmitted) {
      current = max(min(Self.least, limit), current / 2)
    } else if retransmitted == 0, current < limit {
      current += 1
    }
  }
}

/// Which ring sequences are known, and up to where they are covered by stable storage.
///
/// Blocks are reserved ahead, so that no write stands in the way of forming a ring.
struct RingSequences: Sendable, Equatable {
  static let block: UInt64 = 1_000

  /// The highest bound known to be on stable storage.
  private(set) var stored: UInt64
  /// The highest bound asked for.
  private var asked: UInt64
  /// The highest ring sequence known (Gather.Join).
  private(set) var highest: UInt64
  /// The sequence of the last ring installed, or what was stored at the start.
  private var proven: UInt64
  /// How long attempts to form a ring have waited in all since storage answered last.
  private var waited = Duration.zero
  /// Since when the present attempt waits.
  private var waitsSince: Instant?

  /// How long the commit token waits for its ring sequence to be stored, over all attempts: else
  /// storage that is dead would delay each, or let none succeed that has less time.
  private static let patience = Duration.milliseconds(100)

  init(stored: UInt64) {
    let bound = min(stored, WireLimits.ringSequence >> 1)
    (self.stored, asked, highest, proven) = (bound, bound, bound, bound)
  }

  /// How far what others say may lie above the ring installed last: more than 80 years of
  /// milliseconds, for members that start from their clocks.
  static let longestJump: UInt64 = 1 << 42
  /// How many attempts there may be from one ring to the next.
  private static let mostAttempts: UInt64 = 1 << 20

  /// The highest sequence learnt from others before the next ring is installed, so that no forged
  /// number, however often it comes, uses up all that there are.
  private var ceiling: UInt64 { min(proven + Self.longestJump, WireLimits.ringSequence >> 2) }

  /// Whether a ring that is about to be formed may have this sequence.
  func believes(_ sequence: UInt64) -> Bool { sequence <= ceiling + Self.mostAttempts }

  /// Takes notice of a sequence that another member knows, as far as it may be.
  ///
  /// One that lies too far ahead is approached ring by ring: it may have been used all the same.
  ///
  /// - Returns: whether it was learnt as it is.
  mutating func learn(_ sequence: UInt64) -> Bool {
    highest = max(highest, min(sequence, ceiling))
    return sequence <= highest
  }

  /// Takes notice of an attempt to form a ring.
  mutating func attempt(_ sequence: UInt64) { highest = max(highest, sequence) }

  /// Takes notice that a ring was installed.
  mutating func noteInstalled(_ sequence: UInt64) { proven = max(proven, sequence) }

  /// Takes notice that the bound asked for is not stored: it is asked for again.
  mutating func noteNotStored() { asked = stored }

  mutating func noteStored(_ bound: UInt64) {
    stored = max(stored, bound)
    (waited, waitsSince) = (.zero, nil)
  }

  /// Begins to wait for storage; gives how long at most.
  mutating func beginWaiting(at now: Instant) -> Duration {
    waitsSince = now
    return max(Self.patience - waited, .zero)
  }

  /// Ends the wait, if there is one.
  mutating func endWaiting(at now: Instant) {
    guard let since = waitsSince else { return }
    waitsSince = nil
    waited += now - since
  }

  /// Does not count the present wait: this member did not run, so that it heard nothing is no silence.
  mutating func forgetWaiting() { waitsSince = nil }

  func covers(_ sequence: UInt64) -> Bool { sequence <= stored }

  /// The bound to store now, if less than half a block is left beyond `sequence`.
  mutating func reserve(beyond sequence: UInt64) -> UInt64? {
    guard asked < sequence + Self.block / 2 else { return nil }
    asked = sequence + Self.block
    return asked
  }
}
