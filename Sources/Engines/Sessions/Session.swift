// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import SessionWire

extension SessionsEngine {
  /// One connection of a client.
  struct Session: Sendable, Equatable {
    let peer: Peer
    let isAdmitted: Bool
    var phase = Phase.connecting
    /// What arrived and makes no whole yet.
    var input: [UInt8] = []
    var output = Output()
    /// What it has joined, or asked to join, and did not ask to leave.
    var groups: Set<GroupName> = []
  }

  /// How far a session has come.
  enum Phase: Sendable, Equatable {
    /// CONNECT is awaited.
    case connecting
    /// The choice of methods is awaited; the name is taken already.
    case choosing(ConnectRequest, name: InlineName)
    case open(Client)
    /// The client is told why it is not served.
    case refused(isToldAll: Bool)

    /// Whether the client was neither accepted nor refused yet.
    var isHandshake: Bool {
      switch self {
      case .connecting, .choosing: true
      case .open, .refused: false
      }
    }
  }

  /// A client that was accepted.
  struct Client: Sendable, Equatable {
    let name: InlineName
    let privateName: InlineName
    let version: Version
    let wantsMembership: Bool
  }

  /// Whose a name is.
  enum Holder: Sendable, Equatable {
    case session(ID)
    /// The session is gone; its disconnect has had no place in the order yet.
    case leaving
  }

  /// Deadlines that come due in the order of adding: all have the same distance, or are brought forward
  /// when it becomes shorter.
  struct Deadlines: Sendable, Equatable {
    private var times: [Instant] = []
    private var ids: [ID] = []
    private var head = 0

    /// The first that is still of interest is due then.
    var first: Instant? { head < times.count ? times[head] : nil }
    /// Whose deadline comes first.
    var firstID: ID? { head < ids.count ? ids[head] : nil }

    mutating func add(_ id: ID, due: Instant) {
      times.append(due)
      ids.append(id)
    }

    /// Lets none be due later.
    mutating func bringForward(to latest: Instant) {
      for place in times.indices.reversed() {
        guard times[place] > latest else { return }
        times[place] = latest
      }
    }

    mutating func removeFirst() {
      head += 1
      guard head > 1_024 || head == times.count else { return }
      times.removeFirst(head)
      ids.removeFirst(head)
      head = 0
    }
  }
}
