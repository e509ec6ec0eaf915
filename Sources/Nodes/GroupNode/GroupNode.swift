// SPDX-License-Identifier: Apache-2.0

package import GroupModel
package import Machine
package import Ring
package import RingWire

/// The ring and the process groups over it as one machine: what every daemon runs.
///
/// The ring carries one implicit group: each of its members is a member of that group through one
/// process. The group layer with many groups takes the place of ``ImplicitGroup``.
package struct GroupNode: StateMachine {
  package enum Event: Sendable, Equatable {
    /// A datagram of this cluster arrived and was decoded.
    case received(Packet)
    /// The user of the group connection asks for something.
    case request(GroupRequest)
    /// The stored bound asked for is on stable storage.
    case stored(bound: UInt64)
    /// The sockets have been drained.
    case drained
  }

  package enum Effect: Sendable, Equatable {
    case send(Packet, to: NodeID)
    case multicast(Packet, to: Roster)
    case store(bound: UInt64)
    case drain
    /// Tell the user of the group connection.
    case group(GroupEvent)
    case note(RingEngine.Note)
  }

  /// The longest payload that a multicast may have, in bytes.
  package let longestMessage: Int

  private var ring: RingEngine
  private var group: ImplicitGroup
  /// Reused between events; always empty outside a call, so that machines compare equal.
  private var pending = EffectQueue<RingEngine.Effect>()

  package init(
    settings: RingEngine.Settings,
    process: InlineName,
    storedSequenceBound: UInt64,
    random: SplitMix64,
    startingAt now: Instant
  ) {
    longestMessage = settings.longestMessage - ImplicitGroup.overhead
    ring = RingEngine(
      settings: settings,
      storedSequenceBound: storedSequenceBound,
      random: random,
      startingAt: now
    )
    group = ImplicitGroup(me: MemberID(node: settings.me, process: process))
  }

  /// The ring's counters and present membership, for status and checkers.
  package var engine: RingEngine { ring }

  /// Whether a multicast would be refused for want of room.
  package var isCongested: Bool { ring.isCongested }

  package var nextDeadline: Instant? { ring.nextDeadline }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch event {
    case .received(let packet): ring.handle(.received(packet), at: now, into: &pending)
    case .stored(let bound): ring.handle(.stored(bound: bound), at: now, into: &pending)
    case .drained: ring.handle(.drained, at: now, into: &pending)
    case .request(let request): take(request, at: now, into: &effects)
    }
    route(into: &effects)
  }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    ring.advance(to: now, into: &pending)
    route(into: &effects)
  }

  private mutating func take(
    _ request: GroupRequest,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch request {
    case .join(let name):
      for event in group.join(name) { effects.append(.group(event)) }
    case .leave:
      for event in group.leave() { effects.append(.group(event)) }
    case .multicast(_, let service, let tag, let payload):
      let body = group.encode(tag: tag, payload: payload)
      ring.handle(.submit(service: service, payload: body), at: now, into: &pending)
    case .disconnect:
      ring.handle(.leave, at: now, into: &pending)
    }
  }

  /// Turns the ring's effects into the node's, in order.
  private mutating func route(into effects: inout EffectQueue<Effect>) {
    for effect in pending.takeAll() {
      switch effect {
      case .send(let packet, let node): effects.append(.send(packet, to: node))
      case .multicast(let packet, let roster): effects.append(.multicast(packet, to: roster))
      case .store(let bound): effects.append(.store(bound: bound))
      case .drain: effects.append(.drain)
      case .liveness(let liveness): effects.append(.group(.liveness(liveness)))
      case .note(let note): effects.append(.note(note))
      case .departed: effects.append(.group(.disconnected(.requested)))
      case .deliver(let delivery):
        for event in group.take(delivery) { effects.append(.group(event)) }
      }
    }
  }
}
