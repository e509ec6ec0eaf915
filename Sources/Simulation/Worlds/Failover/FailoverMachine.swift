// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import Failover
package import FailoverNode
package import GroupModel
package import GroupNode
package import Machine
internal import Ring
package import RingWire

/// Everything that a fail-over daemon runs, but for its shells: ring, group and fail-over.
package struct FailoverMachine: StateMachine {
  package enum Event: Sendable, Equatable {
    case node(GroupNode.Event)
    case failover(FailoverNodeEngine.Event)
  }

  package enum Effect: Sendable, Equatable {
    case send(Packet, to: NodeID)
    case multicast(Packet, to: Roster)
    case store(bound: UInt64)
    case drain
    /// The group said this, and fail-over, being amid that, is about to hear it.
    case saw(GroupEvent, amid: FailoverEngine.Activity)
    case acquire(VirtualInterface)
    case release(VirtualInterface)
    case inject([UInt8], on: InterfaceName)
    case answer(FailoverEngine.Ticket, FailoverEngine.Answer)
    case keep(drained: Bool)
    case note(FailoverEngine.Note)
    case departed
  }

  private var node: GroupNode
  private var failover: FailoverNodeEngine
  private let group: GroupName
  private var isConnected = false
  /// When fail-over is due: looked up only after it did something, for datagrams are many.
  private var failoverDeadline: Instant?
  // Empty between events.
  private var ringEffects = EffectQueue<GroupNode.Effect>()
  private var failoverEffects = EffectQueue<FailoverNodeEngine.Effect>()

  package init(node: GroupNode, failover: FailoverNodeEngine.Settings) {
    self.node = node
    self.failover = FailoverNodeEngine(failover)
    group = failover.failover.group
  }

  package var status: FailoverEngine.Status { failover.status }

  /// Whether the ring is installed and not in doubt.
  package var isOperational: Bool { node.phaseName == .operational }

  package var nextDeadline: Instant? {
    switch (node.nextDeadline, failoverDeadline) {
    case (let first?, let second?): min(first, second)
    case (let first, let second): first ?? second
    }
  }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch event {
    case .node(let event): node.handle(event, at: now, into: &ringEffects)
    case .failover(let event): tell(event, at: now)
    }
    route(at: now, into: &effects)
  }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    if !isConnected {
      // As the daemon does when it starts.
      isConnected = true
      node.handle(.request(.join(group)), at: now, into: &ringEffects)
    }
    node.advance(to: now, into: &ringEffects)
    route(at: now, into: &effects)
    if let due = failoverDeadline, due <= now {
      failover.advance(to: now, into: &failoverEffects)
      failoverDeadline = failover.nextDeadline
      route(at: now, into: &effects)
    }
  }

  private mutating func tell(_ event: FailoverNodeEngine.Event, at now: Instant) {
    failover.handle(event, at: now, into: &failoverEffects)
    failoverDeadline = failover.nextDeadline
  }

  /// Lets each half hear what the other said, until both are silent.
  ///
  /// As in the daemon, what fail-over decides upon one event is done before it hears the next.
  private mutating func route(at now: Instant, into effects: inout EffectQueue<Effect>) {
    while !ringEffects.isEmpty || !failoverEffects.isEmpty {
      for effect in ringEffects.takeAll() {
        switch effect {
        case .send(let packet, let to): effects.append(.send(packet, to: to))
        case .multicast(let packet, let to): effects.append(.multicast(packet, to: to))
        case .store(let bound): effects.append(.store(bound: bound))
        case .drain: effects.append(.drain)
        case .note, .groupsNote, .client: break
        case .group(.liveness(.rotation)): break  // Of no interest to fail-over, and frequent.
        case .group(let event):
          effects.append(.saw(event, amid: failover.activity))
          tell(.group(event), at: now)
          for effect in failoverEffects.takeAll() { take(effect, at: now, into: &effects) }
        }
      }
      for effect in failoverEffects.takeAll() { take(effect, at: now, into: &effects) }
    }
  }

  private mutating func take(
    _ effect: FailoverNodeEngine.Effect,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch effect {
    case .request(let request):
      if case .multicast = request, node.isCongested {
        tell(.refused(request, .congested), at: now)
      } else {
        node.handle(.request(request), at: now, into: &ringEffects)
      }
    case .acquire(let vif): effects.append(.acquire(vif))
    case .release(let vif): effects.append(.release(vif))
    case .inject(let frame, let interface): effects.append(.inject(frame, on: interface))
    case .answer(let ticket, let answer): effects.append(.answer(ticket, answer))
    case .keep(let isDrained): effects.append(.keep(drained: isDrained))
    case .proven, .dropped: break  // The ring proves, and has no strangers.
    case .conflict: break  // Frames are not fed back in these worlds.
    case .note(let note): effects.append(.note(note))
    case .departed: effects.append(.departed)
    }
  }
}
