// SPDX-License-Identifier: Apache-2.0

internal import GroupModel
internal import Machine
package import Ring
internal import RingWire

/// Ring engines alone, each with a user that submits letters, under all rules of delivery.
package struct RingScene: Scene {
  package enum Errand: Sendable {
    /// The user of a host submits, and again after a while.
    case submit(host: Int)
    /// The user of a host submits once.
    case submitOnce(host: Int)
    /// The operator gives a host another list of members, and again after a while.
    case relist(host: Int)
  }

  let cast: Cast
  private let settings: RingEngine.Settings
  private let traffic: Traffic
  /// Whether hosts have names configured besides, that nobody has, each its own.
  private let hasStrayNames: Bool
  /// What operators have given hosts for good; empty in worlds in which they leave the lists alone.
  private var lists: [Roster]
  package internal(set) var watch: RingWatch
  /// The messages submitted after the world settled.
  private var lastLetters: [Letter] = []

  package init(cast: Cast, climate: Climate, drawing chance: inout Chance) {
    self.cast = cast
    traffic = Traffic(climate: climate, drawing: &chance)
    settings = Self.settings(cast: cast, climate: climate, drawing: &chance)
    watch = RingWatch(cast: cast, naming: .byLetter)
    // Drawn aside, so that all else in the world of a seed stays what it was.
    var aside = chance
    hasStrayNames = aside.happens(percent: 25)
    let areRelisted = aside.happens(percent: 25)
    lists = areRelisted ? Array(repeating: cast.roster, count: cast.count) : []
  }

  /// What a host has configured from this start on.
  private func settings(for boot: Boot) -> RingEngine.Settings {
    let me = cast.node(boot.host)
    if !lists.isEmpty { return settings.with(me, lists[boot.host]) }
    var aside = boot.random
    var chance = Chance(seed: aside.next())
    guard hasStrayNames, chance.happens(percent: 60) else { return settings.with(me, cast.roster) }
    return settings.with(me, cast.roster.union(Self.strays(drawing: &chance)))
  }

  private static func strays(drawing chance: inout Chance) -> Roster {
    let all: [NodeID] = ["x1", "x2", "x3"]
    return Roster(all.filter { _ in chance.happens(percent: 50) })
  }

  /// Gives a host another list: mostly one with names that nobody has, often without another host;
  /// everybody once trouble is over.
  private mutating func relist(_ host: Int, in world: inout Surroundings<Errand>) -> Roster {
    var list = cast.roster
    if world.isTroubled {
      list = list.union(Self.strays(drawing: &world.chance))
      let other = world.chance.below(cast.count)
      if other != host, world.chance.happens(percent: 50) {
        list = list.removing(cast.node(other))
      }
    }
    lists[host] = list
    return list
  }

  /// Draws what the engines of a world have in common.
  static func settings(
    cast: Cast,
    climate: Climate,
    drawing chance: inout Chance
  ) -> RingEngine.Settings {
    var settings = RingEngine.Settings(
      me: cast.node(0),
      configured: cast.roster,
      timers: climate.timers
    )
    settings.accelerated = chance.happens(percent: 70)
    settings.window = chance.pick([8, 60, 256]) ?? 256
    settings.personalWindow = min(settings.window, chance.pick([3, 16, 64]) ?? 64)
    settings.datagramBudget = chance.pick([700, 1_350]) ?? 1_350
    settings.longestMessage = 1 << 17
    return settings
  }

  package var violation: Violation? { watch.violation }
  package var digest: UInt64 { watch.checker.digest }
  package var counters: Counters { watch.counters }

  // MARK: - Engines

  package mutating func start(
    _ boot: Boot,
    in world: inout Surroundings<Errand>
  ) -> RingEngine {
    watch.start(boot)
    world.post(.submit(host: boot.host), after: world.chance.wait(mean: traffic.interval))
    if !lists.isEmpty, world.isTroubled { postRelisting(of: boot.host, in: &world) }
    return RingEngine(
      settings: settings(for: boot),
      storedSequenceBound: boot.storedBound,
      random: boot.random,
      startingAt: boot.now
    )
  }

  package mutating func stop(
    host: Int,
    _ place: Place<RingEngine>,
    in world: inout Surroundings<Errand>
  ) {
    watch.stop(host: host, place.pointer.pointee.statistics)
  }

  package func event(_ happening: Happening) -> RingEngine.Event {
    switch happening {
    case .received(let packet): .received(packet)
    case .stored(let bound): .stored(bound: bound)
    case .notStored: .notStored
    case .drained: .drained
    case .leave: .leave
    }
  }

  package mutating func perform(
    _ effect: RingEngine.Effect,
    on host: Int,
    in world: inout Surroundings<Errand>
  ) -> Demand? {
    switch effect {
    case .send(let packet, let node):
      world.log(host, "-> \(node) \(RingWatch.text(packet))")
      return .send(watch.watch(packet, from: host, in: world), to: node)
    case .multicast(let packet, let roster):
      world.log(host, "-> \(roster) \(RingWatch.text(packet))")
      return .multicast(watch.watch(packet, from: host, in: world), to: roster)
    case .deliver(let delivery):
      watch.deliver(delivery, at: host, in: &world)
      return nil
    case .store(let bound):
      world.log(host, "stores \(bound)")
      return .store(bound: bound)
    case .drain: return .drain
    case .liveness(let liveness):
      if liveness == .resumed { watch.tally.stallsResumed += 1 }
      if case .rotation = liveness { return nil }
      world.log(host, "\(liveness)")
      return nil
    case .note(let note):
      world.log(host, "\(note)")
      watch.hear(note, from: host)
      return nil
    case .departed: return .end
    }
  }

  package mutating func observe(
    _ place: Place<RingEngine>,
    on host: Int,
    in world: inout Surroundings<Errand>
  ) {
    watch.observe(Self.phase(of: &place.pointer.pointee), on: host)
  }

  /// Read where the engine lies: a copy costs much more.
  @inline(never)
  private static func phase(of engine: inout RingEngine) -> RingEngine.PhaseName {
    engine.phaseName
  }
}

