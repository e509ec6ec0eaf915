// SPDX-License-Identifier: Apache-2.0

package import GroupModel
package import Groups
private import GroupsWire
package import Machine
package import Ring
package import RingWire

/// The ring and the process groups over it as one machine: what every daemon runs.
///
/// A daemon that uses groups itself names its own process, the resident: it is connected from the
/// start, and the node leaves the ring when it disconnects. Others connect and go as they like.
package struct GroupNode: StateMachine {
  package enum Event: Sendable, Equatable {
    /// A datagram of this cluster arrived and was decoded.
    case received(Packet)
    /// The resident asks for something.
    case request(GroupRequest)
    /// The stored bound asked for is on stable storage.
    case stored(bound: UInt64)
    /// A bound asked for could not be stored.
    case notStored
    /// The sockets have been drained.
    case drained
    /// Other members and time-outs of the ring are configured.
    case reconfigure(RingEngine.Settings)
    /// Another local process connects under a name.
    case connect(InlineName)
    /// Another local process asks for something.
    case client(InlineName, GroupRequest)
    /// Another local process is gone without a word.
    case crash(InlineName)
  }

  package enum Effect: Sendable, Equatable {
    case send(Packet, to: NodeID)
    case multicast(Packet, to: Roster)
    case store(bound: UInt64)
    case drain
    /// Tell the resident.
    case group(GroupEvent)
    /// Tell another local process.
    case client(GroupsEngine.Notice, to: InlineName)
    case note(RingEngine.Note)
    case groupsNote(GroupsEngine.Note)
  }

  /// What passes between the ring and the groups over it.
  package enum Sighting: Sendable, Equatable {
    /// The groups give the ring a message.
    case submitted(Service, [UInt8])
    /// The ring delivers what comes next in its order.
    case ordered(Delivery)
    /// The groups are given what the ring has delivered, now or before.
    case handed(Delivery)
  }

  /// Something seen, before the effect of this place among those of one call.
  package struct Seen: Sendable, Equatable {
    package let before: Int
    package let sighting: Sighting
  }

  /// How far the resident's disconnect has come.
  private enum Departure: Sendable, Equatable {
    case none
    /// It is on its way to the ring, so that peers see a disconnect and not a fault.
    case asked
    /// The ring has been told to leave.
    case leaving
  }

  /// What a stall has left open.
  private enum Doubt: Sendable, Equatable {
    case none
    /// Whether the ring stands is not known.
    case open
    /// It does, or another was installed: what that means for the groups shows when they settle.
    case answered
  }

  private struct Submission: Sendable, Equatable {
    let service: Service
    let payload: [UInt8]
  }

  /// The longest payload that a multicast may have, in bytes.
  package let longestMessage: Int
  private let resident: InlineName?

  private var ring: RingEngine
  private var layer: GroupsEngine
  private var departure = Departure.none
  private var doubt = Doubt.none
  /// What the ring has no room for; while there is any, the group layer holds requests back.
  private var waiting: [Submission] = []
  private var isBackedUp = false
  /// What the ring delivered while the groups were busy.
  private var inbox: [Delivery] = []
  private var lastCall: Instant
  // Reused between events; empty outside a call, but for the resident's connection at the start.
  private var ringEffects = EffectQueue<RingEngine.Effect>()
  private var groupEffects = EffectQueue<GroupsEngine.Effect>()
  private var ringBatch: [RingEngine.Effect] = []
  private var groupBatch: [GroupsEngine.Effect] = []
  /// Whether to note what ``takeSightings()`` gives; for checkers.
  package var isWatched = false
  private var sightings: [Seen] = []

  /// `groups` are the settings of the group layer where they are not the usual ones.
  package init(
    settings: RingEngine.Settings,
    groups: GroupsEngine.Settings? = nil,
    process: InlineName?,
    storedSequenceBound: UInt64,
    random: SplitMix64,
    startingAt now: Instant
  ) {
    var groupSettings = groups ?? GroupsEngine.Settings(me: settings.me)
    groupSettings.longestPayload = settings.longestMessage - Multicast.longestHeader
    longestMessage = groupSettings.longestPayload
    resident = process
    ring = RingEngine(
      settings: settings,
      storedSequenceBound: storedSequenceBound,
      random: random,
      startingAt: now
    )
    layer = GroupsEngine(settings: groupSettings)
    lastCall = now
    if let process { layer.handle(.connect(process), at: now, into: &groupEffects) }
  }

  /// The ring's counters and present membership, for status and checkers.
  package var engine: RingEngine { ring }

  /// The group layer's counters and tables, for status and checkers.
  package var groups: GroupsEngine { layer }

  /// Where the ring is in its membership algorithm.
  package var phaseName: RingEngine.PhaseName { ring.phaseName }

  /// What was seen during the last call; to be taken after each while the node is watched.
  package mutating func takeSightings() -> [Seen] {
    defer { sightings.removeAll(keepingCapacity: true) }
    return sightings
  }

  /// Whether a multicast would be refused for want of room.
  package var isCongested: Bool {
    isBackedUp || ring.isCongested || !layer.hasRoom || isCatchingUp
  }

  /// Whether the groups are behind the ring, after a change that concerns very many of them.
  package var isCatchingUp: Bool { layer.isBusy || !inbox.isEmpty }

  /// How much waits for the ring, or for an exchange of group tables to end.
  package var held: (requests: Int, bytes: Int) {
    let held = layer.held
    return (held.requests + waiting.count, held.bytes)
  }

  /// Why a request of the resident would not be taken; `nil` if it would.
  package func refusal(of request: GroupRequest) -> GroupRefusal? {
    guard let resident else { return .disconnected }
    return refusal(of: request, from: resident)
  }

  /// Why a request of a local process would not be taken; `nil` if it would.
  package func refusal(of request: GroupRequest, from process: InlineName) -> GroupRefusal? {
    if let refusal = layer.refusal(of: request, from: process) { return refusal }
    switch request {
    case .multicast: return isCongested ? .congested : nil
    case .join, .leave, .disconnect: return nil
    }
  }

  package var nextDeadline: Instant? {
    guard isCatchingUp else { return ring.nextDeadline }
    return min(lastCall, ring.nextDeadline ?? lastCall)
  }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    lastCall = now
    switch event {
    case .received(let packet): ring.handle(.received(packet), at: now, into: &ringEffects)
    case .stored(let bound): ring.handle(.stored(bound: bound), at: now, into: &ringEffects)
    case .notStored: ring.handle(.notStored, at: now, into: &ringEffects)
    case .drained: ring.handle(.drained, at: now, into: &ringEffects)
    case .reconfigure(let settings):
      ring.handle(.reconfigure(settings), at: now, into: &ringEffects)
    case .request(let request):
      if request == .disconnect, departure == .none { departure = .asked }
      if let resident { tell(.request(request, from: resident), at: now) }
    case .connect(let process): tell(.connect(process), at: now)
    case .client(let process, let request): tell(.request(request, from: process), at: now)
    case .crash(let process): tell(.crash(process), at: now)
    }
    route(at: now, into: &effects)
  }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    lastCall = now
    if layer.isBusy { layer.advance(to: now, into: &groupEffects) }
    catchUp(at: now, into: &effects)
    if let deadline = ring.nextDeadline, deadline <= now {
      ring.advance(to: now, into: &ringEffects)
    }
    route(at: now, into: &effects)
  }

  private mutating func tell(_ event: GroupsEngine.Event, at now: Instant) {
    layer.handle(event, at: now, into: &groupEffects)
  }

  /// Lets each engine hear what the other said, until both are silent.
  private mutating func route(at now: Instant, into effects: inout EffectQueue<Effect>) {
    routeGroups(at: now, into: &effects)
    // What is passed on adds to the queue, and not to the batch.
    var batch = ringBatch
    ringBatch = []
    repeat {
      ringEffects.take(into: &batch)
      for effect in batch {
        pass(effect, at: now, into: &effects)
        // What is told to processes keeps its place among the ring's other effects.
        routeGroups(at: now, into: &effects)
        endDoubt(into: &effects)
      }
      batch.removeAll(keepingCapacity: true)
      submit(at: now, before: effects.effects.count)
      depart(at: now)
      routeGroups(at: now, into: &effects)
    } while !ringEffects.isEmpty
    ringBatch = batch
  }

  private mutating func pass(
    _ effect: RingEngine.Effect,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch effect {
    case .send(let packet, let node): effects.append(.send(packet, to: node))
    case .multicast(let packet, let roster): effects.append(.multicast(packet, to: roster))
    case .store(let bound): effects.append(.store(bound: bound))
    case .drain: effects.append(.drain)
    case .liveness(let liveness):
      switch liveness {
      case .stalled, .votedOut: doubt = .open
      case .resumed: doubt = .answered
      case .rotation: break
      }
      if liveness != .resumed { effects.append(.group(.liveness(liveness))) }
    case .note(let note): effects.append(.note(note))
    case .departed: effects.append(.group(.disconnected(.requested)))
    case .deliver(let delivery):
      // A ring that was installed while the sockets were drained is in doubt itself.
      if case .regular = delivery, doubt == .open, ring.isTrusted { doubt = .answered }
      if isWatched {
        sightings.append(Seen(before: effects.effects.count, sighting: .ordered(delivery)))
      }
      if isCatchingUp {
        inbox.append(delivery)
      } else {
        hand(delivery, at: now, before: effects.effects.count)
      }
    }
  }

  private mutating func hand(_ delivery: Delivery, at now: Instant, before place: Int) {
    if isWatched { sightings.append(Seen(before: place, sighting: .handed(delivery))) }
    tell(.ring(GroupsEngine.RingEvent(delivery)), at: now)
  }

  /// Gives the groups what the ring delivered meanwhile, until they are busy again.
  private mutating func catchUp(at now: Instant, into effects: inout EffectQueue<Effect>) {
    routeGroups(at: now, into: &effects)
    var given = 0
    while !layer.isBusy, given < min(inbox.count, Self.mostAtOnce) {
      hand(inbox[given], at: now, before: effects.effects.count)
      routeGroups(at: now, into: &effects)
      given += 1
    }
    inbox.removeFirst(given)
    endDoubt(into: &effects)
  }

  /// The most deliveries of the inbox that are handed on in one call.
  private static let mostAtOnce = 1_024

  /// Says that all is well once each group that changed has had its view: when the ring was formed
  /// anew and no group changed, nothing else would.
  private mutating func endDoubt(into effects: inout EffectQueue<Effect>) {
    guard doubt == .answered, layer.isSettled, !isCatchingUp else { return }
    doubt = .none
    effects.append(.group(.liveness(.resumed)))
  }

  private mutating func routeGroups(at now: Instant, into effects: inout EffectQueue<Effect>) {
    guard !groupEffects.isEmpty else { return }
    var batch = groupBatch
    groupBatch = []
    groupEffects.take(into: &batch)
    for effect in batch {
      switch effect {
      case .submit(let service, let payload):
        waiting.append(Submission(service: service, payload: payload))
      case .deliver(.disconnected, let process) where process == resident:
        break  // The resident is told when the node has left the ring.
      case .deliver(let notice, let process):
        effects.append(
          process == resident ? .group(notice.event) : .client(notice, to: process)
        )
      case .note(let note): effects.append(.groupsNote(note))
      }
    }
    batch.removeAll(keepingCapacity: true)
    groupBatch = batch
  }

  /// Gives the ring what it has room for.
  private mutating func submit(at now: Instant, before place: Int) {
    var given = 0
    while given < waiting.count, !ring.isCongested {
      let next = waiting[given]
      if isWatched {
        let sighting = Sighting.submitted(next.service, next.payload)
        sightings.append(Seen(before: place, sighting: sighting))
      }
      ring.handle(
        .submit(service: next.service, payload: next.payload),
        at: now,
        into: &ringEffects
      )
      given += 1
    }
    waiting.removeFirst(given)
    if isBackedUp == waiting.isEmpty {
      isBackedUp.toggle()
      tell(.congested(isBackedUp), at: now)
    }
  }

  /// Leaves the ring once the resident's disconnect is with it, or cannot be soon.
  ///
  /// The ring orders what it has taken before it goes.
  private mutating func depart(at now: Instant) {
    guard departure == .asked, !isCatchingUp,
      waiting.isEmpty || ring.phaseName != .operational
    else { return }
    departure = .leaving
    ring.handle(.leave, at: now, into: &ringEffects)
  }
}

extension GroupsEngine.RingEvent {
  fileprivate init(_ delivery: Delivery) {
    switch delivery {
    case .message(let message):
      self = .message(
        GroupsEngine.OrderedMessage(
          sender: message.sender,
          service: message.service,
          payload: message.payload
        )
      )
    case .transitional(let configuration):
      self = .transitional(to: configuration.to, members: configuration.members)
    case .regular(let configuration):
      self = .regular(
        ring: configuration.ring,
        members: configuration.members,
        cameTogether: configuration.cameTogether
      )
    }
  }
}
