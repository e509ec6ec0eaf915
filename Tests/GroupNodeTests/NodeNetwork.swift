// SPDX-License-Identifier: Apache-2.0

import GroupConformance
import GroupModel
import GroupNode
import Groups
import Machine
import Ring
import RingWire

/// Group nodes on a network that loses nothing but what is cut, in virtual time.
final class NodeNetwork: GroupBackend {
  private struct Arrival {
    let time: Instant
    let event: GroupNode.Event
    let host: Int
  }

  let capabilities: GroupCapabilities = [
    .safe, .transitional, .cameTogether, .openGroups, .privateNames,
  ]
  let roster: Roster
  private(set) var nodes: [GroupNode?] = []
  private(set) var now = Instant.boot
  private var arrivals: [Arrival] = []
  private var part: [Int]
  /// Until when each host sleeps.
  private var awake: [Instant]
  private var told: [[GroupEvent]]
  private(set) var clientsTold: [[GroupsEngine.Notice]]
  /// What a user was told of the loop below, after how many events, and what the ring thought then.
  struct Sign {
    let liveness: Liveness
    let after: Int
    let isTrusted: Bool
  }

  /// What each user was told of the loop below, but for rotations.
  private(set) var livenesses: [[Sign]]
  private var isSubmitting = false
  /// Events that came within a request.
  private var held: [(host: Int, event: GroupEvent)] = []
  private let process: InlineName
  /// What each host's storage holds.
  private var bounds: [UInt64]
  private var starts: UInt64 = 0

  init(hosts: Int = 3, datagram: Int = 1_350) {
    let names: [NodeID] = ["a", "b", "c", "d", "e"]
    roster = Roster(names.prefix(hosts))
    part = Array(repeating: 0, count: hosts)
    awake = Array(repeating: .boot, count: hosts)
    told = Array(repeating: [], count: hosts)
    clientsTold = told.map { _ in [] }
    livenesses = told.map { _ in [] }
    bounds = Array(repeating: 0, count: hosts)
    guard let process = InlineName("user".utf8) else { preconditionFailure("not a name") }
    self.process = process
    nodes = roster.nodes.indices.map { newNode($0) }
    for host in nodes.indices { wake(host) }
    settle()
  }

  private func newNode(_ host: Int) -> GroupNode {
    starts += 1
    return GroupNode(
      settings: RingEngine.Settings(me: roster.nodes[host], configured: roster, timers: .lan),
      process: process,
      storedSequenceBound: bounds[host],
      random: SplitMix64(seed: starts),
      startingAt: now
    )
  }

  // MARK: - Backend

  func submit(_ request: GroupRequest, by user: Int) -> GroupRefusal? {
    guard let node = nodes[user] else { return .disconnected }
    if let refusal = node.refusal(of: request) { return refusal }
    isSubmitting = true
    defer { isSubmitting = false }
    feed(.request(request), to: user)
    return nil
  }

  /// Tells what a request brought about at once, as an adapter does in a later turn of its loop.
  private func tellHeld() {
    for (host, event) in held { told[host].append(event) }
    held.removeAll()
  }

  func events(of user: Int) -> [GroupEvent] { told[user] }

  /// A merge takes announcements, the ring and the groups' exchange: two seconds hold them all.
  func settle() { advance(.seconds(2)) }

  func crash(_ user: Int) { nodes[user] = nil }

  /// Node and user are one process here: it starts anew, and hears only of its new connection.
  func restart(_ user: Int) {
    arrivals.removeAll { arrival in
      if case .received = arrival.event { return false }
      return arrival.host == user
    }
    nodes[user] = newNode(user)
    wake(user)
  }

  func part(_ parts: [[Int]]) {
    for (number, hosts) in parts.enumerated() {
      for host in hosts { part[host] = number }
    }
  }

  // MARK: - Time

  /// The hosts do not run for so long; what reaches them meanwhile waits in their sockets.
  func standStill(_ hosts: [Int], for duration: Duration) {
    for host in hosts { awake[host] = now + duration }
  }

  func advance(_ duration: Duration) {
    let end = now + duration
    tellHeld()
    while step(until: end) {}
    now = end
  }

  private func step(until end: Instant) -> Bool {
    var wakes: (time: Instant, host: Int)?
    for (host, node) in nodes.enumerated() {
      guard let deadline = node?.nextDeadline else { continue }
      let time = max(deadline, now, awake[host])
      if wakes.map({ time < $0.time }) ?? true { wakes = (time, host) }
    }
    // Each is as long under way as all others: but for those who sleep, they are in order of time.
    var next = arrivals.indices.first
    if awake.contains(where: { $0 > now }) {
      next = arrivals.indices.min { due(arrivals[$0]) < due(arrivals[$1]) }
    }
    if let next, due(arrivals[next]) <= min(end, wakes?.time ?? end) {
      let arrival = arrivals.remove(at: next)
      now = max(now, due(arrival))
      feed(arrival.event, to: arrival.host)
      return true
    }
    guard let wakes, wakes.time <= end else { return false }
    now = wakes.time
    wake(wakes.host)
    return true
  }

  private func due(_ arrival: Arrival) -> Instant { max(arrival.time, awake[arrival.host]) }

  func feed(_ event: GroupNode.Event, to host: Int) {
    var effects = EffectQueue<GroupNode.Effect>()
    nodes[host]?.handle(event, at: now, into: &effects)
    perform(effects.takeAll(), of: host)
  }

  private func wake(_ host: Int) {
    var effects = EffectQueue<GroupNode.Effect>()
    nodes[host]?.advance(to: now, into: &effects)
    perform(effects.takeAll(), of: host)
  }

  private func perform(_ effects: [GroupNode.Effect], of host: Int) {
    for effect in effects {
      switch effect {
      case .send(let packet, let node): send(packet, from: host, to: node)
      case .multicast(let packet, let roster):
        for node in roster.nodes { send(packet, from: host, to: node) }
      case .store(let bound):
        bounds[host] = max(bounds[host], bound)
        arrive(.stored(bound: bound), at: host)
      case .drain: arrive(.drained, at: host)
      case .group(.liveness(.rotation)): break
      case .group(.liveness(let liveness)):
        let isTrusted = nodes[host]?.engine.isTrusted ?? false
        livenesses[host].append(
          Sign(liveness: liveness, after: told[host].count, isTrusted: isTrusted)
        )
      case .group(let event):
        if isSubmitting { held.append((host, event)) } else { told[host].append(event) }
      case .client(let notice, _): clientsTold[host].append(notice)
      case .note, .groupsNote: break
      }
    }
  }

  private func send(_ packet: Packet, from host: Int, to node: NodeID) {
    guard let target = roster.index(of: node), target != host, part[target] == part[host] else {
      return
    }
    arrive(.received(packet), at: target)
  }

  private func arrive(_ event: GroupNode.Event, at host: Int) {
    arrivals.append(Arrival(time: now + .microseconds(100), event: event, host: host))
  }
}