// MARK: - The course

extension RingScene {
  package mutating func run(
    _ errand: Errand,
    in world: inout Surroundings<Errand>
  ) -> (host: Int, event: RingEngine.Event)? {
    switch errand {
    case .submit(let host):
      guard world.isTroubled, world.live.contains(host) else { return nil }
      world.post(.submit(host: host), after: world.chance.wait(mean: traffic.interval))
      guard world.awake.contains(host) else { return nil }
      return submit(at: host, in: &world)
    case .submitOnce(let host):
      guard world.awake.contains(host) else { return nil }
      return submit(at: host, in: &world)
    case .relist(let host):
      let list = relist(host, in: &world)
      world.log(host, "is given the list \(list)")
      guard world.live.contains(host) else { return nil }
      if world.isTroubled { postRelisting(of: host, in: &world) }
      // One that stands still hears of it when it is started again, or once trouble is over.
      guard world.awake.contains(host) else { return nil }
      return (host, .reconfigure(settings.with(cast.node(host), list)))
    }
  }

  private func postRelisting(of host: Int, in world: inout Surroundings<Errand>) {
    world.post(.relist(host: host), after: world.chance.wait(mean: world.climate.faultInterval * 4))
  }

  private mutating func submit(
    at host: Int,
    in world: inout Surroundings<Errand>
  ) -> (host: Int, event: RingEngine.Event)? {
    let (service, length) = traffic.draw(&world.chance)
    guard let letter = watch.checker.submit(host: host, service: service, length: length) else {
      return nil
    }
    world.log(host, "submits #\(letter.number) (\(service), \(letter.length) bytes)")
    if !world.isTroubled { lastLetters.append(letter) }
    return (host, .submit(service: service, payload: letter.bytes))
  }

  package mutating func burst(host: Int, in world: inout Surroundings<Errand>) {
    for _ in 0..<world.chance.within(5...60) {
      world.post(.submitOnce(host: host), after: .zero)
    }
  }

  package mutating func calm(in world: inout Surroundings<Errand>) {
    guard !lists.isEmpty else { return }
    for host in 0..<cast.count { world.post(.relist(host: host), after: .zero) }
  }

  package func isSettled(_ live: HostSet, in world: borrowing Surroundings<Errand>) -> Bool {
    watch.isSettled(live)
  }

  package mutating func settled(_ live: HostSet, in world: inout Surroundings<Errand>) {
    watch.settled(live)
    for host in live {
      for _ in 0..<3 {
        world.post(
          .submitOnce(host: host),
          after: world.chance.within(.zero...world.climate.tokenLoss)
        )
      }
    }
  }

  package func isFinished(_ live: HostSet) -> Bool {
    watch.checker.hasDelivered(everythingTo: live)
  }

  package mutating func finish(_ live: HostSet, in world: inout Surroundings<Errand>) {
    watch.checker.checkDelivered(to: live, letters: lastLetters)
  }

  package mutating func unsettled(_ live: HostSet, in world: inout Surroundings<Errand>) {
    watch.unsettled(live)
  }
}

extension RingEngine.Settings {
  /// The same for a member that has these configured.
  fileprivate func with(_ me: NodeID, _ roster: Roster) -> Self {
    var other = Self(me: me, configured: roster, timers: timers)
    other.window = window
    other.personalWindow = personalWindow
    other.accelerated = accelerated
    other.acceleratedWindow = acceleratedWindow
    other.datagramBudget = datagramBudget
    other.longestMessage = longestMessage
    return other
  }
}
