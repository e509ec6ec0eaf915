// SPDX-License-Identifier: Apache-2.0

import Bytes
package import GroupModel

/// One run of a member: a restarted member has another one.
package struct Incarnation: Sendable, Hashable {
  package let rawValue: UInt64
  package init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// What a member proposes during Gather (Gather.Join).
package struct Join: Sendable, Equatable {
  package var sender: NodeID
  package var incarnation: Incarnation
  /// The highest ring sequence the sender knows of.
  package var ringSequence: UInt64
  /// The processes considered.
  package var considered: Roster
  /// Those of them considered failed; never the sender.
  package var failed: Roster
  /// What all members of the sender's last ring have configured, and the sender still has.
  package var known: KnownMembers

  package init(
    sender: NodeID,
    incarnation: Incarnation,
    ringSequence: UInt64,
    considered: Roster,
    failed: Roster,
    known: KnownMembers
  ) {
    (self.sender, self.incarnation, self.ringSequence) = (sender, incarnation, ringSequence)
    (self.considered, self.failed, self.known) = (considered, failed, known)
  }

  init(reading reader: inout ByteReader) throws(WireError) {
    sender = try reader.readNode()
    incarnation = Incarnation(try reader.read())
    ringSequence = try reader.readRingSequence()
    considered = try reader.readRoster("considered")
    failed = try reader.readRoster("failed")
    known = try reader.readKnown()
    guard considered.contains(sender), !failed.contains(sender) else {
      throw .malformed(field: "join")
    }
    guard failed.isSubset(of: considered) else { throw .malformed(field: "failed") }
  }

  func write(to writer: inout ByteWriter) {
    writer.write(sender)
    writer.write(incarnation.rawValue)
    writer.write(ringSequence)
    writer.write(considered)
    writer.write(failed)
    writer.write(known)
  }
}

/// The proposal of a new ring; round one collects what each member says of its old ring, round two
/// tells everybody (Commit.TwoRounds).
package struct CommitToken: Sendable, Equatable {
  package var sender: NodeID
  /// The new ring.
  package var ring: RingID
  /// Rises by one with each pass: at `members.count` the second round begins.
  package var hop: UInt16
  /// In ring order.
  package var members: [Entry]
  /// What all those have configured whom the token has visited.
  package var known: KnownMembers

  package init(sender: NodeID, ring: RingID, hop: UInt16, members: [Entry], known: KnownMembers) {
    (self.sender, self.ring, self.hop, self.members) = (sender, ring, hop, members)
    self.known = known
  }

  package struct Entry: Sendable, Equatable {
    package let node: NodeID
    /// The run of the member that the representative agreed with.
    package let incarnation: Incarnation
    /// Filled in by the member in round one.
    package var past: Past?

    package init(node: NodeID, incarnation: Incarnation, past: Past? = nil) {
      (self.node, self.incarnation, self.past) = (node, incarnation, past)
    }
  }

  /// What a member says of the ring it comes from.
  package struct Past: Sendable, Equatable {
    /// The last regular configuration it delivered; `nil` from a member that had none.
    package let ring: RingID?
    /// Up to where it holds everything.
    package let aru: UInt64
    /// The highest sequence number it has delivered.
    package let delivered: UInt64
    /// The highest sequence number it holds.
    package let highest: UInt64
    /// The attempt in which it set its received flag; `nil` if the flag is not set.
    package let received: RingID?
    /// Its obligation set.
    package let obligations: Roster
    /// The digest of what it has configured.
    package let configuration: UInt64

    package init(
      ring: RingID?,
      aru: UInt64,
      delivered: UInt64,
      highest: UInt64,
      received: RingID?,
      obligations: Roster,
      configuration: UInt64
    ) {
      (self.ring, self.aru, self.delivered, self.highest) = (ring, aru, delivered, highest)
      (self.received, self.obligations) = (received, obligations)
      self.configuration = configuration
    }
  }

  package var roster: Roster { Roster(members.map(\.node)) }
}
