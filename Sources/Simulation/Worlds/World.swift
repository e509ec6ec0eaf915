// SPDX-License-Identifier: Apache-2.0

internal import GroupModel
internal import Machine
internal import RingWire

/// Hosts, a network and trouble under one virtual clock; everything follows from the seed.
///
/// First faults strike, and nothing forbidden may happen. Then everything is mended, and what must
/// come to pass has to, within a bounded time.
package struct World<S: Scene> {
  package internal(set) var scene: S
  package internal(set) var world: Surroundings<S.Errand>
  package internal(set) var counters = Counters()
  var network: Network
  var hosts: [Host<S.Engine>]
  /// Hosts that stay down for good.
  var dead = HostSet()
  /// Hosts whose messages reach nobody.
  var mutes = HostSet()
  /// The mute host whose absence is to be recovered from under trouble.
  var bait: Int?
  private let effects = Effects<S.Engine.Effect>()
  private var stalled: (at: Span, steps: Int) = (.zero, 0)
  /// When the last of the datagrams arrives that were sent under trouble.
  private var lastOfTrouble = Span.zero

  /// Draws a world of so many hosts.
  package init(
    seed: UInt64,
    hosts count: Int,
    keepsTranscript: Bool = false,
    adjusting adjust: (inout Climate) -> Void = { _ in },
    scene make: (Cast, Climate, inout Chance) -> S
  ) {
    var chance = Chance(seed: seed)
    var climate = Climate(hosts: count, drawing: &chance)
    adjust(&climate)
    let cast = Cast(count: count)
    network = Network(hosts: count, climate: climate, drawing: &chance)
    hosts = (0..<count).map { _ in Host(clock: Self.clock(at: .zero, climate, &chance)) }
    scene = make(cast, climate, &chance)
    world = Surroundings(
      cast: cast,
      climate: climate,
      chance: chance,
      bounds: (0..<count).map {
        climate.stateless.contains($0) || climate.storageFailure > 0 ? nil : 0
      },
      transcript: keepsTranscript ? Transcript() : nil
    )
  }

  static func clock(at now: Span, _ climate: Climate, _ chance: inout Chance) -> HostClock {
    HostClock(
      at: now,
      showing: chance.within(.zero ... .seconds(5_000)),
      drift: chance.within(-climate.drift...climate.drift)
    )
  }

  // MARK: - The course of a world

  /// Lets the world run from its beginning to its end.
  package mutating func run() -> Outcome {
    let unit = world.climate.tokenLoss
    world.tell(nil, "\(world.cast.count) hosts, \(world.climate)")
    for host in hosts.indices {
      world.agenda.add(.start(host: host), at: world.chance.within(.zero...unit))
    }
    world.agenda.add(.fault, at: unit + world.chance.wait(mean: world.climate.faultInterval))
    run(until: world.climate.troubled)
    if violation == nil { settle() }
    for host in hosts.indices {
      if let place = hosts[host].place { scene.stop(host: host, place, in: &world) }
    }
    counters.add(scene.counters)
    counters.worlds = 1
    counters.virtualMilliseconds = world.now.nanoseconds / 1_000_000
    if let violation { world.tell(nil, "VIOLATION \(violation)") }
    return Outcome(
      violation: violation,
      counters: counters,
      digest: scene.digest,
      transcript: world.transcript?.lines ?? []
    )
  }

  private var violation: Violation? { scene.violation ?? stuck }
  private var stuck: Violation?

  /// Mends everything and waits for what must come.
  private mutating func settle() {
    let unit = world.climate.tokenLoss
    mendEverything()
    let started = world.now
    let patience = unit * 40 + .seconds(45)
    // What seems settled may be about to change: a token may be lost already, and what was held
    // up under trouble is trouble still.
    var quiet = 0
    while violation == nil, quiet < 10 {
      guard world.now - started < patience else {
        scene.unsettled(world.live, in: &world)
        return
      }
      run(until: world.now + unit / 4)
      quiet = isSettled && world.now >= lastOfTrouble ? quiet + 1 : 0
    }
    guard violation == nil else { return }
    let took = (world.now - started).nanoseconds / 1_000_000
    counters.slowestSettling = max(counters.slowestSettling, took)
    world.tell(nil, "settled after \(world.now - started)")
    scene.settled(world.live, in: &world)
    let settled = world.now
    repeat {
      run(until: world.now + unit * 4)
    } while violation == nil && !scene.isFinished(world.live) && world.now - settled < patience
    if violation == nil { scene.finish(world.live, in: &world) }
  }

  private var isSettled: Bool {
    world.live == world.cast.everyone.subtracting(dead) && scene.isSettled(world.live, in: world)
  }

  private mutating func run(until end: Span) {
    while violation == nil, let time = world.agenda.nextTime, time <= end {
      guard let (at, item) = world.agenda.next() else { break }
      if at > stalled.at { stalled = (at, 0) }
      stalled.steps += 1
      if stalled.steps > 100_000 { stuck = Violation(.progress, "time stands still at \(at)") }
      world.now = at
      counters.steps += 1
      handle(item)
    }
    if violation == nil { world.now = end }
  }

  private mutating func handle(_ item: Item<S.Errand>) {
    switch item {
    case .arrival(let parcel, let from, let to): arrive(parcel, from: from, to: to)
    case .alarm(let host): ring(host)
    case .stored(let host, let ticket): finishWrite(ticket, of: host)
    case .resume(let host, let ticket): resume(host, ticket: ticket)
    case .start(let host): start(host)
    case .fault: strikeByChance()
    case .strike(let fault): if world.isTroubled { strike(fault) }
    case .spring(let host): if world.isTroubled { spring(sparing: host) }
    case .mend(let repair): mend(repair)
    case .errand(let errand):
      if let (host, event) = scene.run(errand, in: &world) { feed(event, to: host) }
    }
  }

  // MARK: - Hosts

  private mutating func start(_ host: Int) {
    guard hosts[host].place == nil, !dead.contains(host) else { return }
    // What a clock stands in for must be above all that was used: clocks agree, and run so fast
    // against ring sequences as they do where restarts are minutes apart.
    let wall = UInt64(1_000_000 + world.now.nanoseconds / 10_000)
    // Storage that is sound is proven by itself; shells start above both (decision 14).
    let mayFail = world.climate.storageFailure > 0
    let boot = Boot(
      host: host,
      storedBound: mayFail ? max(hosts[host].stored ?? 0, wall) : hosts[host].stored ?? wall,
      remembers: hosts[host].remembers && hosts[host].stored != nil && !mayFail,
      random: world.chance.fork(),
      now: hosts[host].clock.instant(at: world.now)
    )
    hosts[host].remembers = true
    hosts[host].writes.removeAll(where: \.isDone)
    world.tell(host, "starts, stored bound \(boot.storedBound)")
    world.live.insert(host)
    world.awake.insert(host)
    hosts[host].condition = .running
    hosts[host].alarm = .never
    hosts[host].place = Place(scene.start(boot, in: &world))
    counters.starts += 1
    advance(host)
  }

  /// Takes a host's engine away.
  mutating func stop(_ host: Int) {
    guard let place = hosts[host].place else { return }
    scene.stop(host: host, place, in: &world)
    world.live.remove(host)
    world.awake.remove(host)
    hosts[host].place = nil
    hosts[host].condition = .down
    hosts[host].buffer = []
    hosts[host].wantsDrain = false
    hosts[host].alarm = .never
  }

  private mutating func arrive(_ parcel: Parcel, from: Int, to: Int) {
    if world.climate.cutsInFlight, !network.reaches(to, from: from) { return }
    switch hosts[to].condition {
    case .down: return
    case .running: feed(scene.event(.received(parcel.packet)), to: to)
    case .still:
      guard hosts[to].buffer.count < Host<S.Engine>.bufferLimit else { return }
      hosts[to].buffer.append(parcel.packet)
    }
  }

  private mutating func ring(_ host: Int) {
    guard hosts[host].alarm == world.now, hosts[host].condition == .running else { return }
    hosts[host].alarm = .never
    guard let deadline = hosts[host].place?.nextDeadline else { return }
    if deadline <= hosts[host].clock.instant(at: world.now) { advance(host) } else { arm(host) }
  }

  private mutating func arm(_ host: Int) {
    guard hosts[host].condition == .running,
      let deadline = hosts[host].place?.nextDeadline
    else { return }
    let due = max(world.now, hosts[host].clock.time(of: deadline))
    guard due < hosts[host].alarm else { return }
    let late = world.chance.within(.zero ... .microseconds(60))
    hosts[host].alarm = due + late
    world.agenda.add(.alarm(host: host), at: due + late)
  }

  /// A host goes on after it stood still: late, with sockets full of old datagrams.
  private mutating func resume(_ host: Int, ticket: Int) {
    guard case .still(ticket, let since, let clockStands) = hosts[host].condition else { return }
    hosts[host].condition = .running
    world.awake.insert(host)
    if clockStands { hosts[host].clock.stand(from: since, to: world.now) }
    world.tell(host, "goes on, \(hosts[host].buffer.count) datagrams wait")
    // Sockets keep the order within each; between them there is none.
    if world.chance.happens(percent: 50) {
      let tokens = hosts[host].buffer.filter { $0.kind == .token }
      let others = hosts[host].buffer.filter { $0.kind != .token }
      hosts[host].buffer = world.chance.happens(percent: 50) ? tokens + others : others + tokens
    }
    hosts[host].buffer.reverse()
    var early = world.chance.happens(percent: 50) ? 0 : world.chance.below(4)
    while early > 0, let packet = hosts[host].buffer.popLast() {
      feed(scene.event(.received(packet)), to: host)
      early -= 1
    }
    // Loops look at what has come in before they look at the time.
    for write in hosts[host].writes where write.isDone { finishWrite(write.ticket, of: host) }
    hosts[host].alarm = .never
    if let deadline = hosts[host].place?.nextDeadline,
      deadline <= hosts[host].clock.instant(at: world.now)
    {
      advance(host)
    }
    while let packet = hosts[host].buffer.popLast() {
      feed(scene.event(.received(packet)), to: host)
    }
    arm(host)
  }

  // MARK: - Engines

  mutating func feed(_ event: S.Engine.Event, to host: Int) {
    let now = hosts[host].clock.instant(at: world.now)
    hosts[host].place?.pointer.pointee.handle(event, at: now, into: &effects.appended)
    perform(host)
  }

  private mutating func advance(_ host: Int) {
    let now = hosts[host].clock.instant(at: world.now)
    hosts[host].place?.pointer.pointee.advance(to: now, into: &effects.appended)
    if !effects.appended.isEmpty { hosts[host].idleCalls = 0 }
    perform(host)
    guard let deadline = hosts[host].place?.nextDeadline, deadline <= now else {
      hosts[host].idleCalls = 0
      return
    }
    hosts[host].idleCalls += 1
    if hosts[host].idleCalls > Self.mostIdleCalls {
      stuck = Violation(.progress, "\(world.cast.node(host)) is called in vain at \(world.now)")
    }
  }

  /// How often in a row an engine may want to be called again at once and then have nothing to say: its
  /// shell would never rest.
  private static var mostIdleCalls: Int { 100 }

  /// Performs what an engine wants, and what follows from draining its sockets.
  private mutating func perform(_ host: Int) {
    while true {
      effects.drain { effect in
        if let demand = scene.perform(effect, on: host, in: &world) { fulfil(demand, of: host) }
      }
      guard hosts[host].place != nil, hosts[host].wantsDrain else { break }
      let now = hosts[host].clock.instant(at: world.now)
      if let packet = hosts[host].buffer.popLast() {
        hosts[host].place?.pointer.pointee.handle(
          scene.event(.received(packet)),
          at: now,
          into: &effects.appended
        )
      } else {
        hosts[host].wantsDrain = false
        counters.drains += 1
        hosts[host].place?.pointer.pointee.handle(
          scene.event(.drained),
          at: now,
          into: &effects.appended
        )
      }
    }
    guard let place = hosts[host].place else { return }
    scene.observe(place, on: host, in: &world)
    arm(host)
  }

  private mutating func fulfil(_ demand: Demand, of host: Int) {
    switch demand {
    case .send(let packet, let node):
      if let to = world.cast.host(node) { transmit(Parcel(packet), from: host, to: to) }
    case .multicast(let packet, let roster):
      let parcel = Parcel(packet)
      for node in roster.nodes {
        if let to = world.cast.host(node), to != host { transmit(parcel, from: host, to: to) }
      }
    case .store(let bound): write(bound, by: host)
    case .drain: hosts[host].wantsDrain = true
    case .end:
      world.tell(host, "has left")
      counters.departures += 1
      stop(host)
      let wait = world.chance.within(.zero...world.climate.tokenLoss * 4)
      world.agenda.add(.start(host: host), at: world.now + wait)
    }
  }

  private mutating func transmit(_ parcel: Parcel, from: Int, to: Int) {
    counters.datagrams += 1
    let kind = parcel.packet.kind
    if kind == .commitToken { aim() }
    if kind == .data,
      mutes.contains(from)
        || !world.isTroubled && world.chance.happens(perMillion: world.climate.calmLoss)
    {
      counters.lost += 1
      return
    }
    repeat {
      let arrival = network.arrival(from: from, to: to, at: world.now, drawing: &world.chance)
      if let arrival {
        if world.isTroubled { lastOfTrouble = max(lastOfTrouble, arrival) }
        world.agenda.add(.arrival(parcel, from: from, to: to), at: arrival)
      } else {
        counters.lost += 1
      }
    } while network.duplicates(drawing: &world.chance)
  }

  /// Lets a fault strike while a ring is being formed, now and then.
  private mutating func aim() {
    guard world.isTroubled else { return }
    if let host = bait, !mutes.contains(host) {
      bait = nil
      let rotation = world.climate.latency * world.cast.count
      world.agenda.add(
        .spring(sparing: host),
        at: world.now + world.chance.within(rotation...rotation * 10)
      )
    }
    guard world.chance.happens(percent: world.climate.aim),
      let fault = drawFault()
    else { return }
    // Commit takes two rotations, Recovery six or more.
    let wait = world.chance.within(.zero...world.climate.latency * world.cast.count * 10)
    world.agenda.add(.strike(fault), at: world.now + wait)
  }
}

/// How a world ended.
package struct Outcome: Sendable {
  package let violation: Violation?
  package let counters: Counters
  package let digest: UInt64
  package let transcript: [String]
}
