// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Groups
import Machine
import Worlds

/// Random worlds: first everything happens at once, then the network heals and must settle.
extension GroupWorld {
  static func explore(seed: UInt64, steps: Int = 400) -> GroupWorld {
    var random = SplitMix64(seed: seed &* 31)
    let nodes = Int.random(in: 2...5, using: &random)
    // Chunks of a few groups make exchanges long enough to be cut.
    let chunk = [20, 60, 32 << 10].randomElement(using: &random) ?? 60
    var world = GroupWorld(nodes: nodes, seed: seed) {
      var settings = GroupsEngine.Settings(me: $0)
      settings.chunkLength = chunk
      settings.chunksInFlight = 2
      return settings
    }
    world.repartition()
    for _ in 0..<steps { world.act() }
    world.heal()
    world.judge()
    return world
  }

  private mutating func act() {
    let up = ring.up
    guard let station = up.randomElement(using: &random) else { return restart() }
    switch Int.random(in: 0..<1000, using: &random) {
    case 0..<200: repeatedly { $0.step(station) }
    case 200..<350: repeatedly { $0.ring.give(station) }
    case 350..<500: repeatedly { $0.ring.order(station) }
    case 500..<600: for other in up { repeatedly { $0.advance(other) } }
    case 600..<660: connect(Self.names.randomElement(using: &random) ?? Self.names[0], at: station)
    case 660..<950: use(station)
    case 950..<960: feed(.congested(Bool.random(using: &random)), to: station)
    case 960..<970: settle()
    case 970..<990: repartition()
    case 990..<995: stop(station)
    default: restart()
    }
  }

  /// Does something a few times.
  private mutating func repeatedly(_ action: (inout Self) -> Bool) {
    for _ in 0..<Int.random(in: 1...8, using: &random) where !action(&self) { return }
  }

  /// One message further: from the process into the order, to the daemon, to its processes.
  private mutating func advance(_ station: Int) -> Bool {
    let isOrdered = ring.order(station)
    let isGiven = ring.give(station)
    return step(station) || isGiven || isOrdered
  }

  /// One of a daemon's processes does something.
  private mutating func use(_ station: Int) {
    let present = checker.processes.indices.filter {
      checker.processes[$0].station == station && checker.processes[$0].isHearing
    }
    guard let process = present.randomElement(using: &random) else { return }
    let group = Self.groups.randomElement(using: &random) ?? Self.groups[0]
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<40: join(group, by: process)
    case 40..<55: leave(group, by: process)
    case 55..<95: send(destinations(), service: anyService(), by: process)
    case 95..<98: kill(process)
    default: disconnect(process)
    }
  }

  private mutating func anyService() -> Service {
    Service.allCases.randomElement(using: &random) ?? .agreed
  }

  /// One to three groups and private names, sometimes one of them twice.
  private mutating func destinations() -> [GroupName] {
    var all = Self.groups
    all += checker.processes.suffix(4).compactMap { GroupName(privateNameOf: $0.member) }
    return (0..<Int.random(in: 1...3, using: &random)).map { _ in
      all.randomElement(using: &random) ?? all[0]
    }
  }

  /// New components at random; most changes split or join few of them.
  mutating func repartition() {
    let up = ring.up
    var components: [[Int]] = []
    let count = Int.random(in: 1...3, using: &random)
    var places = [[Int]](repeating: [], count: count)
    for station in up { places[Int.random(in: 0..<count, using: &random)].append(station) }
    for place in places where !place.isEmpty { components.append(place) }
    // Now and then a ring comes about for some of those only that agreed to it.
    var stranded: Set<Int> = []
    if Int.random(in: 0..<4, using: &random) == 0 {
      stranded = Set(up.filter { _ in Int.random(in: 0..<3, using: &random) == 0 })
    }
    ring.reconfigure(components, stranding: stranded)
  }

  private mutating func stop(_ station: Int) {
    crash(station)
    repartition()
  }

  private mutating func restart() {
    guard let station = engines.indices.first(where: { engines[$0] == nil }) else { return }
    start(station)
    repartition()
  }

  /// One ring of all, no faults, and everything said is heard.
  private mutating func heal() {
    for station in engines.indices where engines[station] == nil { start(station) }
    ring.reconfigure([ring.up])
    for station in engines.indices { feed(.congested(false), to: station) }
    settle()
  }

  /// Runs until nothing more happens.
  mutating func settle() {
    var isBusy = true
    while isBusy {
      isBusy = false
      for station in engines.indices {
        while ring.order(station) { isBusy = true }
        while ring.give(station) { isBusy = true }
        while step(station) { isBusy = true }
      }
    }
  }

  /// What must be true once all is quiet: one table, what was asked for, and exact delivery.
  private mutating func judge() {
    let tables = engines.map { engine in
      (engine?.groupNames ?? []).map { name in
        "\(name) \(engine?.group(name).map { "\($0.id) \($0.members)" } ?? "")"
      }
    }
    for (station, engine) in engines.enumerated() {
      if engine?.isSettled != true || engine?.deferredCount != 0 {
        checker.report(.groupsEventually, "\(Self.nodes[station]) does not settle")
      }
      if tables[station] != tables[0] {
        checker.report(.groupsEventually, "tables differ: \(tables[station]) and \(tables[0])")
      }
    }
    for group in Self.groups {
      let wanted = checker.processes.filter { $0.isHearing && $0.wanted.contains(group) }
        .map(\.member).sorted()
      let members = engines[0]?.group(group)?.members ?? []
      if wanted != members {
        checker.report(
          .groupsEventually,
          "\(group) has \(members), but \(wanted) asked to be in it"
        )
      }
      for process in checker.processes where process.isHearing && process.wanted.contains(group) {
        if process.views[group]?.members != members {
          checker.report(.groupsEventually, "\(process.member) does not know \(group) as it is")
        }
      }
    }
    sendToAll()
    checker.compareHistories()
    collectAll()
  }

  private mutating func sendToAll() {
    let senders = checker.processes.indices.filter { checker.processes[$0].isHearing }
    guard let sender = senders.randomElement(using: &random) else { return }
    for (first, second) in zip(Self.groups, Self.groups.dropFirst()) {
      let number = send([first, second], by: sender)
      settle()
      for process in checker.processes where process.isHearing {
        let isMeant = process.wanted.contains(first) || process.wanted.contains(second)
        if isMeant != process.messages.contains(number) {
          checker.report(.groupsEventually, "\(process.member) and message \(number): \(isMeant)")
        }
      }
    }
  }
}
