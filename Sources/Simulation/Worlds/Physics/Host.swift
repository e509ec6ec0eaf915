// SPDX-License-Identifier: Apache-2.0

package import Machine
internal import RingWire

/// An engine in a place of its own, so that nothing moves or copies it.
package final class Place<Engine: StateMachine> {
  package let pointer: UnsafeMutablePointer<Engine>

  init(_ engine: Engine) {
    pointer = .allocate(capacity: 1)
    pointer.initialize(to: engine)
  }

  /// When the engine wants to be called again; read where it lies, since a copy costs much more.
  var nextDeadline: Instant? { Self.deadline(of: &pointer.pointee) }

  @inline(never)
  private static func deadline(of engine: inout Engine) -> Instant? { engine.nextDeadline }

  deinit {
    pointer.deinitialize(count: 1)
    pointer.deallocate()
  }
}

/// A datagram on its way to one or more hosts, so that only a reference is passed around.
final class Parcel: Sendable {
  let packet: Packet

  init(_ packet: Packet) { self.packet = packet }
}

/// Effects that an engine appends to, and effects that are being performed.
final class Effects<Effect: Sendable> {
  var appended = EffectQueue<Effect>()
  private var performed = EffectQueue<Effect>()

  /// Goes through what was appended so far.
  func drain(_ body: (Effect) -> Void) {
    swap(&appended, &performed)
    performed.drain(body)
  }
}

/// One machine of a world.
struct Host<Engine: StateMachine> {
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
    let fails: Bool
    /// Whether the disk is done, and the process has not heard of it.
    var isDone = false
  }

  /// The most datagrams that wait in the sockets of a machine that stands still.
  static var bufferLimit: Int { 400 }

  var place: Place<Engine>?
  var condition = Condition.down
  var clock: HostClock
  /// When the alarm rings; `never` if none is set.
  var alarm = Span.never
  /// How often in a row the engine was called when it was due, and was due still.
  var idleCalls = 0
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
