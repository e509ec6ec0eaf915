// SPDX-License-Identifier: Apache-2.0

internal import Addresses
package import Machine

/// Decides with its peers, through one group, who holds which VIF.
package struct FailoverEngine: StateMachine {
  private let settings: Settings

  package init(_ settings: Settings) { self.settings = settings }

  package var nextDeadline: Instant? { nil }

  /// What this member knows and does.
  package var status: Status {
    Status(
      node: settings.node,
      phase: .disconnected,
      members: [],
      vifs: [],
      interfaces: [],
      degraded: [],
      dropped: Drops()
    )
  }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {}

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {}
}
