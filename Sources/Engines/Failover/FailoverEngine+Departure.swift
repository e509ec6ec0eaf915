// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import FailoverWire
internal import GroupModel
internal import Machine

// Leaving. Everything held is released first; then one ordered message says so, and at its delivery
// the others acquire at once: the gap is one message and one kernel request, and there is no moment
// with two holders. The end of the process later changes nothing.

extension FailoverEngine {
  mutating func beginLeaving(in turn: inout Turn) {
    guard departure == nil else { return }
    turn.emit(.note(.leaving))
    departure = .leaving(deadline: turn.now + settings.leaveTimeout, disconnecting: false)
  }

  /// The others know: leave the group.
  mutating func disconnect(in turn: inout Turn) {
    guard case .leaving(let deadline, false) = departure else { return }
    departure = .leaving(deadline: deadline, disconnecting: true)
    turn.emit(.request(.disconnect))
  }

  mutating func progressDeparture(_ turn: inout Turn) {
    guard case .leaving(let deadline, _) = departure else { return }
    let busy = holdings.contains { $0.presence == .adding || $0.presence == .removing }
    switch session.stage {
    case .disconnected: if !busy { depart(in: &turn) }
    case .joining: if !busy { disconnect(in: &turn) }
    case .exchanging, .running: break  // Waits for its own message to come back.
    }
    if deadline <= turn.now { depart(in: &turn) }
  }

  private mutating func depart(in turn: inout Turn) {
    guard departure != .departed else { return }
    departure = .departed
    turn.emit(.note(.departed))
    turn.emit(.departed)
  }
}
