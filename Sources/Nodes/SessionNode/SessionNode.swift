// SPDX-License-Identifier: Apache-2.0

package import GroupModel
import GroupNode
package import Groups
package import Machine
package import Ring
package import RingWire
private import SessionWire
package import Sessions

/// The ring, the process groups and the clients' sessions as one machine: a daemon but for its
/// sockets.
package struct SessionNode: StateMachine {
  package enum Event: Sendable, Equatable {
    /// A datagram of this cluster arrived and was decoded.
    case received(Packet)
    /// The stored bound asked for is on stable storage.
    case stored(bound: UInt64)
    /// A bound asked for could not be stored.
    case notStored
    /// The ring's sockets have been drained.
    case drained
    /// Other members and time-outs of the ring are configured.
    case reconfigure(RingEngine.Settings)
    /// Something happened to a client's connection.
    case session(SessionsEngine.Event)
    /// The daemon is to leave the ring gracefully.
    case leave
  }

  package enum Effect: Sendable, Equatable {
    case send(Packet, to: NodeID)
    case multicast(Packet, to: Roster)
    case store(bound: UInt64)
    case drain
    /// Of the sessions: what concerns connections, and notes; never what concerns groups.
    case session(SessionsEngine.Effect)
    case liveness(Liveness)
    /// The daemon has left the ring.
    case departed
    case ringNote(RingEngine.Note)
    case groupsNote(GroupsEngine.Note)
  }

  /// A message or a view to local sessions, collected as long as one follows the other: it is written
  /// once for all of them.
  fileprivate struct Delivery: Sendable, Equatable {
    enum Content: Sendable, Equatable {
      case message(GroupMessage)
      case view(GroupsEngine.View)
    }

    let content: Content
    var receivers: [InlineName]
  }

  private var node: GroupNode
  private var clients: SessionsEngine
  /// Names whose disconnect has had no place in the order yet.
  private var leaving: [InlineName] = []
  /// How many disconnects the group layer had applied when ``leaving`` was last looked through.
  private var disconnectsSeen: UInt64 = 0
  // Reused between events; empty outside a call.
  private var nodeEffects = EffectQueue<GroupNode.Effect>()
  private var clientEffects = EffectQueue<SessionsEngine.Effect>()
  private var nodeBatch: [GroupNode.Effect] = []
  private var clientBatch: [SessionsEngine.Effect] = []
  private var delivery: Delivery?

  /// - Parameters:
  ///   - ring: of the ring engine; its longest message is made to hold those of sessions.
  ///   - sessions: of the sessions.
  ///   - storedSequenceBound: the bound of ring ids on stable storage.
  ///   - random: for the ring.
  ///   - now: the present.
  package init(
    ring: RingEngine.Settings,
    sessions: SessionsEngine.Settings,
    storedSequenceBound: UInt64,
    random: SplitMix64,
    startingAt now: Instant
  ) {
    var ring = ring
    // What the layers in between add: names of destinations, as names and verbatim.
    let overhead = SessionEnvelope.longest + 8_192
    ring.longestMessage = max(ring.longestMessage, sessions.longestMessage + overhead)
    var groups = GroupsEngine.Settings(me: ring.me)
    // Sessions have a limit of their own, which the operator may change while the daemon runs.
    groups.localProcesses = .max
    node = GroupNode(
      settings: ring,
      groups: groups,
      process: nil,
      storedSequenceBound: storedSequenceBound,
      random: random,
      startingAt: now
    )
    clients = SessionsEngine(settings: sessions)
  }

  /// The ring's counters and present membership, for status and checkers.
  package var ring: RingEngine { node.engine }
  /// The group layer's counters and tables, for status and checkers.
  package var groups: GroupsEngine { node.groups }
  /// The clients' sessions, for status and checkers.
  package var sessions: SessionsEngine { clients }

  /// Whether more may be read from clients: what waits for the ring has its limit, and nothing is while
  /// the groups are behind it.
  ///
  /// It is a few rotations' worth, so that a client that floods does not keep others waiting. A read
  /// of at most ``longestRead`` bytes after this said yes loses nothing.
  package var mayRead: Bool {
    let held = node.held
    return !node.isCatchingUp && held.requests < 512 && held.bytes < 1 << 20
      && node.engine.backlogPackets < 256
  }

  /// The most bytes to read from a client at once.
  package static let longestRead = 64 << 10

  package var nextDeadline: Instant? {
    guard let first = node.nextDeadline else { return clients.nextDeadline }
    guard let second = clients.nextDeadline else { return first }
    return min(first, second)
  }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch event {
    case .received(let packet): node.handle(.received(packet), at: now, into: &nodeEffects)
    case .stored(let bound): node.handle(.stored(bound: bound), at: now, into: &nodeEffects)
    case .notStored: node.handle(.notStored, at: now, into: &nodeEffects)
    case .drained: node.handle(.drained, at: now, into: &nodeEffects)
    case .reconfigure(let settings):
      node.handle(.reconfigure(settings), at: now, into: &nodeEffects)
    case .session(let event): clients.handle(event, at: now, into: &clientEffects)
    case .leave: node.handle(.request(.disconnect), at: now, into: &nodeEffects)
    }
    route(at: now, into: &effects)
  }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    node.advance(to: now, into: &nodeEffects)
    clients.advance(to: now, into: &clientEffects)
    route(at: now, into: &effects)
  }

  // MARK: - Between the two

  /// Lets each side hear what the other said, until both are silent.
  private mutating func route(at now: Instant, into effects: inout EffectQueue<Effect>) {
    // What is passed on adds to the queues, and not to the batches.
    var (fromNode, fromClients) = (nodeBatch, clientBatch)
    (nodeBatch, clientBatch) = ([], [])
    repeat {
      nodeEffects.take(into: &fromNode)
      for effect in fromNode { pass(effect, at: now, into: &effects) }
      fromNode.removeAll(keepingCapacity: true)
      deliver(at: now)
      releaseNames(at: now)
      clientEffects.take(into: &fromClients)
      for effect in fromClients { pass(effect, at: now, into: &effects) }
      fromClients.removeAll(keepingCapacity: true)
    } while !nodeEffects.isEmpty || !clientEffects.isEmpty
    (nodeBatch, clientBatch) = (fromNode, fromClients)
  }

  private mutating func pass(
    _ effect: GroupNode.Effect,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch effect {
    case .client(.message(let message), let name): collect(.message(message), to: name, at: now)
    case .client(.view(let view), let name): collect(.view(view), to: name, at: now)
    case .client(let notice, let name):
      deliver(at: now)
      tell(notice, to: name, at: now)
    case .send(let packet, let node): effects.append(.send(packet, to: node))
    case .multicast(let packet, let roster): effects.append(.multicast(packet, to: roster))
    case .store(let bound): effects.append(.store(bound: bound))
    case .drain: effects.append(.drain)
    case .group(.liveness(let liveness)): effects.append(.liveness(liveness))
    case .group(.disconnected): effects.append(.departed)
    case .group: break  // Nobody is resident here to be told.
    case .note(let note): effects.append(.ringNote(note))
    case .groupsNote(let note): effects.append(.groupsNote(note))
    }
  }

  private mutating func pass(
    _ effect: SessionsEngine.Effect,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch effect {
    case .connect(let name): node.handle(.connect(name), at: now, into: &nodeEffects)
    case .request(let request, let name):
      node.handle(.client(name, request), at: now, into: &nodeEffects)
    case .crash(let name):
      leaving.append(name)
      node.handle(.crash(name), at: now, into: &nodeEffects)
    case .ready, .write, .finish, .close, .note: effects.append(.session(effect))
    }
  }

  /// Keeps a message or view until it is clear who else here gets it.
  private mutating func collect(_ content: Delivery.Content, to name: InlineName, at now: Instant) {
    if delivery?.content.isSame(as: content) == true {
      delivery?.receivers.append(name)
      return
    }
    deliver(at: now)
    delivery = Delivery(content: content, receivers: [name])
  }

  private mutating func deliver(at now: Instant) {
    guard let delivery else { return }
    self.delivery = nil
    let event: SessionsEngine.Event =
      switch delivery.content {
      case .message(let message): .message(message, to: delivery.receivers)
      case .view(let view): .view(SessionsEngine.View(view), to: delivery.receivers)
      }
    clients.handle(event, at: now, into: &clientEffects)
  }

  private mutating func tell(_ notice: GroupsEngine.Notice, to name: InlineName, at now: Instant) {
    let event: SessionsEngine.Event
    switch notice {
    case .transitional(let group, let ending):
      event = .transitional(group, ending: ending, to: name)
    case .left(let group): event = .left(group, to: name)
    // The session says so itself; its end is told by `crash`; messages and views are collected.
    case .connected, .disconnected, .message, .view: return
    }
    clients.handle(event, at: now, into: &clientEffects)
  }

  /// Gives back the names whose disconnects took effect.
  private mutating func releaseNames(at now: Instant) {
    let disconnects = node.groups.statistics.disconnects
    guard disconnects != disconnectsSeen else { return }
    disconnectsSeen = disconnects
    var rest: [InlineName] = []
    for name in leaving {
      if node.groups.isTaken(name) {
        rest.append(name)
      } else {
        clients.handle(.released(name), at: now, into: &clientEffects)
      }
    }
    leaving = rest
  }
}

