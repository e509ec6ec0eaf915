// SPDX-License-Identifier: Apache-2.0

internal import GroupModel

/// A place in the order of one ring: the packet, and the message in it.
struct Position: Sendable, Hashable, Comparable {
  let sequence: UInt64
  let slot: Int

  static let start = Position(sequence: 0, slot: -1)

  static func < (lhs: Self, rhs: Self) -> Bool {
    lhs.sequence != rhs.sequence ? lhs.sequence < rhs.sequence : lhs.slot < rhs.slot
  }
}

/// The messages a process delivered in one configuration, in a form that is cheap to compare.
struct Digest: Sendable, Equatable {
  private(set) var count = 0
  private(set) var hash: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func add(_ message: Int) {
    count += 1
    hash = (hash ^ UInt64(truncatingIfNeeded: message)) &* 0x100_0000_01b3
    hash ^= hash >> 29
  }
}

/// What is known of one message.
struct MessageRecord: Sendable {
  let process: Int
  let number: Int
  let service: Service
  /// Of its bytes, where it is known by these.
  let fingerprint: UInt64
  /// Where its sender stood when it was submitted: a ring (-1 for none), and how far in it.
  let contextRing: Int
  let context: Position
  /// The ring in whose order it took a place; -1 before.
  var ring = -1
  var position = Position.start
  /// The processes that delivered it.
  var delivered: UInt128 = 0
  /// Its place in the ring's list of safe messages that were delivered; -1 if not there.
  var safePlace = -1
}

/// One run of one host's engine, from start to end.
struct ProcessRecord: Sendable {
  let host: Int
  let incarnation: Int
  /// Whether ring ids of earlier processes of the host are covered by its stored sequence.
  let remembers: Bool
  var isAlive = true
  /// The last regular configuration delivered; -1 before the first.
  var ring = -1
  /// The transitional configuration it is in; -1 in a regular one.
  var transition = -1
  /// The last message delivered in `com` of the ring.
  var cursor = Position.start
  /// The first message skipped there.
  var hole: Position?
  var skipped = 0
  /// Messages sent in the ring that it has not delivered itself.
  var outstanding = 0
  var digest = Digest()
  /// The last number delivered of each sending process.
  var lastNumbers: [Int] = []
  /// Its messages by number.
  var messages: [Int] = []
  /// The number after the last one that took a place in a ring's order.
  var firstUnsent = 0
}

/// One packet in the order of a ring.
struct PacketRecord: Sendable {
  /// The host that sent it; -1 while it has not been seen.
  var host = -1
  var fingerprint: UInt64 = 0
  /// The messages that it completes, in the ring's list.
  var messages = 0..<0
}

/// A safe message that somebody delivered, and whom that binds.
struct SafeRecord: Sendable {
  let message: Int
  var members: HostSet
}

/// One ring, which is one regular configuration.
struct RingRecord: Sendable {
  let id: RingID
  /// Known once somebody has delivered the configuration.
  var members: HostSet?
  /// The process of each host that delivered it; -1 for none.
  var installer: [Int]
  var installed = HostSet()
  /// Whom each host may have obligations to: members of rings that it tried to form after this one.
  var tried: [HostSet]
  /// Packets by sequence number, the first at 1.
  var packets: [PacketRecord] = []
  var messages: [Int] = []
  var transitions: [Int] = []
  var safe: [SafeRecord] = []
  /// Hosts that have delivered the configuration after it.
  var ended = HostSet()
  /// The regular configurations its members came from.
  var origins: [Int] = []
}

/// One transitional configuration.
struct TransitionRecord: Sendable {
  let to: RingID
  let members: HostSet
  /// What was delivered in the regular configuration before it, by the process that came first.
  let regular: Digest
  let witness: Int
  /// What was delivered in it, once somebody has left it.
  var transitional: Digest?
}
