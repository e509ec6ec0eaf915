// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// What one datagram between ring members says.
package enum Packet: Sendable, Equatable {
  /// A message, or several packed ones, with a place in the order of a ring.
  case data(DataPacket)
  /// The right to order messages, passed from member to member.
  case token(Token)
  /// What a member proposes while membership is agreed on.
  case join(Join)
  /// The proposal of a new ring, passed around it twice.
  case commitToken(CommitToken)
  /// A sign of life from a member that had nothing else to send.
  case beacon(Beacon)
  /// A ring tells those outside that it exists.
  case announcement(Announcement)
  /// A member has something to send and asks for the token of an idle ring.
  case hurry(Hurry)
  /// A member leaves in good order.
  case departure(Departure)

  /// Who put the packet on the wire; for a retransmission not who sent the message first.
  package var sender: NodeID {
    switch self {
    case .data(let data): data.sender
    case .token(let token): token.sender
    case .join(let join): join.sender
    case .commitToken(let token): token.sender
    case .beacon(let beacon): beacon.sender
    case .announcement(let announcement): announcement.sender
    case .hurry(let hurry): hurry.sender
    case .departure(let departure): departure.sender
    }
  }

  package var kind: PacketKind {
    switch self {
    case .data: .data
    case .token: .token
    case .join: .join
    case .commitToken: .commitToken
    case .beacon: .beacon
    case .announcement: .announcement
    case .hurry: .hurry
    case .departure: .departure
    }
  }
}

/// The kind of a datagram, in its clear header.
package enum PacketKind: UInt8, Sendable, Hashable, CaseIterable {
  case data = 1
  case token = 2
  case join = 3
  case commitToken = 4
  case beacon = 5
  case announcement = 6
  case hurry = 7
  case departure = 8
  /// Reserved: a guardian reports that an incarnation is dead.
  case obituary = 16
  /// Reserved: asks an unknown boot id to prove that it is live.
  case challenge = 17
}

/// Bounds of the format; a decoder refuses more.
package enum WireLimits {
  package static let members = 128
  package static let requests = 64
  package static let heardRings = 128
  /// Ring sequences stay below this, so that adding to one never overflows.
  package static let ringSequence: UInt64 = 1 << 62
  /// Sequence numbers stay below this, so that adding to one never overflows.
  package static let sequence: UInt64 = 1 << 62
}
