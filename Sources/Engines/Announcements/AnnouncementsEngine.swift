// SPDX-License-Identifier: Apache-2.0

internal import Addresses
package import Machine

/// Tells the neighbours which hardware address has a VIF: gratuitous ARP and neighbour
/// advertisements, repeated and paced.
package struct AnnouncementsEngine: StateMachine {
  private let settings: Settings

  package init(_ settings: Settings) { self.settings = settings }

  package var nextDeadline: Instant? { nil }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {}

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {}
}
