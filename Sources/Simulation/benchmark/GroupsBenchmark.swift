// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import GroupModel
import Groups
import Machine

/// What the group layer costs, without any network below it.
struct GroupsBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "groups",
    abstract: "Joins, messages, memory and merges of process groups."
  )

  @Option(help: "How many groups there are.")
  var groups = 10_000

  @Option(help: "Messages to send for the message rate.")
  var messages = 200_000

  @Flag(help: "Also let three nodes meet, ring and all.")
  var nodes = false

  func run() throws {
    guard groups > 0, messages > 0 else { throw ValidationError("numbers must be above 0") }
    // Memory first: what is freed is not given back at once.
    let bytes = Self.memory(groups)
    let joins = Self.join(groups)
    let rate = Self.send(messages, among: groups)
    let merge = Self.merge(groups)
    print("groups \(groups): \(Int(joins)) joins/s, \(Int(rate)) messages/s,", terminator: " ")
    print("\(bytes) bytes/group, merge of three in \(Int(merge * 1_000_000)) us", terminator: "")
    guard nodes else { return print() }
    var meeting = NodeMerge(groups: Self.names(groups), seconds: processorSeconds)
    let took = meeting.merge(groups: groups)
    print(
      "; from ring view to last group view \(took.waiting) of rotations, "
        + "\(Int(took.working * 1_000)) ms of work of all three, then "
        + "\(Int(meeting.send(messages / 5, among: Self.names(groups)))) messages/s"
    )
  }

  /// Memory of a daemon per group with one member, in bytes.
  private static func memory(_ count: Int) -> Int {
    let names = self.names(count)
    let before = residentBytes()
    var hub = Hub(nodes: ["a"])
    hub.connect(at: 0)
    for name in names {
      hub.request(.join(name), at: 0)
      hub.run()
    }
    hub.forget()
    let bytes = residentBytes() - before
    guard hub.groupCount == count else { preconditionFailure("groups are missing") }
    return bytes / count
  }

  /// Joins per second at a daemon whose process joins one group after the other.
  private static func join(_ count: Int) -> Double {
    let names = self.names(count)
    var hub = Hub(nodes: ["a"])
    hub.connect(at: 0)
    let start = processorSeconds()
    for name in names {
      hub.request(.join(name), at: 0)
      hub.run()
    }
    return Double(count) / (processorSeconds() - start)
  }

  /// Messages per second to single groups with one member, in turn, at the member's daemon.
  private static func send(_ messages: Int, among count: Int) -> Double {
    let names = self.names(count)
    var hub = Hub(nodes: ["a"])
    hub.connect(at: 0)
    for name in names { hub.request(.join(name), at: 0) }
    hub.run()
    hub.forget()
    let payload = [UInt8](repeating: 7, count: 100)
    var random = SplitMix64(seed: 1)
    // In the order of use, as a sender holds the name that it sends to next.
    let order = (0..<messages).map { _ in names[Int.random(in: 0..<count, using: &random)] }
    let start = processorSeconds()
    for name in order {
      hub.request(
        .multicast(groups: [name], service: .agreed, tag: 0, payload: payload),
        at: 0
      )
      hub.run()
    }
    let rate = Double(messages) / (processorSeconds() - start)
    guard hub.heard >= messages else { preconditionFailure("messages were lost") }
    return rate
  }

  /// Seconds from the ring to the last view when three daemons meet that each have a member in
  /// all groups; the work of all three, one after the other.
  private static func merge(_ count: Int) -> Double {
    let names = self.names(count)
    var hub = Hub(nodes: ["a", "b", "c"])
    for station in 0..<3 {
      hub.connect(at: station)
      for name in names { hub.request(.join(name), at: station) }
      hub.run(alone: station)
    }
    hub.forget()
    let start = processorSeconds()
    hub.meet()
    hub.run()
    let time = processorSeconds() - start
    guard hub.heard == 3 * count else { preconditionFailure("\(hub.heard) views of \(count)") }
    return time
  }

  private static func names(_ count: Int) -> [GroupName] {
    (0..<count).compactMap { GroupName(text: "service-\($0)") }
  }

  /// The resident memory of this process; second field of /proc/self/statm (proc(5)).
  private static func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { preconditionFailure("no /proc") }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, CInt(line.count), file) != nil else { preconditionFailure("no statm") }
    let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    let fields = text.split(separator: " ")
    guard fields.count > 1, let pages = Int(fields[1]) else { preconditionFailure("odd statm") }
    return pages * Int(sysconf(CInt(_SC_PAGESIZE)))
  }
}

/// Daemons whose messages reach all of them at once, in the order in which they were submitted.
private struct Hub {
  private var engines: [GroupsEngine]
  private let nodes: [NodeID]
  private var effects = EffectQueue<GroupsEngine.Effect>()
  private var order: [(sender: NodeID, service: Service, payload: [UInt8])] = []
  /// Messages and views that processes heard.
  private(set) var heard = 0
  private let process = NodeID("user").name

  /// Each daemon begins in a ring of its own.
  init(nodes: [NodeID]) {
    self.nodes = nodes
    engines = nodes.map {
      var settings = GroupsEngine.Settings(me: $0)
      settings.heldRequests = .max
      return GroupsEngine(settings: settings)
    }
    for (station, node) in nodes.enumerated() {
      let ring = RingID(sequence: 1, representative: node)
      feed(.ring(.regular(ring: ring, members: [node], cameTogether: [node])), to: station)
    }
  }

  var groupCount: Int { engines[0].groupCount }

  mutating func connect(at station: Int) { feed(.connect(process), to: station) }

  mutating func request(_ request: GroupRequest, at station: Int) {
    feed(.request(request, from: process), to: station)
  }

  /// All daemons form one ring.
  mutating func meet() {
    let ring = RingID(sequence: 2, representative: nodes[0])
    for (station, node) in nodes.enumerated() {
      feed(.ring(.transitional(to: ring, members: [node])), to: station)
      let next = GroupsEngine.RingEvent.regular(
        ring: ring,
        members: Roster(nodes),
        cameTogether: [node]
      )
      feed(.ring(next), to: station)
    }
  }

  /// Delivers until nothing is left, to all or to one.
  mutating func run(alone: Int? = nil) {
    while !order.isEmpty {
      let batch = order
      order.removeAll(keepingCapacity: true)
      for message in batch {
        let ordered = GroupsEngine.OrderedMessage(
          sender: message.sender,
          service: message.service,
          payload: message.payload[...]
        )
        for station in engines.indices where alone == nil || alone == station {
          feed(.ring(.message(ordered)), to: station)
        }
      }
    }
  }

  mutating func forget() {
    heard = 0
    order = []
    effects = EffectQueue()
  }

  private mutating func feed(_ event: GroupsEngine.Event, to station: Int) {
    engines[station].handle(event, at: .boot, into: &effects)
    while engines[station].isBusy { engines[station].advance(to: .boot, into: &effects) }
    for effect in effects.effects {
      switch effect {
      case .submit(let service, let payload):
        order.append((nodes[station], service, payload))
      case .deliver(let notice, _):
        switch notice {
        case .message, .view: heard += 1
        case .connected, .transitional, .left, .disconnected: break
        }
      case .note: break
      }
    }
    effects.drain { _ in }
  }
}
