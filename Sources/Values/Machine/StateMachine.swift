// SPDX-License-Identifier: Apache-2.0

/// A protocol engine: events and the time go in, effects come out, and nothing else happens.
///
/// The caller owns one queue and reuses it. It performs the queued effects, in order, before it
/// calls the machine again; so the effects of two events never interleave.
package protocol StateMachine: Sendable, Equatable {
  associatedtype Event: Sendable, Equatable
  associatedtype Effect: Sendable, Equatable

  /// When ``advance(to:into:)`` is next due; `nil` while only an event can make progress.
  var nextDeadline: Instant? { get }

  /// Takes one event and appends what follows from it to `effects`.
  mutating func handle(_ event: Event, at now: Instant, into effects: inout EffectQueue<Effect>)

  /// Fires every deadline at or before `now`.
  mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>)
}

/// Effects in the order in which they are to be performed; the storage is reused between events.
///
/// Inlinable: generic code in other modules would copy each effect through its metadata.
package struct EffectQueue<Effect: Sendable>: Sendable {
  @usableFromInline package internal(set) var effects: [Effect] = []

  @inlinable package init() {}

  @inlinable package var isEmpty: Bool { effects.isEmpty }

  @inlinable package mutating func append(_ effect: Effect) { effects.append(effect) }

  /// Returns the queued effects and leaves the queue empty.
  ///
  /// The storage goes with them; where that counts, use ``take(into:)``.
  @inlinable package mutating func takeAll() -> [Effect] {
    var taken: [Effect] = []
    swap(&taken, &effects)
    return taken
  }

  /// Moves the queued effects to `batch`, which must be empty, and takes its storage for the next.
  ///
  /// Whoever empties the batch and gives it back the next time spares both their storage.
  @inlinable package mutating func take(into batch: inout [Effect]) { swap(&batch, &effects) }

  /// Performs the queued effects in order; what `body` appends to another queue is not seen here.
  @inlinable package mutating func drain(_ body: (Effect) -> Void) {
    for effect in effects { body(effect) }
    effects.removeAll(keepingCapacity: true)
  }
}

extension EffectQueue: Equatable where Effect: Equatable {}
