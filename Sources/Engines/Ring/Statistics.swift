// SPDX-License-Identifier: Apache-2.0

package import GroupModel

extension RingEngine {
  /// What the engine has counted since it started.
  package struct Statistics: Sendable, Equatable {
    /// Messages taken from the layer above.
    package internal(set) var messagesSubmitted: UInt64 = 0
    /// Messages handed to the layer above.
    package internal(set) var messagesDelivered: UInt64 = 0
    /// Places taken in the order.
    package internal(set) var packetsSent: UInt64 = 0
    /// Packets sent again because a member asked for them.
    package internal(set) var retransmissions: UInt64 = 0
    /// Old messages rebroadcast during Recovery.
    package internal(set) var rebroadcasts: UInt64 = 0
    /// Tokens taken.
    package internal(set) var tokens: UInt64 = 0
    /// Tokens sent again because nothing showed that they had arrived.
    package internal(set) var tokensRepeated: UInt64 = 0
    /// How long the token took to come back the last time.
    package internal(set) var rotation: Duration = .zero
    /// The longest time the token took to come back on the present ring.
    package internal(set) var longestRotation: Duration = .zero
    /// Regular configurations delivered.
    package internal(set) var configurations: UInt64 = 0
    /// Recoveries in which a message was missing at every member that was left.
    package internal(set) var recoveriesWithHoles: UInt64 = 0
    /// Safe messages delivered in a transitional configuration.
    package internal(set) var safeInTransitional: UInt64 = 0
    /// How often the loop did not run for longer than the token time-out.
    package internal(set) var stalls: UInt64 = 0
    /// How often a ring without this member turned out to have replaced its own.
    package internal(set) var votedOut: UInt64 = 0
    /// The window in force, in packets.
    package internal(set) var window = 0

    private var drops = [UInt64](repeating: 0, count: DropReason.allCases.count)
    private var gathers = [UInt64](repeating: 0, count: GatherReason.allCases.count)

    /// How many inputs were dropped for one reason.
    package func dropped(_ reason: DropReason) -> UInt64 { drops[reason.rawValue] }

    /// How often membership was gathered for one reason.
    package func gathered(because reason: GatherReason) -> UInt64 { gathers[reason.rawValue] }

    /// How many inputs were dropped for any reason.
    package var dropped: UInt64 { drops.reduce(0, &+) }

    mutating func count(_ reason: DropReason) { drops[reason.rawValue] &+= 1 }
    mutating func count(_ reason: GatherReason) { gathers[reason.rawValue] &+= 1 }
  }

  /// Why an input had no effect.
  package enum DropReason: Int, Sendable, Hashable, CaseIterable {
    /// The sender is not a configured member.
    case notConfigured
    /// The sender's ring and this one do not have all their members configured alike.
    case rosterDiffers
    /// The packet says that this member sent it.
    case ownPacket
    /// The packet is of a ring this member is not in.
    case foreignRing
    /// The packet is of a ring that this member was in, or that its members were in before.
    case pastRing
    /// The sender is not a member of the ring that the packet names.
    case notMember
    /// A message that is already held, or was discarded as safe.
    case duplicate
    /// A sequence number too far ahead to be held.
    case beyondLog
    /// A message of the old ring that came after its state was exchanged.
    case afterExchange
    /// A token that was taken before.
    case repeatedToken
    /// A token whose fields contradict what this member knows.
    case implausibleToken
    /// A ring sequence too far above all that are known; the packet's other fields counted.
    case implausibleSequence
    /// A join sent before the present ring was agreed on.
    case pastJoin
    /// A join of a member that was found failed in this Gather.
    case joinOfFailed
    /// A join of a process outside a working ring (Foreign).
    case foreignJoin
    /// A member that is left out for a while, because it spoiled ring formation, wants to merge.
    case leftOut
    /// A commit token that does not match the joins agreed to (Commit.Refuse).
    case commitMismatch
    /// A commit token that was taken before.
    case repeatedCommit
    /// An announcement of a ring that is gone, or heard by one that does not represent its ring.
    case idleAnnouncement
    /// A departure of a run of a member that is not in question.
    case pastDeparture
    /// A hurry to a member that holds no token.
    case idleHurry
    /// An event that means nothing in this phase.
    case unexpected
    /// A part of a message whose beginning is missing, or that does not fit its announced length.
    case brokenFragment
    /// A submitted message that is longer than the longest allowed.
    case tooLong
    /// A submitted message for which the queue had no room.
    case backlogFull
    /// A submitted message after the member began to leave.
    case leaving
  }

  /// Why membership was gathered.
  package enum GatherReason: Int, Sendable, Hashable, CaseIterable {
    /// The member started.
    case started
    /// The token did not come back in time.
    case tokenLost
    /// Another member of the ring sent a join.
    case memberGathers
    /// A member of the ring is back under a new incarnation.
    case memberRestarted
    /// A member left in good order.
    case memberLeft
    /// Another ring is in two-way contact.
    case merge
    /// The commit token did not come in time.
    case commitLost
    /// The token of a ring being recovered did not come back in time.
    case recoveryLost
    /// The token came, but a member does not receive the messages, or nobody holds them.
    case failedToReceive
    /// The agreement was called into question while the commit token went round.
    case commitDisputed
    /// The loop did not run for too long.
    case stalled
    /// Others formed a ring without this member.
    case votedOut
    /// Other members are configured: what all of the ring have in common has to be found out anew.
    case reconfigured
  }

  /// Something an operator may want to read.
  package enum Note: Sendable, Equatable {
    case gathering(because: GatherReason)
    /// A regular configuration was delivered.
    case installed(RingID, members: Roster)
    /// A member was found failed while membership was gathered.
    case excluded(NodeID, because: ExclusionReason)
    /// A member spoiled ring formation too often and is ignored for a while.
    case leftOut(NodeID, for: Duration)
    /// A ring sequence is used although it is not on stable storage yet.
    case sequenceNotStored(UInt64)
    /// The loop did not run for this long.
    case stalled(Duration)
    /// A submitted message was not taken.
    case refused(DropReason)
    /// A ring, or a member that joins one, stays outside; noted once for each.
    case keptOut(NodeID, because: RosterDifference)
    /// Other members and time-outs were taken on.
    case reconfigured
    /// They were not, since these are in the ring, and would have gone or moved to another address.
    case notReconfigured(stillMembers: Roster)
  }

  /// Why a member was found failed.
  package enum ExclusionReason: Sendable, Equatable {
    /// It was silent for a token time-out.
    case silent
    /// It was heard, but did not agree in time.
    case disagreed
    /// It called this member failed.
    case calledUsFailed
    /// It took tokens, but not what others sent and this member holds.
    case failedToReceive
    /// It was started again, and does not have the members of this ring configured as they have it.
    case rosterDiffers
    /// Several rings in a row that were agreed on with it were lost.
    case spoiled
    /// Another member calls it failed.
    case reported(by: NodeID)
    /// It left in good order.
    case left
  }

  /// The phases of the membership algorithm.
  package enum PhaseName: String, Sendable, Hashable, CaseIterable {
    case operational
    case gather
    case commit
    case recovery
    /// The member has left.
    case departed
  }
}
