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
  private var told: [[GroupEvent]]
  private(set) var clientsTold: [[GroupsEngine.Notice]]
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
    told = Array(repeating: [], count: hosts)
    clientsTold = told.map { _ in [] }
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
      let time = max(deadline, now)
      if wakes.map({ time < $0.time }) ?? true { wakes = (time, host) }
    }
    // Arrivals are in order of time: each is as long under way as all others.
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
      case .group(.liveness): break
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
