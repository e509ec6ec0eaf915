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
  }

  let cast: Cast
  private let settings: RingEngine.Settings
  private let traffic: Traffic
  /// Whether hosts have names configured besides, that nobody has, each its own.
  private let hasStrayNames: Bool
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
  }

  /// What a host has configured from this start on.
  private func settings(for boot: Boot) -> RingEngine.Settings {
    let me = cast.node(boot.host)
    var aside = boot.random
    var chance = Chance(seed: aside.next())
    guard hasStrayNames, chance.happens(percent: 60) else { return settings.with(me, cast.roster) }
    let strays: [NodeID] = ["x1", "x2", "x3"]
    let some = strays.filter { _ in chance.happens(percent: 50) }
    return settings.with(me, cast.roster.union(Roster(some)))
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
    }
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

  package mutating func calm(in world: inout Surroundings<Errand>) {}

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
