// SPDX-License-Identifier: Apache-2.0

internal import Machine

/// Trouble and its end, and storage.
extension World {
  mutating func strikeByChance() {
    guard world.isTroubled else { return }
    if let fault = drawFault() { strike(fault) }
    world.agenda.add(
      .fault,
      at: world.now + world.chance.wait(mean: world.climate.faultInterval)
    )
  }

  mutating func drawFault() -> Fault? {
    let weights = world.climate.weights
    var draw = world.chance.below(weights.reduce(0, +))
    for fault in Fault.allCases {
      if draw < weights[fault.rawValue] { return fault }
      draw -= weights[fault.rawValue]
    }
    return nil
  }

  /// How long a fault lasts: often about a time-out, sometimes much less or more.
  private mutating func duration() -> Span {
    let unit = world.climate.tokenLoss
    return world.chance.happens(percent: 25)
      ? world.chance.within(unit / 50...unit) : world.chance.within(unit...unit * 6)
  }

  mutating func strike(_ fault: Fault) {
    counters.faults += 1
    switch fault {
    case .partition: partition()
    case .shatter: shatter()
    case .isolation: separate(HostSet([anyHost()]), for: duration())
    case .oneWay: cutOneWay()
    case .clog: clog()
    case .storm:
      world.tell(nil, "storm")
      network.loss = world.chance.within(100_000...500_000)
      world.agenda.add(.mend(.storm), at: world.now + duration())
    case .crash: crash(keepsWrites: true)
    case .powerLoss: crash(keepsWrites: false)
    case .stateLoss: loseState()
    case .stall: halt(clockStands: false)
    case .freeze: halt(clockStands: true)
    case .departure: depart()
    case .heal:
      world.tell(nil, "all cuts are mended")
      network.heal()
    case .mute: mute(isBait: false)
    case .ambush: mute(isBait: true)
    case .burst:
      if let host = world.chance.pick(world.awake) { scene.burst(host: host, in: &world) }
    }
  }

  private mutating func anyHost() -> Int { world.chance.below(hosts.count) }

  // MARK: - Network

  private mutating func partition() {
    var parts = [HostSet(), HostSet(), HostSet()]
    let count = world.chance.within(2...3)
    for host in hosts.indices { parts[world.chance.below(count)].insert(host) }
    let lasts = duration()
    for part in parts.dropLast() where !part.isEmpty {
      // Mostly all parts come together again at once.
      separate(part, for: world.chance.happens(percent: 80) ? lasts : duration())
    }
  }

  private mutating func shatter() {
    guard hosts.count >= 3 else { return partition() }
    var parts = [HostSet(), HostSet(), HostSet()]
    var rest = world.cast.everyone
    // None of the parts is empty.
    for place in 0..<hosts.count {
      guard let host = world.chance.pick(rest) else { break }
      rest.remove(host)
      parts[place < parts.count ? place : world.chance.below(parts.count)].insert(host)
    }
    let lasts = world.climate.tokenLoss * 2 + duration()
    for part in parts.dropLast() { separate(part, for: lasts) }
  }

  private mutating func separate(_ part: HostSet, for lasts: Span) {
    world.tell(nil, "\(world.cast.text(part)) cut off for \(lasts)")
    counters.cuts += 1
    network.separate(part, cut: true)
    world.agenda.add(.mend(.join(part)), at: world.now + lasts)
  }

  private mutating func cutOneWay() {
    let (from, to) = (anyHost(), anyHost())
    guard from != to else { return }
    world.tell(from, "does not reach \(world.cast.node(to))")
    network.cut(from: from, to: to)
    world.agenda.add(.mend(.link(from: from, to: to)), at: world.now + duration())
  }

  private mutating func mute(isBait: Bool) {
    guard let host = world.chance.pick(world.awake) else { return }
    if isBait {
      bait = host
      for other in world.awake where other != host { scene.burst(host: other, in: &world) }
    }
    world.tell(host, "sends messages in vain")
    mutes.insert(host)
    scene.burst(host: host, in: &world)
    let rotation = world.climate.latency * world.cast.count
    let lasts = world.chance.within(rotation...rotation * 12)
    world.agenda.add(.mend(.voice(host)), at: world.now + lasts)
  }

  mutating func spring(sparing host: Int) {
    var others = world.awake
    others.remove(host)
    guard let prey = world.chance.pick(others) else { return }
    separate(HostSet([prey]), for: duration())
  }

  private mutating func clog() {
    let to = anyHost()
    let until = world.now + duration() / 2
    let only = world.chance.happens(percent: 50) ? anyHost() : nil
    world.tell(to, "is reached late, until \(until)")
    for from in hosts.indices where only == nil || from == only {
      network.clog(from: from, to: to, until: until)
    }
  }

