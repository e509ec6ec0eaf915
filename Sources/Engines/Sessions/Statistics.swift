// SPDX-License-Identifier: Apache-2.0

package import SessionWire

extension SessionsEngine {
  /// What the engine has counted since it started.
  package struct Statistics: Sendable, Equatable {
    package internal(set) var opened: UInt64 = 0
    package internal(set) var accepted: UInt64 = 0
    /// Messages taken from clients: multicasts, then joins, leaves and disconnects.
    package internal(set) var multicasts: UInt64 = 0
    package internal(set) var commands: UInt64 = 0
    /// Multicasts to nobody, and joins and leaves of what is no group: without effect.
    package internal(set) var withoutEffect: UInt64 = 0
    /// Joins of sessions that are in as many groups as they may be.
    package internal(set) var rejected: UInt64 = 0
    /// Messages queued for clients: of clients, and about membership.
    package internal(set) var delivered: UInt64 = 0
    package internal(set) var memberships: UInt64 = 0
    /// Messages dropped for clients that do not read.
    package internal(set) var dropped: UInt64 = 0
    /// Messages of other daemons that this version cannot read.
    package internal(set) var unreadable: UInt64 = 0

    private var refusals = [UInt64](repeating: 0, count: Refusal.allCases.count)
    private var closings = [UInt64](repeating: 0, count: CloseReason.allCases.count)

    /// How many handshakes were refused with one code.
    package func refused(_ refusal: Refusal) -> UInt64 {
      Refusal.allCases.firstIndex(of: refusal).map { refusals[$0] } ?? 0
    }

    /// How many sessions were closed for one reason.
    package func closed(_ reason: CloseReason) -> UInt64 { closings[reason.rawValue] }

    mutating func count(_ refusal: Refusal) {
      if let place = Refusal.allCases.firstIndex(of: refusal) { refusals[place] &+= 1 }
    }

    mutating func count(_ reason: CloseReason) { closings[reason.rawValue] &+= 1 }
  }

  /// Why a connection was closed.
  package enum CloseReason: Int, Sendable, Hashable, CaseIterable {
    /// The client said that it disconnects.
    case requested
    /// The client's stream is over.
    case ended
    /// The handshake took too long.
    case handshakeTime
    /// The client was refused, and read why.
    case refused
    /// Not accepted yet, it made room for another.
    case crowded
    /// Neither one service nor one command, or marks that contradict each other.
    case illegalType
    /// Bits that only a daemon may set.
    case forged
    /// A name that is not the session's own.
    case foreignName
    /// Too many groups, or none where one is needed.
    case groups
    /// Bits in the mark that mean nothing.
    case hint
    /// More bytes than a message may have, or a negative count.
    case length
    /// The client does not read what it is sent.
    case slow
    /// Of all clients it reads least, and too much waits for all together.
    case backlog

    package var name: String {
      switch self {
      case .requested: "requested"
      case .ended: "ended"
      case .handshakeTime: "handshake took too long"
      case .refused: "refused"
      case .crowded: "too many handshakes"
      case .illegalType: "illegal message type"
      case .forged: "forged message type"
      case .foreignName: "foreign sender name"
      case .groups: "illegal number of groups"
      case .hint: "illegal hint"
      case .length: "illegal length"
      case .slow: "too slow"
      case .backlog: "too slow, and too much waits for all clients"
      }
    }
  }
}
