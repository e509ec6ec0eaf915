// SPDX-License-Identifier: Apache-2.0

/// The time-outs of a ring; every member of a ring must use the same.
package struct RingTimers: Sendable, Hashable {
  /// Silence of the token after which membership is gathered anew, and of a member after which it
  /// is excluded.
  package var tokenLoss: Duration
  /// How often the last sender of the token repeats it while nothing shows that it arrived.
  package var tokenRetransmit: Duration
  /// The longest the representative keeps the token of an idle ring.
  package var idleHold: Duration
  /// How long a member is silent towards everybody before it sends a beacon.
  package var beacon: Duration
  /// How often a join is repeated during Gather.
  package var join: Duration
  /// How long Gather waits for a member heard since it began.
  package var consensus: Duration
  /// How long a member waits for the commit token.
  package var commitLoss: Duration
  /// How often a representative announces its ring to those outside.
  package var announcement: Duration

  /// For machines on one local network: the default.
  package static let lan = RingTimers(
    tokenLoss: .milliseconds(250),
    tokenRetransmit: .milliseconds(50),
    idleHold: .milliseconds(30),
    beacon: .milliseconds(80),
    join: .milliseconds(10),
    consensus: .milliseconds(300),
    commitLoss: .milliseconds(250),
    announcement: .milliseconds(200)
  )

  /// For quiet machines that may use real-time priority.
  package static let fast = RingTimers(
    tokenLoss: .milliseconds(40),
    tokenRetransmit: .milliseconds(8),
    idleHold: .milliseconds(5),
    beacon: .milliseconds(12),
    join: .milliseconds(4),
    consensus: .milliseconds(60),
    commitLoss: .milliseconds(40),
    announcement: .milliseconds(100)
  )

  /// For members far apart, or machines that pause.
  package static let wan = RingTimers(
    tokenLoss: .seconds(2),
    tokenRetransmit: .milliseconds(400),
    idleHold: .milliseconds(100),
    beacon: .milliseconds(600),
    join: .milliseconds(100),
    consensus: .milliseconds(2500),
    commitLoss: .seconds(2),
    announcement: .seconds(1)
  )

  package init(
    tokenLoss: Duration,
    tokenRetransmit: Duration,
    idleHold: Duration,
    beacon: Duration,
    join: Duration,
    consensus: Duration,
    commitLoss: Duration,
    announcement: Duration
  ) {
    self.tokenLoss = tokenLoss
    self.tokenRetransmit = tokenRetransmit
    self.idleHold = idleHold
    self.beacon = beacon
    self.join = join
    self.consensus = consensus
    self.commitLoss = commitLoss
    self.announcement = announcement
  }

  /// Lists the inequalities between time-outs that do not hold, as text an operator can act on.
  ///
  /// `members` is the number of configured members, `hop` the time one token hop is taken to need.
  package func brokenInequalities(
    members: Int,
    hop: Duration = .microseconds(500)
  ) -> [String] {
    var broken: [String] = []
    func require(_ holds: Bool, _ text: String) {
      if !holds { broken.append(text) }
    }
    let all = [
      tokenLoss, tokenRetransmit, idleHold, beacon, join, consensus, commitLoss, announcement,
    ]
    require(all.allSatisfy { $0 > .zero }, "every time-out must be longer than 0")
    require(beacon * 3 <= tokenLoss, "3 x beacon <= token loss")
    require(idleHold + hop * members < tokenRetransmit, "idle hold + a rotation < token retransmit")
    require(tokenRetransmit * 5 <= tokenLoss, "5 x token retransmit <= token loss")
    require(join * 3 + tokenLoss / 5 < consensus, "3 x join + token loss / 5 < consensus")
    require(consensus > tokenLoss, "consensus > token loss")
    return broken
  }
}

extension RingTimers {
  /// A named set of time-outs.
  package enum Profile: String, Sendable, Hashable, CaseIterable {
    case lan
    case fast
    case wan

    package var timers: RingTimers {
      switch self {
      case .lan: .lan
      case .fast: .fast
      case .wan: .wan
      }
    }
  }
}
