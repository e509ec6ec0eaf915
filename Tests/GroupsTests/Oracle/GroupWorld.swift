// SPDX-License-Identifier: Apache-2.0

import Bytes
import GroupModel
import Groups
import GroupsWire
import Machine
import Worlds

/// What worlds exercised: the proof that they were not tame.
struct GroupCounters: Equatable {
  var views = 0
  var networkViews = 0
  var signals = 0
  var messages = 0
  var transitionalChanges = 0
  var cuts = 0
  var deferred = 0
  var exchanges = 0
  var departures = 0
  var mergedGroups = 0

  static var all: [(name: String, path: WritableKeyPath<Self, Int>)] {
    [
      ("views", \.views), ("network views", \.networkViews), ("signals", \.signals),
      ("messages", \.messages), ("changes outside settled rings", \.transitionalChanges),
      ("exchanges cut", \.cuts), ("deferred messages", \.deferred), ("exchanges", \.exchanges),
      ("departures only", \.departures), ("views of several sets", \.mergedGroups),
    ]
  }

  mutating func add(_ other: Self) {
    for (_, path) in Self.all { self[keyPath: path] += other[keyPath: path] }
  }
}

/// Daemons with their group layers over an oracle of a ring, and processes that use them.
struct GroupWorld {
  static let nodes: [NodeID] = ["a", "b", "c", "d", "e"]
  static let groups: [GroupName] = ["north", "east", "south", "west"]
  static let names = ["p", "q", "r"].compactMap { InlineName(Array($0.utf8)) }

  var ring: OracleRing
  var engines: [GroupsEngine?]
  /// What each engine lost since it was settled the last time.
  private var losing: [Roster]
  var checker = GroupChecker()
  var counters = GroupCounters()
  var random: SplitMix64
  private let settings: (NodeID) -> GroupsEngine.Settings

  init(
    nodes: Int,
    seed: UInt64,
    settings: @escaping (NodeID) -> GroupsEngine.Settings = { GroupsEngine.Settings(me: $0) }
  ) {
    random = SplitMix64(seed: seed)
    self.settings = settings
    ring = OracleRing(
      nodes: Array(Self.nodes.prefix(nodes)),
      random: SplitMix64(seed: seed ^ 0x5eed)
    )
    engines = Array(repeating: nil, count: nodes)
    losing = Array(repeating: .empty, count: nodes)
    for station in 0..<nodes { start(station) }
  }

  // MARK: - Daemons

  mutating func start(_ station: Int) {
    ring.stations[station].isUp = true
    engines[station] = GroupsEngine(settings: settings(ring.stations[station].node))
    losing[station] = .empty
  }

  mutating func crash(_ station: Int) {
    collect(station)
    ring.crash(station)
    engines[station] = nil
    for index in checker.processes.indices where checker.processes[index].station == station {
      checker.processes[index].isHearing = false
    }
  }

  /// Feeds the next thing in a daemon's inbox to its engine.
  mutating func step(_ station: Int) -> Bool {
    guard engines[station] != nil, !ring.stations[station].inbox.isEmpty else { return false }
    let delivery = ring.stations[station].inbox.removeFirst()
    switch delivery.event {
    case .transitional(let next, let staying):
      let lost = engines[station]?.syncedSet.subtracting(staying) ?? .empty
      losing[station] = losing[station].union(lost)
      let from = RingID(
        sequence: UInt64(truncatingIfNeeded: delivery.ring),
        representative: Self.nodes[0]
      )
      checker.hop(GroupChecker.Hop(from: from, to: next, staying: staying), at: station)
    case .message, .regular: break
    }
    let due = expectedNow(delivery.event, at: station)
    let heard = feed(.ring(delivery.event), to: station)
    if let due, !due.receivers.isEmpty, !heard.contains(due.number) {
      checker.report(.open, "message \(due.number) is lost at \(ring.stations[station].node)")
    }
    if engines[station]?.isSettled == true { losing[station] = .empty }
    return true
  }

  /// The message, if it is one that has to be delivered at once, and who is to get it.
  private func expectedNow(
    _ event: GroupsEngine.RingEvent,
    at station: Int
  ) -> (number: Int, receivers: Set<Int>)? {
    guard engines[station]?.isSettled == true, case .message(let message) = event,
      case .data(let multicast)? = try? GroupsMessage(decoding: message.payload),
      let number = Self.number(multicast.payload)
    else { return nil }
    return (number, checker.expected(multicast.destinations, at: station))
  }

