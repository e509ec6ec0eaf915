// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import RingWire

/// What is known of each configured member, whatever the phase.
///
/// A member that spoils ring formation again and again is *left out*: this member starts nothing on
/// its account for a while. It is not failed for that, since a Gather needs everybody's agreement:
/// one member's opinion would only split the ring.
struct Peers: Sendable, Equatable {
  struct Peer: Sendable, Equatable {
    /// When a packet that it sent arrived last.
    var heard: Instant?
    /// How often in a row it took part in forming a ring that came to be without it.
    var spoils = 0
    /// How long it is left out the next time.
    var penalty = Peers.firstPenalty
    var leftOutUntil: Instant?
    /// Whether it sent a join, or merged, since the last ring was installed.
    var hasJoined = false
    /// When it was last found not to receive, and for how long it was left out then.
    var deafAt: Instant?
    var deafPenalty = Peers.firstPenalty
  }

  static let spoilsTolerated = 3
  static let firstPenalty = Duration.seconds(1)
  static let longestPenalty = Duration.seconds(30)

  let nodes: Roster
  private var peers: [Peer]

  init(_ nodes: Roster) {
    self.nodes = nodes
    peers = Array(repeating: Peer(), count: nodes.count)
  }

  /// Takes over what is known of those that stay.
  init(_ nodes: Roster, keeping old: Self) {
    self.nodes = nodes
    peers = nodes.nodes.map { node in old.nodes.index(of: node).map { old.peers[$0] } ?? Peer() }
  }

  subscript(index: Int) -> Peer {
    get { peers[index] }
    _modify { yield &peers[index] }
  }

  func heard(_ node: NodeID) -> Instant? {
    guard let index = nodes.index(of: node) else { return nil }
    return peers[index].heard
  }

  func isLeftOut(_ node: NodeID, at now: Instant) -> Bool {
    guard let index = nodes.index(of: node), let until = peers[index].leftOutUntil else {
      return false
    }
    return now < until
  }

  /// Leaves out a member that takes tokens but no messages, each time twice as long.
  ///
  /// - Returns: for how long; `nil` if it is left out already.
  mutating func penalise(_ node: NodeID, at now: Instant) -> Duration? {
    guard let index = nodes.index(of: node), !isLeftOut(node, at: now) else { return nil }
    var penalty = Self.firstPenalty
    if let deafAt = peers[index].deafAt, now - deafAt < Self.longestPenalty * 2 {
      penalty = min(peers[index].deafPenalty * 2, Self.longestPenalty)
    }
    (peers[index].deafAt, peers[index].deafPenalty) = (now, penalty)
    peers[index].leftOutUntil = now + penalty
    return penalty
  }

  /// Takes notice that a member takes part in forming a ring.
  mutating func noteJoin(of node: NodeID) {
    guard let index = nodes.index(of: node) else { return }
    peers[index].hasJoined = true
  }

  /// Takes notice that another ring gives rise to a merge, whether or not its joins will arrive.
  mutating func noteMerge(with roster: Roster) {
    for node in roster.nodes { noteJoin(of: node) }
  }

  mutating func forgetJoin(of node: NodeID) {
    guard let index = nodes.index(of: node) else { return }
    peers[index].hasJoined = false
  }

  /// Lets every peer's silence begin now: after a stall nothing is known of it.
  mutating func forgive(at now: Instant) {
    for index in peers.indices { peers[index].heard = now }
  }

  /// Judges who spoiled the formation of a ring that was installed in the end.
  ///
  /// That is who sent joins, or gave rise to a merge, and is not in it. A ring of fewer than half of those who took part judges
  /// nobody.
  ///
  /// - Returns: those left out from now on, and for how long.
  mutating func judge(installed members: Roster, at now: Instant) -> [(NodeID, Duration)] {
    let absent = nodes.nodes.indices.filter {
      peers[$0].hasJoined && !members.contains(nodes.nodes[$0])
    }
    let mayBlame = absent.count <= members.count
    var leftOut: [(NodeID, Duration)] = []
    for index in peers.indices {
      defer { peers[index].hasJoined = false }
      let node = nodes.nodes[index]
      if members.contains(node) {
        peers[index].spoils = 0
        peers[index].penalty = Self.firstPenalty
        peers[index].leftOutUntil = nil
        continue
      }
      guard peers[index].hasJoined, mayBlame else { continue }
      peers[index].spoils += 1
      guard peers[index].spoils >= Self.spoilsTolerated else { continue }
      let penalty = peers[index].penalty
      peers[index].leftOutUntil = now + penalty
      peers[index].spoils = 0
      peers[index].penalty = min(penalty * 2, Self.longestPenalty)
      leftOut.append((node, penalty))
    }
    return leftOut
  }
}
