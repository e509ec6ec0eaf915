// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Ring
import RingWire

/// A few engines on a small virtual network, in virtual time.
struct Cluster {
  private enum Item {
    case event(RingEngine.Event, run: Int)
  }

  private struct Entry {
    let time: Instant
    let order: Int
    let node: NodeID
    let item: Item
  }

  struct Host {
    var engine: RingEngine
    var deliveries: [Delivery] = []
    /// What earlier runs delivered.
    var past: [[Delivery]] = []
    /// What this run submitted.
    var submitted: [String] = []
    var notes: [RingEngine.Note] = []
    var liveness: [Liveness] = []
    var sent: [Packet] = []
    var isUp = true
    var hasDeparted = false
    /// Until when the process does not run.
    var pausedUntil: Instant?
    var run = 0
    var stored: UInt64 = 0
  }

  let timers: RingTimers
  let roster: Roster
  private(set) var now = Instant.boot
  private var queue: [Entry] = []
  private var order = 0
  /// How often an engine was called.
  private(set) var calls = 0
  private(set) var hosts: [NodeID: Host] = [:]
  /// What was delivered, told and noted, and who departed, as it happened.
  private(set) var record: [(node: NodeID, effect: RingEngine.Effect)] = []
  private var random: SplitMix64
  var settings: (NodeID) -> RingEngine.Settings
  /// Whom a member has configured from its next start on, if not all.
  var knows: [NodeID: Roster] = [:]

  /// Whether a packet is lost; asked once per receiver.
  var loses: (_ from: NodeID, _ to: NodeID, Packet) -> Bool = { _, _, _ in false }
  /// What arrives in place of a packet, as from an attacker on the path; asked once per receiver.
  var forges: (_ from: NodeID, _ to: NodeID, Packet) -> Packet = { _, _, packet in packet }
  /// What members that never ran find on stable storage.
  var storedBefore: [NodeID: UInt64] = [:]
  /// Which members reach each other; `nil` if all do.
  var parts: [Roster]?
  var delay = Duration.microseconds(100)
  var jitter = Duration.zero
  var storeDelay = Duration.milliseconds(2)
  /// Whether nothing can be stored, which is known after ``storeDelay``.
  var storageFails = false
  /// Part of all packets lost, in thousandths.
  var lossPerMille = 0

  init(_ names: Roster, timers: RingTimers = .lan, seed: UInt64 = 1) {
    (roster, self.timers) = (names, timers)
    random = SplitMix64(seed: seed)
    settings = { RingEngine.Settings(me: $0, configured: names, timers: timers) }
  }

  subscript(node: NodeID) -> Host {
    guard let host = hosts[node] else { preconditionFailure("\(node) was never started") }
    return host
  }

  mutating func start(_ nodes: Roster) {
    for node in nodes.nodes {
      let old = hosts[node]
      let engine = RingEngine(
        settings: knows[node].map {
          RingEngine.Settings(me: node, configured: $0, timers: timers)
        } ?? settings(node),
        storedSequenceBound: old?.stored ?? storedBefore[node] ?? 0,
        random: SplitMix64(seed: random.next()),
        startingAt: now
      )
      var host = Host(engine: engine)
      host.run = (old?.run ?? 0) + 1
      host.stored = old?.stored ?? storedBefore[node] ?? 0
      host.past = (old?.past ?? []) + (old.map { [$0.deliveries] } ?? [])
      hosts[node] = host
      wake(node)
    }
  }

  mutating func crash(_ node: NodeID) { hosts[node]?.isUp = false }

  mutating func pause(_ node: NodeID, for duration: Duration) {
    hosts[node]?.pausedUntil = now + duration
  }

  mutating func submit(_ text: String, at node: NodeID, _ service: Service = .agreed) {
    guard let host = hosts[node], host.isUp else { return }
    hosts[node]?.submitted.append(text)
    feed(.submit(service: service, payload: Array(text.utf8)), to: node)
  }

  mutating func submit(bytes: [UInt8], at node: NodeID, _ service: Service = .agreed) {
    feed(.submit(service: service, payload: bytes), to: node)
  }

  /// Configures a member that runs.
  mutating func reconfigure(_ node: NodeID, with roster: Roster, timers other: RingTimers? = nil) {
    knows[node] = roster
    let settings = RingEngine.Settings(me: node, configured: roster, timers: other ?? timers)
    feed(.reconfigure(settings), to: node)
  }

  mutating func leave(_ node: NodeID) { feed(.leave, to: node) }

  mutating func inject(_ packet: Packet, to node: NodeID) { feed(.received(packet), to: node) }

  mutating func advance(_ duration: Duration) {
    let end = now + duration
    while step(until: end) {}
    now = end
  }

  /// Advances until the condition holds, for `limit` at most.
  ///
  /// - Returns: how long it took; `nil` if it never held.
  mutating func advance(
    atMost limit: Duration,
    until isDone: (Cluster) -> Bool
  ) -> Duration? {
    let begin = now
    while !isDone(self) {
      guard step(until: begin + limit) else { return nil }
    }
    return now - begin
  }
}

extension Cluster {
  private mutating func step(until end: Instant) -> Bool {
    var due: (time: Instant, node: NodeID)?
    for node in roster.nodes {
      guard let host = hosts[node], host.isUp, let deadline = host.engine.nextDeadline else {
        continue
      }
      let time = max(deadline, host.pausedUntil ?? .boot, now)
      if due.map({ time < $0.time }) ?? true { due = (time, node) }
    }
    let next = queue.indices.min {
      (queue[$0].time, queue[$0].order) < (queue[$1].time, queue[$1].order)
    }
    if let next, queue[next].time <= end, due.map({ queue[next].time <= $0.time }) ?? true {
      let entry = queue.remove(at: next)
      now = max(now, entry.time)
      arrive(entry)
      return true
    }
    guard let due, due.time <= end else { return false }
    now = max(now, due.time)
    wake(due.node)
    return true
  }

