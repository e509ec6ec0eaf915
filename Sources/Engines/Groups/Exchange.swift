// SPDX-License-Identifier: Apache-2.0

import GroupModel
import GroupsWire

/// What is known of an exchange of group tables between the synced sets of a ring.
struct Exchange: Sendable, Equatable {
  /// How far one set has been heard.
  struct Heard: Sendable, Equatable {
    let daemons: Roster
    var next: UInt32
    var isComplete: Bool
  }

  /// This daemon's own share, when it speaks for its set.
  struct Speech: Sendable, Equatable {
    /// The next group to be told, by its place, and the first of its members not told yet.
    var group = 0
    var member = 0
    var number: UInt32
    var inFlight = 0
    var isFinished = false
  }

  private(set) var heard: [Heard] = []
  /// Daemons whose share broke the rules: nobody speaks for them, and they are in no group.
  private(set) var muted: Roster = .empty
  var speech: Speech?
  /// What the ring ordered meanwhile.
  var deferred: [GroupsEngine.OrderedMessage] = []

  /// Whether the sets that have said everything make up the ring, but for those that are muted.
  func covers(_ members: Roster) -> Bool {
    heard.reduce(muted.count) { $0 + ($1.isComplete ? $1.daemons.count : 0) } == members.count
  }

  /// The sets in the order in which they were first heard, then each muted daemon by itself.
  var sets: [Roster] { heard.map(\.daemons) + muted.nodes.map { [$0] } }

  /// The number of a set's first chunk; each muted daemon makes all sets begin anew.
  var firstNumber: UInt32 { UInt32(truncatingIfNeeded: muted.count) << 20 }

  /// Whether a chunk was sent before all began anew for the last time.
  func isPast(_ chunk: StateChunk) -> Bool { chunk.number < firstNumber }

  /// Begins anew without a daemon; what the ring ordered meanwhile goes on waiting.
  mutating func mute(_ daemon: NodeID) {
    muted = muted.inserting(daemon)
    heard = []
    speech = nil
  }

  /// Takes note of a chunk; returns the number of its set, from 1, or `nil` if it breaks the rules.
  ///
  /// A set is spoken for by its lowest member, its chunks come in order, and sets are disjoint.
  mutating func note(_ chunk: StateChunk, from sender: NodeID, of members: Roster) -> Int? {
    guard chunk.speaksFor.lowest == sender, chunk.speaksFor.isSubset(of: members),
      chunk.speaksFor.isDisjoint(with: muted)
    else { return nil }
    if let known = heard.firstIndex(where: { $0.daemons == chunk.speaksFor }) {
      guard !heard[known].isComplete, heard[known].next == chunk.number else { return nil }
      heard[known].next &+= 1
      heard[known].isComplete = chunk.isLast
      return known + 1
    }
    guard chunk.number == firstNumber,
      heard.allSatisfy({ $0.daemons.isDisjoint(with: chunk.speaksFor) })
    else { return nil }
    heard.append(Heard(daemons: chunk.speaksFor, next: chunk.number &+ 1, isComplete: chunk.isLast))
    return heard.count
  }
}
