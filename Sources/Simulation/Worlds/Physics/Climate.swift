// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// What a world is like: drawn from its seed, so that a campaign sees many kinds of trouble alone
/// and together.
package struct Climate: Sendable, Equatable {
  package var timers: RingTimers
  /// How long faults last, all in all.
  package var troubled: Span
  /// The time between two faults, on average.
  package var faultInterval: Span
  /// How likely each fault is, relative to the others.
  package var weights: [Int]
  /// Lost datagrams in a million while faults last.
  package var loss: Int
  /// Lost datagrams in a million, of those that carry messages, when all other faults are over:
  /// retransmission must go on without any change of membership.
  package var calmLoss: Int
  /// Datagrams that arrive twice, in a million.
  package var duplication: Int
  /// Datagrams that are overtaken by others, in a million.
  package var reordering: Int
  /// The time on the wire, and how much it varies.
  package var latency: Span
  package var jitter: Span
  /// Whether a cut also takes what is on its way.
  package var cutsInFlight: Bool
  /// Whether each datagram goes through the codec.
  package var encodes: Bool
  /// How often, in a hundred, a fault follows right upon the sight of a commit token.
  package var aim: Int
  /// How long storage needs at most.
  package var storage: Span
  /// How often, in a hundred, storage fails.
  package var storageFailure: Int
  /// Hosts without a state directory.
  package var stateless: HostSet
  /// The greatest drift of a clock, in millionths.
  package var drift: Int

  /// The token time-out, which is the measure of all that lasts.
  package var tokenLoss: Span { Span(timers.tokenLoss) }

  package init(hosts: Int, drawing chance: inout Chance) {
    let isFast = chance.happens(percent: 15)
    timers = isFast ? .fast : .lan
    let unit = Span(timers.tokenLoss)
    troubled = unit * chance.within(8...24)
    faultInterval = unit * chance.within(1...10) / 4
    weights = Fault.allCases.map { _ in
      chance.happens(percent: 55) ? chance.within(1...10) : 0
    }
    loss = chance.pick([0, 0, 500, 5_000, 20_000, 60_000, 150_000]) ?? 0
    calmLoss = chance.pick([0, 0, 20_000, 150_000]) ?? 0
    duplication = chance.pick([0, 0, 0, 2_000, 30_000]) ?? 0
    reordering = chance.pick([0, 0, 0, 5_000, 50_000]) ?? 0
    // A rotation of all members must fit between hold and retransmission of the token.
    let slowest = Span((timers.tokenRetransmit - timers.idleHold) / (2 * hosts))
    latency = chance.within(slowest / 10...slowest)
    jitter = chance.pick([.zero, latency / 20, latency / 2]) ?? .zero
    cutsInFlight = chance.happens(percent: 50)
    encodes = chance.happens(percent: 10)
    aim = chance.pick([0, 0, 5, 15, 40]) ?? 0
    storage = chance.pick([.zero, .milliseconds(5), .milliseconds(40), .milliseconds(90)]) ?? .zero
    stateless = HostSet((0..<hosts).filter { _ in chance.happens(percent: 10) })
    drift = chance.pick([0, 50, 500, 20_000]) ?? 0
    // Drawn aside, so that all else in the world of a seed stays what it was.
    var aside = chance
    storageFailure = aside.pick([0, 0, 0, 0, 0, 0, 10, 60]) ?? 0
  }
}

/// What can go wrong.
package enum Fault: Int, Sendable, CaseIterable {
  /// The network falls into two or three parts for a while.
  case partition
  /// The network falls into three parts, long enough for three rings, and is healed at once.
  case shatter
  /// One host is cut off for a while.
  case isolation
  /// One host's datagrams do not reach another, though the other's reach it.
  case oneWay
  /// Datagrams of one link, or to one host, are held back for a while.
  case clog
  /// A tenth to a half of all datagrams are lost for a while.
  case storm
  /// A process ends without warning and starts again, perhaps at once.
  case crash
  /// A machine ends without warning; what was not on stable storage is lost.
  case powerLoss
  /// A machine comes back without its stored state.
  case stateLoss
  /// A process does not run for a while; its clock goes on.
  case stall
  /// A virtual machine does not run for a while, nor does its clock.
  case freeze
  /// A member leaves in good order, and comes back.
  case departure
  /// Everything that is cut is healed at once.
  case heal
  /// A host submits many messages at once.
  case burst
  /// A host's messages reach nobody, though its tokens do; then it is cut off. What it sent in the
  /// meantime is a hole in what all others hold.
  case mute
  /// As `mute`, while everybody sends; and when the others recover without the host, one more is
  /// cut off in the midst of it.
  case ambush
}
