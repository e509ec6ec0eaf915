// SPDX-License-Identifier: Apache-2.0

import GroupModel
import GroupNode
import Groups
import Machine
import Ring
import RingWire

/// Three group nodes, ring and all, that meet with many groups: a network in memory, each datagram
/// under way for as long as between machines on one switch.
struct NodeMerge {
  /// What a merge took, from the first node that installs the ring to the last group view.
  struct Result {
    /// Of virtual time: rotations of the token, and messages on their way.
    let waiting: Duration
    /// The steps of all three nodes, one after the other; on three machines they overlap.
    let working: Double
  }

  private struct Arrival {
    let time: Instant
    let event: GroupNode.Event
    let host: Int
  }

  private static let hop = Duration.microseconds(50)

  private var nodes: [GroupNode] = []
  private let roster: Roster = ["a", "b", "c"]
  private var now = Instant.boot
  private var arrivals: [Arrival] = []
  private var next = 0
  private var isWhole = false
  private var installed: (at: Instant, seconds: Double)?
  private var views = 0
  private var messages = 0
  private let seconds: () -> Double

  /// `seconds` is the clock that tells what work costs.
  init(groups names: [GroupName], seconds: @escaping () -> Double) {
    self.seconds = seconds
    for (host, node) in roster.nodes.enumerated() {
      let settings = RingEngine.Settings(me: node, configured: roster, timers: .lan)
      nodes.append(
        GroupNode(
          settings: settings,
          process: NodeID("user").name,
          storedSequenceBound: 0,
          random: SplitMix64(seed: UInt64(host)),
          startingAt: now
        )
      )
    }
    for host in nodes.indices { advance(host) }
    // Each alone, they join one after the other.
    run { $0.now - .boot > .seconds(1) }
    for (number, name) in names.enumerated() {
      for host in nodes.indices { feed(.request(.join(name)), to: host) }
      if number % 500 == 499 {
        let until = now + .seconds(1)
        run { $0.now > until }
      }
    }
    run { node in node.nodes.allSatisfy { $0.groups.groupCount == names.count } }
  }

  /// Lets them meet, and waits until each has told its process so many views.
  mutating func merge(groups count: Int) -> Result {
    (isWhole, views) = (true, 0)
    run { $0.views >= 3 * count }
    guard let installed else { preconditionFailure("no ring was installed") }
    return Result(waiting: now - installed.at, working: seconds() - installed.seconds)
  }

  /// Messages of 100 bytes per second of one processor that does the work of all three nodes: from
  /// one node to one group after the other, each with a member at every node.
  mutating func send(_ count: Int, among names: [GroupName]) -> Double {
    let payload = [UInt8](repeating: 7, count: 100)
    var random = SplitMix64(seed: 1)
    let order = (0..<count).map { _ in names[Int.random(in: 0..<names.count, using: &random)] }
    messages = 0
    let start = seconds()
    for (number, name) in order.enumerated() {
      feed(
        .request(.multicast(groups: [name], service: .agreed, tag: 0, payload: payload)),
        to: 0
      )
      if number % 100 == 99 { run { $0.messages >= 3 * (number + 1) } }
    }
    run { $0.messages >= 3 * count }
    return Double(count) / (seconds() - start)
  }

  private mutating func run(until isDone: (Self) -> Bool) {
    let limit = now + .seconds(600)
    while !isDone(self) {
      precondition(now < limit, "nothing comes of it")
      step()
    }
  }

  private mutating func step() {
    let deadlines = nodes.indices.compactMap { host in
      nodes[host].nextDeadline.map { (max($0, now), host) }
    }
    let wake = deadlines.min { $0.0 < $1.0 }
    if next < arrivals.count, wake.map({ arrivals[next].time <= $0.0 }) ?? true {
      let arrival = arrivals[next]
      next += 1
      if next == arrivals.count {
        arrivals.removeAll(keepingCapacity: true)
        next = 0
      }
      now = max(now, arrival.time)
      feed(arrival.event, to: arrival.host)
    } else if let (time, host) = wake {
      now = time
      advance(host)
    }
  }

  private mutating func feed(_ event: GroupNode.Event, to host: Int) {
    var effects = EffectQueue<GroupNode.Effect>()
    nodes[host].handle(event, at: now, into: &effects)
    perform(effects, of: host)
  }

  private mutating func advance(_ host: Int) {
    var effects = EffectQueue<GroupNode.Effect>()
    nodes[host].advance(to: now, into: &effects)
    perform(effects, of: host)
  }

  private mutating func perform(_ queue: EffectQueue<GroupNode.Effect>, of host: Int) {
    for effect in queue.effects {
      switch effect {
      case .send(let packet, let node): send(packet, from: host, to: node)
      case .multicast(let packet, let roster):
        for node in roster.nodes { send(packet, from: host, to: node) }
      case .store(let bound): arrive(.stored(bound: bound), at: host)
      case .drain: arrive(.drained, at: host)
      case .group(.view): views += 1
      case .group(.message): messages += 1
      case .note(.installed(_, let members)):
        if members == roster, installed == nil { installed = (now, seconds()) }
      case .group, .client, .note, .groupsNote: break
      }
    }
  }

  private mutating func send(_ packet: Packet, from host: Int, to node: NodeID) {
    guard isWhole, let target = roster.index(of: node), target != host else { return }
    arrive(.received(packet), at: target)
  }

  private mutating func arrive(_ event: GroupNode.Event, at host: Int) {
    arrivals.append(Arrival(time: now + Self.hop, event: event, host: host))
  }
}
