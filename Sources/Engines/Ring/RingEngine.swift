// SPDX-License-Identifier: Apache-2.0

package import GroupModel
package import Machine

/// The Totem single ring with Extended Virtual Synchrony.
///
/// Sources: Amir, Moser, Melliar-Smith, Agarwal, Ciarfella, "The Totem Single-Ring Ordering and
/// Membership Protocol", TOCS 13(4), 1995; Moser, Amir, Melliar-Smith, Agarwal, "Extended Virtual
/// Synchrony", ICDCS 1994; Babay, Amir, "Fast Total Ordering for Modern Data Centers", ICDCS 2016.
package struct RingEngine: StateMachine {
  private var context: Context

  /// Begins to gather.
  ///
  /// - Parameters:
  ///   - settings: what is fixed while the engine runs.
  ///   - storedSequenceBound: the highest bound that ``Effect/store(bound:)`` ever put on stable
  ///     storage; ring sequences up to it may have been used. Without stable storage: the clock, in
  ///     milliseconds.
  ///   - random: must differ between the runs of one member.
  ///   - now: the time.
  package init(
    settings: Settings,
    storedSequenceBound: UInt64,
    random: SplitMix64,
    startingAt now: Instant
  ) {
    context = Context(
      settings: settings,
      storedSequenceBound: storedSequenceBound,
      random: random,
      now: now
    )
  }

  package var nextDeadline: Instant? { nil }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
  }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
  }
}

extension RingEngine {
  package var statistics: Statistics { context.statistics }
  package var phaseName: PhaseName { .gather }
  /// The regular configuration delivered last; `nil` before the first.
  package var ring: RingID? { nil }
  /// The members of ``ring``; empty before the first.
  package var members: Roster { .empty }
  /// Messages taken from the layer above that have no place in the order yet.
  package var backlog: Int { 0 }
  /// Whether a submitted message would be refused for want of room.
  package var isCongested: Bool { false }
}

extension RingEngine {
  struct Context: Sendable, Equatable {
    var statistics = Statistics()
    init(
      settings: Settings,
      storedSequenceBound: UInt64,
      random: SplitMix64,
      now: Instant
    ) {}
  }
}