  private mutating func arrive(_ entry: Entry) {
    guard case .event(let event, let run) = entry.item, let host = hosts[entry.node], host.isUp,
      host.run == run
    else { return }
    if let until = host.pausedUntil, until > now {
      enqueue(event, to: entry.node, run: run, at: until)
      return
    }
    feed(event, to: entry.node)
  }

  private mutating func wake(_ node: NodeID) {
    var effects = EffectQueue<RingEngine.Effect>()
    hosts[node]?.engine.advance(to: now, into: &effects)
    calls += 1
    perform(effects.takeAll(), of: node)
  }

  private mutating func feed(_ event: RingEngine.Event, to node: NodeID) {
    guard hosts[node]?.isUp == true else { return }
    var effects = EffectQueue<RingEngine.Effect>()
    hosts[node]?.engine.handle(event, at: now, into: &effects)
    calls += 1
    perform(effects.takeAll(), of: node)
  }

  private mutating func perform(_ effects: [RingEngine.Effect], of node: NodeID) {
    for effect in effects {
      switch effect {
      case .send, .multicast, .store, .drain: break
      case .deliver, .liveness, .note, .departed: record.append((node, effect))
      }
      switch effect {
      case .send(let packet, let target):
        transmit(packet, from: node, to: target)
      case .multicast(let packet, let targets):
        for target in targets.nodes where target != node {
          transmit(packet, from: node, to: target)
        }
      case .deliver(let delivery): hosts[node]?.deliveries.append(delivery)
      case .store(let bound):
        if !storageFails { hosts[node]?.stored = bound }
        let run = hosts[node]?.run ?? 0
        let answer = storageFails ? RingEngine.Event.notStored : .stored(bound: bound)
        enqueue(answer, to: node, run: run, at: now + storeDelay)
      case .drain: drain(node)
      case .liveness(let liveness): hosts[node]?.liveness.append(liveness)
      case .note(let note): hosts[node]?.notes.append(note)
      case .departed:
        hosts[node]?.hasDeparted = true
        hosts[node]?.isUp = false
      }
    }
  }

  private mutating func drain(_ node: NodeID) {
    let waiting = queue.filter { $0.node == node && $0.time <= now }
      .sorted { ($0.time, $0.order) < ($1.time, $1.order) }
    queue.removeAll { $0.node == node && $0.time <= now }
    for entry in waiting {
      if case .event(let event, _) = entry.item { feed(event, to: node) }
    }
    feed(.drained, to: node)
  }

  private mutating func transmit(_ packet: Packet, from: NodeID, to: NodeID) {
    hosts[from]?.sent.append(packet)
    if let parts, !parts.contains(where: { $0.contains(from) && $0.contains(to) }) { return }
    if loses(from, to, packet) { return }
    if lossPerMille > 0, Int.random(in: 0..<1_000, using: &random) < lossPerMille { return }
    guard let run = hosts[to]?.run else { return }
    var time = now + delay
    if jitter > .zero {
      time += jitter / 1_000 * Int.random(in: 0..<1_000, using: &random)
    }
    enqueue(.received(forges(from, to, packet)), to: to, run: run, at: time)
  }

  private mutating func enqueue(
    _ event: RingEngine.Event,
    to node: NodeID,
    run: Int,
    at time: Instant
  ) {
    order += 1
    queue.append(Entry(time: time, order: order, node: node, item: .event(event, run: run)))
  }
}

// MARK: - What can be seen

extension Cluster {
  /// Whether these members, and nobody else, form one working ring.
  func isRing(_ members: Roster) -> Bool {
    let rings = members.nodes.map { hosts[$0]?.engine.ring }
    return members.nodes.allSatisfy {
      self[$0].engine.phaseName == .operational && self[$0].engine.members == members
    } && rings.allSatisfy { $0 == rings[0] }
  }

  /// The texts delivered at a member.
  func texts(_ node: NodeID) -> [String] {
    messages(node).map { String(decoding: $0.payload, as: UTF8.self) }
  }

  func messages(_ node: NodeID) -> [Delivery.Message] {
    self[node].deliveries.compactMap {
      guard case .message(let message) = $0 else { return nil }
      return message
    }
  }

  /// The deliveries at a member as short words: messages, `T{...}` and `R{...}`.
  func story(_ node: NodeID) -> [String] {
    self[node].deliveries.map {
      switch $0 {
      case .message(let message): String(decoding: message.payload, as: UTF8.self)
      case .transitional(let configuration): "T\(configuration.members)"
      case .regular(let configuration): "R\(configuration.members)"
      }
    }
  }

  /// The tokens of one ring, each once, in the order in which they were passed.
  func tokens(of ring: RingID?) -> [Token] {
    var tokens: [UInt64: Token] = [:]
    for node in roster.nodes {
      for case .token(let token) in hosts[node]?.sent ?? [] where token.ring == ring {
        tokens[token.hop] = token
      }
    }
    return tokens.values.sorted { $0.hop < $1.hop }
  }
}

extension KnownMembers {
  /// What a member with these configured says, as the engines of a ``Cluster`` have it.
  static func of(_ roster: Roster) -> Self {
    Self(roster.nodes.map { MemberMark(of: $0, at: "") })
  }
}
