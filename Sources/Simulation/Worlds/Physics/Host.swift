// SPDX-License-Identifier: Apache-2.0

internal import Machine
internal import RingWire

/// One machine of a world.
struct Host<Engine: StateMachine>: Sendable {
  /// How a machine is.
  enum Condition: Sendable, Equatable {
    case down
    case running
    /// Not running until it is resumed under this ticket; the clock may stand too.
    case still(ticket: Int, since: Span, clockStands: Bool)
  }

  /// A write under way.
  struct Write: Sendable, Equatable {
    let bound: UInt64
    let ticket: Int
    let since: Span
  }

  /// The most datagrams that wait in the sockets of a machine that stands still.
  static var bufferLimit: Int { 400 }

  var engine: Engine?
  var condition = Condition.down
  var clock: HostClock
  /// When the alarm rings; `never` if none is set.
  var alarm = Span.never
  /// Datagrams that wait in the sockets.
  var buffer: [Packet] = []
  /// Whether the engine asked to have the sockets drained.
  var wantsDrain = false
  /// What stable storage holds; `nil` if nothing was ever written, or all was lost.
  var stored: UInt64?
  var writes: [Write] = []
  /// Whether what was stored covers all that earlier processes used.
  var remembers = true
  /// Numbers whatever can become void.
  var tickets = 0

  mutating func ticket() -> Int {
    tickets += 1
    return tickets
  }
}
