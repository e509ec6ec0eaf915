// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import GroupModel
import Machine
import Ring
import RingWire
import SessionNode
import SessionWire
import Sessions

/// Daemons with clients on a network that loses nothing but what is cut, in virtual time.
final class SessionNetwork {
  /// A client's end of its connection.
  struct Connection {
    let host: Int
    var received: [UInt8] = []
    /// Whether the kernel takes what the daemon writes.
    var isReading = true
    /// What the daemon wrote and the kernel did not take.
    var unread: [[UInt8]] = []
    var isFinished = false
    var isClosed = false
  }

  private struct Arrival {
    let time: Instant
    let event: SessionNode.Event
    let host: Int
  }

  let daemons: [SessionsEngine.Daemon]
  let roster: Roster
  private(set) var nodes: [SessionNode?] = []
  private(set) var now = Instant.boot
  private var arrivals: [Arrival] = []
  private var part: [Int]
  private(set) var connections: [SessionsEngine.ID: Connection] = [:]
  private(set) var notes: [SessionsEngine.Note] = []
  private var opened: UInt64 = 0
  private var settings: [SessionsEngine.Settings] = []
  /// What each host's storage holds.
  private var bounds: [UInt64]
  private var starts: UInt64 = 0

  init(_ names: [NodeID], change: (inout SessionsEngine.Settings) -> Void = { _ in }) {
    daemons = names.enumerated().map { place, node in
      SessionsEngine.Daemon(
        node: node,
        address: .v4(IPv4Address(0x7F00_0001 + UInt32(place)))
      )
    }
    roster = Roster(names)
    part = names.map { _ in 0 }
    bounds = names.map { _ in 0 }
    for (host, node) in names.enumerated() {
      var settings = SessionsEngine.Settings(me: node, daemons: daemons)
      change(&settings)
      self.settings.append(settings)
      nodes.append(newNode(host))
    }
    for host in nodes.indices { wake(host) }
    settle()
  }

  private func newNode(_ host: Int) -> SessionNode {
    starts += 1
    return SessionNode(
      ring: RingEngine.Settings(me: daemons[host].node, configured: roster, timers: .lan),
      sessions: settings[host],
      storedSequenceBound: bounds[host],
      random: SplitMix64(seed: starts),
      startingAt: now
    )
  }

  // MARK: - Clients

  func open(_ host: Int = 0, peer: SessionsEngine.Peer = .user(0)) -> SessionsEngine.ID {
    opened += 1
    let id = SessionsEngine.ID(opened)
    connections[id] = Connection(host: host)
    feed(.session(.opened(id, peer, isAdmitted: true)), to: host)
    return id
  }

  func send(_ bytes: [UInt8], _ id: SessionsEngine.ID) {
    guard let host = connections[id]?.host, connections[id]?.isClosed == false else { return }
    feed(.session(.received(id, bytes)), to: host)
  }

  func end(_ id: SessionsEngine.ID) {
    guard let host = connections[id]?.host, connections[id]?.isClosed == false else { return }
    feed(.session(.ended(id)), to: host)
  }

  func stopReading(_ id: SessionsEngine.ID) { connections[id]?.isReading = false }

  func resumeReading(_ id: SessionsEngine.ID) {
    guard let connection = connections[id] else { return }
    connections[id]?.isReading = true
    connections[id]?.received += connection.unread.flatMap(\.self)
    connections[id]?.unread = []
    if !connection.unread.isEmpty { feed(.session(.flushed(id)), to: connection.host) }
  }

  // MARK: - Daemons

  func crash(_ host: Int) { nodes[host] = nil }

  /// The daemon ends without a word, with its clients' connections, and is started again.
  func restart(_ host: Int) {
    arrivals.removeAll { arrival in
      if case .received = arrival.event { return false }
      return arrival.host == host
    }
    for (id, connection) in connections where connection.host == host {
      connections[id]?.isClosed = true
    }
    nodes[host] = newNode(host)
    wake(host)
  }

  func part(_ parts: [[Int]]) {
    for (number, hosts) in parts.enumerated() {
      for host in hosts { part[host] = number }
    }
  }

  // MARK: - Time

  /// A merge takes announcements, the ring and the groups' exchange: two seconds hold them all.
  func settle() { advance(.seconds(2)) }

  func advance(_ duration: Duration) {
    let end = now + duration
    while step(until: end) {}
    now = end
  }

  private func step(until end: Instant) -> Bool {
    var wakes: (time: Instant, host: Int)?
    for (host, node) in nodes.enumerated() {
      guard let deadline = node?.nextDeadline else { continue }
      let time = max(deadline, now)
      if wakes.map({ time < $0.time }) ?? true { wakes = (time, host) }
    }
    if let next = arrivals.first, next.time <= end, wakes.map({ next.time <= $0.time }) ?? true {
      arrivals.removeFirst()
      now = max(now, next.time)
      feed(next.event, to: next.host)
      return true
    }
    guard let wakes, wakes.time <= end else { return false }
    now = wakes.time
    wake(wakes.host)
    return true
  }