extension SessionNode.Delivery.Content {
  fileprivate func isSame(as other: Self) -> Bool {
    switch (self, other) {
    case (.message(let one), .message(let two)): one.isSameMessage(as: two)
    case (.view(let one), .view(let two)): one.isSameView(as: two)
    case (.message, .view), (.view, .message): false
    }
  }
}

extension GroupsEngine.View {
  /// Whether the clients of two members are told the same: only a network view tells the own set.
  fileprivate func isSameView(as other: Self) -> Bool {
    guard id == other.id, group == other.group else { return false }
    return switch cause {
    case .network: ownSet == other.ownSet
    case .join, .leave, .disconnect: true
    }
  }
}

extension GroupMessage {
  /// Whether two values are one delivery: their payloads are the same bytes in the same place.
  ///
  /// Two messages that are equal in all else may be taken for one: receivers cannot tell.
  fileprivate func isSameMessage(as other: Self) -> Bool {
    guard sender == other.sender, service == other.service,
      payload.startIndex == other.payload.startIndex, payload.count == other.payload.count
    else { return false }
    let isSamePlace = payload.withUnsafeBufferPointer { mine in
      other.payload.withUnsafeBufferPointer { mine.baseAddress == $0.baseAddress }
    }
    return isSamePlace && groups == other.groups
  }
}

extension SessionsEngine.View {
  fileprivate init(_ view: GroupsEngine.View) {
    let sets: [[MemberID]] =
      switch view.cause {
      case .network: view.virtualSynchronySets
      case .join, .leave, .disconnect: []
      }
    self.init(
      group: view.group,
      id: view.id,
      members: view.members,
      cause: view.cause,
      sets: sets,
      ownSet: view.ownSet
    )
  }
}