  mutating func mend(_ repair: Repair) {
    switch repair {
    case .join(let part):
      world.tell(nil, "\(world.cast.text(part)) connected again")
      network.separate(part, cut: false)
    case .link(let from, let to): network.mend(from: from, to: to)
    case .voice(let host):
      mutes.remove(host)
      if world.isTroubled { separate(HostSet([host]), for: duration()) }
    case .storm: network.loss = world.isTroubled ? world.climate.loss : 0
    }
  }

  // MARK: - Hosts

  private mutating func crash(keepsWrites: Bool) {
    guard let host = world.chance.pick(world.live), counters.starts < 100 else { return }
    world.tell(host, keepsWrites ? "crashes" : "loses power")
    counters.crashes += 1
    stop(host)
    for write in hosts[host].writes where keepsWrites && world.chance.happens(percent: 50) {
      keep(write, of: host)
    }
    hosts[host].writes = []
    if !keepsWrites {
      hosts[host].clock = Self.clock(at: world.now, world.climate, &world.chance)
    }
    let isQuick = keepsWrites && world.chance.happens(percent: 40)
    let wait = isQuick ? world.chance.within(.zero...world.climate.tokenLoss / 2) : duration()
    world.agenda.add(.start(host: host), at: world.now + wait)
  }

  private mutating func loseState() {
    guard let host = world.chance.pick(world.live), counters.starts < 100 else { return }
    world.tell(host, "crashes and loses its state")
    counters.crashes += 1
    stop(host)
    hosts[host].writes = []
    hosts[host].stored = nil
    hosts[host].remembers = false
    if world.bounds[host] != nil { world.bounds[host] = 0 }
    world.agenda.add(.start(host: host), at: world.now + duration())
  }

  private mutating func halt(clockStands: Bool) {
    guard let host = world.chance.pick(world.awake) else { return }
    let lasts = duration()
    world.tell(host, "stands still for \(lasts)\(clockStands ? ", its clock too" : "")")
    counters.halts += 1
    let ticket = hosts[host].ticket()
    world.awake.remove(host)
    hosts[host].condition = .still(ticket: ticket, since: world.now, clockStands: clockStands)
    world.agenda.add(.resume(host: host, ticket: ticket), at: world.now + lasts)
  }

  private mutating func depart() {
    guard let host = world.chance.pick(world.awake), counters.starts < 100 else { return }
    world.tell(host, "is to leave")
    feed(scene.event(.leave), to: host)
  }

  // MARK: - Storage

  mutating func write(_ bound: UInt64, by host: Int) {
    let ticket = hosts[host].ticket()
    let isVolatile = world.climate.stateless.contains(host)
    let chance = world.isTroubled && !isVolatile ? world.climate.storageFailure : 0
    let fails = chance > 0 && world.chance.happens(percent: chance)
    hosts[host].writes.append(.init(bound: bound, ticket: ticket, since: world.now, fails: fails))
    let takes =
      isVolatile || !world.isTroubled
      ? .zero : world.chance.within(.zero...world.climate.storage)
    world.agenda.add(.stored(host: host, ticket: ticket), at: world.now + takes)
  }

  mutating func finishWrite(_ ticket: Int, of host: Int) {
    guard let place = hosts[host].writes.firstIndex(where: { $0.ticket == ticket }) else { return }
    let write = hosts[host].writes[place]
    keep(write, of: host)
    guard hosts[host].condition == .running else {
      hosts[host].writes[place].isDone = true
      return
    }
    hosts[host].writes.remove(at: place)
    if write.fails {
      counters.failedWrites += 1
      return feed(scene.event(.notStored), to: host)
    }
    feed(scene.event(.stored(bound: write.bound)), to: host)
  }

  private mutating func keep(_ write: Host<S.Engine>.Write, of host: Int) {
    guard !write.fails, !world.climate.stateless.contains(host) else { return }
    hosts[host].stored = max(hosts[host].stored ?? 0, write.bound)
    if world.bounds[host] != nil { world.bounds[host] = hosts[host].stored }
  }

  // MARK: - The end of trouble

  /// Ends all faults; some hosts stay down for good.
  mutating func mendEverything() {
    world.isTroubled = false
    world.tell(nil, "trouble is over")
    network.heal()
    network.loss = 0
    mutes = HostSet()
    bait = nil
    if world.chance.happens(percent: 25) {
      dead = HostSet(hosts.indices.filter { _ in world.chance.happens(percent: 40) })
      if dead == world.cast.everyone { dead = HostSet() }
    }
    for host in hosts.indices {
      if case .still(let ticket, _, _) = hosts[host].condition {
        world.agenda.add(.resume(host: host, ticket: ticket), at: world.now)
      }
      if dead.contains(host) { stop(host) }
      world.agenda.add(.start(host: host), at: world.now + .milliseconds(1))
    }
    scene.calm(in: &world)
  }
}