  func feed(_ event: SessionNode.Event, to host: Int) {
    var effects = EffectQueue<SessionNode.Effect>()
    nodes[host]?.handle(event, at: now, into: &effects)
    perform(effects.takeAll(), of: host)
  }

  private func wake(_ host: Int) {
    var effects = EffectQueue<SessionNode.Effect>()
    nodes[host]?.advance(to: now, into: &effects)
    perform(effects.takeAll(), of: host)
  }

  private func perform(_ effects: [SessionNode.Effect], of host: Int) {
    for effect in effects {
      switch effect {
      case .send(let packet, let node): send(packet, from: host, to: node)
      case .multicast(let packet, let roster):
        for node in roster.nodes { send(packet, from: host, to: node) }
      case .store(let bound):
        bounds[host] = max(bounds[host], bound)
        arrive(.stored(bound: bound), at: host)
      case .drain: arrive(.drained, at: host)
      case .session(let effect): perform(effect, of: host)
      case .liveness, .departed, .ringNote, .groupsNote: break
      }
    }
  }

  private func perform(_ effect: SessionsEngine.Effect, of host: Int) {
    switch effect {
    case .ready(let id): feed(.session(.flushed(id)), to: host)
    case .write(let id, let pieces):
      guard connections[id]?.isReading == true else {
        connections[id]?.unread = pieces
        let bytes = pieces.reduce(0) { $0 + $1.count }
        feed(.session(.blocked(id, messages: pieces.count, bytes: bytes)), to: host)
        return
      }
      connections[id]?.received += pieces.flatMap(\.self)
      feed(.session(.flushed(id)), to: host)
    case .finish(let id): connections[id]?.isFinished = true
    case .close(let id): connections[id]?.isClosed = true
    case .note(let note): notes.append(note)
    case .connect, .request, .crash: break
    }
  }

  private func send(_ packet: Packet, from host: Int, to node: NodeID) {
    guard let target = daemons.firstIndex(where: { $0.node == node }), target != host,
      part[target] == part[host]
    else { return }
    arrive(.received(packet), at: target)
  }

  private func arrive(_ event: SessionNode.Event, at host: Int) {
    arrivals.append(Arrival(time: now + .microseconds(100), event: event, host: host))
  }
}

/// A client that speaks the protocol as the libraries do.
struct SessionUser {
  let network: SessionNetwork
  let id: SessionsEngine.ID
  let name: InlineName
  /// What was read of the stream.
  private var read = 0

  /// Connects, and is accepted.
  init(
    _ name: String,
    at host: Int = 0,
    of network: SessionNetwork,
    wantsMembership: Bool = true
  ) throws {
    self.network = network
    id = network.open(host)
    network.send(
      ConnectRequest(wantsMembership: wantsMembership, name: Array(name.utf8)).bytes,
      id
    )
    network.send(MethodChoice(["NULL"]).bytes, id)
    let received = network.connections[id]?.received ?? []
    guard case .complete(.methods, let list) = try MethodList.parse(received[...]),
      case .complete(.accepted(_, let own), let length) = try Acceptance.parse(
        received.dropFirst(list),
        for: .own
      ), let own = InlineName(own)
    else { throw NotAccepted(received: received) }
    self.name = own
    read = list + length
  }

  /// What the daemon said instead of accepting.
  struct NotAccepted: Error {
    let received: [UInt8]
  }

  func say(_ message: ClientMessage) { network.send(message.bytes(from: name), id) }

  func join(_ group: String) { say(.join(InlineName(Array(group.utf8)) ?? .empty)) }

  func leave(_ group: String) { say(.leave(InlineName(Array(group.utf8)) ?? .empty)) }

  func multicast(
    _ text: String,
    to groups: [String],
    service: Service = .agreed,
    options: MessageType = [],
    tag: Int16 = 0
  ) {
    say(
      .multicast(
        SessionMulticast(
          service: service,
          options: options,
          tag: tag,
          groups: groups.map { InlineName(Array($0.utf8)) ?? .empty },
          data: Array(text.utf8)[...]
        )
      )
    )
  }

  var isClosed: Bool { network.connections[id]?.isClosed ?? true }

  /// What came since the last call.
  mutating func take() throws -> [DaemonMessage] {
    var rest = (network.connections[id]?.received ?? []).dropFirst(read)
    var messages: [DaemonMessage] = []
    let limits = MessageFrame.Limits(groups: 10_000, body: 1 << 24)
    while case .complete(let frame, let length) = try MessageFrame.parse(
      rest,
      from: .daemon,
      limits: limits
    ) {
      messages.append(try DaemonMessage(frame))
      rest = rest.dropFirst(length)
      read += length
    }
    return messages
  }
}