  /// Returns the numbers of the messages that were delivered.
  @discardableResult
  mutating func feed(_ event: GroupsEngine.Event, to station: Int) -> Set<Int> {
    var effects = EffectQueue<GroupsEngine.Effect>()
    engines[station]?.handle(event, at: .boot, into: &effects)
    var heard: Set<Int> = []
    var current: (number: Int, expected: Set<Int>, receivers: Set<Int>)?
    for effect in effects.takeAll() {
      if case .deliver(.message(let message), let process) = effect,
        let index = hearing(process, at: station)
      {
        let number = Self.number(message.payload) ?? -1
        if current?.number != number {
          close(current)
          current = (number, checker.expected(message.groups, at: station), [])
        }
        heard.insert(number)
        current?.receivers.insert(index)
        counters.messages += 1
        checker.message(message, number: number, to: index)
        continue
      }
      close(current)
      current = nil
      perform(effect, at: station)
    }
    close(current)
    return heard
  }

  private mutating func close(_ message: (number: Int, expected: Set<Int>, receivers: Set<Int>)?) {
    guard let message, message.expected != message.receivers else { return }
    checker.report(
      .open,
      "message \(message.number) goes to \(message.receivers), not \(message.expected)"
    )
  }

  private mutating func perform(_ effect: GroupsEngine.Effect, at station: Int) {
    switch effect {
    case .submit(let service, let payload):
      ring.stations[station].waiting.append((service, payload))
    case .note(.brokenState(let node)): losing[station] = losing[station].inserting(node)
    case .note: break
    case .deliver(let notice, let process):
      guard let index = hearing(process, at: station) else {
        return checker.report(.selfInclusion, "\(process.text) hears after its end")
      }
      switch notice {
      case .connected, .message: break
      case .transitional(let group, let ending):
        counters.signals += 1
        checker.signal(group, ending: ending, losing: losing[station], to: index)
      case .view(let view):
        counters.views += 1
        if view.cause == .network {
          counters.networkViews += 1
          if view.virtualSynchronySets.count > 1 { counters.mergedGroups += 1 }
        }
        checker.view(view, to: index)
      case .left(let group): checker.left(group, to: index)
      case .disconnected: checker.processes[index].isHearing = false
      }
    }
  }

  /// Adds up what an engine has counted, before it goes.
  private mutating func collect(_ station: Int) {
    guard let statistics = engines[station]?.statistics else { return }
    counters.transitionalChanges += Int(statistics.transitionalChanges)
    counters.cuts += Int(statistics.exchangesCut)
    counters.deferred += Int(statistics.deferred)
    counters.exchanges += Int(statistics.exchangesCompleted)
    counters.departures += Int(statistics.departuresOnly)
  }

  mutating func collectAll() {
    for station in engines.indices { collect(station) }
  }

  // MARK: - Processes

  /// Connects a process and returns its number.
  mutating func process(_ name: InlineName, at station: Int) -> Int {
    connect(name, at: station)
    return checker.processes.count - 1
  }

  /// The process that a daemon knows by a name and still talks to.
  func hearing(_ process: InlineName, at station: Int) -> Int? {
    checker.processes.lastIndex {
      $0.station == station && $0.member.process == process && $0.isHearing
    }
  }

  mutating func connect(_ process: InlineName, at station: Int) {
    let member = MemberID(node: ring.stations[station].node, process: process)
    var effects = EffectQueue<GroupsEngine.Effect>()
    engines[station]?.handle(.connect(process), at: .boot, into: &effects)
    for effect in effects.takeAll() where effect == .deliver(.connected(member), to: process) {
      _ = checker.add(member, at: station)
    }
  }

  mutating func join(_ group: GroupName, by index: Int) {
    checker.processes[index].wanted.insert(group)
    request(.join(group), by: index)
  }

  mutating func leave(_ group: GroupName, by index: Int) {
    checker.processes[index].wanted.remove(group)
    request(.leave(group), by: index)
  }

  mutating func disconnect(_ index: Int) {
    checker.processes[index].wanted = []
    request(.disconnect, by: index)
  }

  mutating func kill(_ index: Int) {
    checker.processes[index].wanted = []
    checker.processes[index].isHearing = false
    feed(
      .crash(checker.processes[index].member.process),
      to: checker.processes[index].station
    )
  }

  @discardableResult
  mutating func send(_ groups: [GroupName], service: Service = .agreed, by index: Int) -> Int {
    let member = checker.processes[index].member
    // Each has a tag of its own, negative ones too.
    let tag = Int16(truncatingIfNeeded: checker.sent.count * 7_919)
    let number = checker.newMessage(
      GroupChecker.Sent(sender: member, groups: groups, service: service, tag: tag)
    )
    var writer = ByteWriter()
    writer.write(UInt64(number))
    request(
      .multicast(groups: groups, service: service, tag: tag, payload: writer.bytes),
      by: index
    )
    return number
  }

  private mutating func request(_ request: GroupRequest, by index: Int) {
    let process = checker.processes[index]
    feed(.request(request, from: process.member.process), to: process.station)
  }

  private static func number(_ payload: ArraySlice<UInt8>) -> Int? {
    var reader = ByteReader(payload)
    return (try? reader.read(UInt64.self)).map { Int(truncatingIfNeeded: $0) }
  }
}
