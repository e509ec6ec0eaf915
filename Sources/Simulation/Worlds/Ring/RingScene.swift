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
  package internal(set) var checker: EVSChecker
  var ringChecker: RingChecker
  var tally = Counters()
  private var wireViolation: Violation?
  private var phases: [RingEngine.PhaseName]
  /// The letters that each host is in the midst of sending in parts.
  var parts: [Letter?]
  /// The messages submitted after the world settled.
  private var lastLetters: [Letter] = []
  private var finalRing: RingID?
  var recovering: [RingID] = []

  package init(cast: Cast, climate: Climate, drawing chance: inout Chance) {
    self.cast = cast
    traffic = Traffic(climate: climate, drawing: &chance)
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
    self.settings = settings
    checker = EVSChecker(cast: cast)
    ringChecker = RingChecker(cast: cast)
    phases = Array(repeating: .gather, count: cast.count)
    parts = Array(repeating: nil, count: cast.count)
  }

  package var violation: Violation? {
    checker.violation ?? ringChecker.violation ?? wireViolation
  }

  package var digest: UInt64 { checker.digest }

  package var counters: Counters {
    var sum = tally
    sum.add(checker.counters)
    return sum
  }

  // MARK: - Engines

  package mutating func start(
    _ boot: Boot,
    in world: inout Surroundings<Errand>
  ) -> RingEngine {
    checker.start(host: boot.host, remembers: boot.remembers)
    parts[boot.host] = nil
    phases[boot.host] = .gather
    world.post(.submit(host: boot.host), after: world.chance.wait(mean: traffic.interval))
    var settings = settings
    settings.me = cast.node(boot.host)
    return RingEngine(
      settings: settings,
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
    checker.stop(host: host)
    let statistics = place.pointer.pointee.statistics
    tally.rebroadcasts += Int(statistics.rebroadcasts)
    tally.recoveriesWithHoles += Int(statistics.recoveriesWithHoles)
    tally.stalls += Int(statistics.stalls)
    tally.votedOut += Int(statistics.votedOut)
    tally.tokensRepeated += Int(statistics.tokensRepeated)
    tally.restartsNoticed += Int(statistics.gathered(because: .memberRestarted))
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
      world.log(host, "-> \(node) \(Self.text(packet))")
      return .send(watch(packet, from: host, in: world), to: node)
    case .multicast(let packet, let roster):
      world.log(host, "-> \(roster) \(Self.text(packet))")
      return .multicast(watch(packet, from: host, in: world), to: roster)
    case .deliver(let delivery):
      deliver(delivery, at: host, in: &world)
      return nil
    case .store(let bound):
      world.log(host, "stores \(bound)")
      return .store(bound: bound)
    case .drain: return .drain
    case .liveness(let liveness):
      if liveness == .resumed { tally.stallsResumed += 1 }
      if case .rotation = liveness { return nil }
      world.log(host, "\(liveness)")
      return nil
    case .note(let note):
      hear(note, from: host, in: &world)
      return nil
    case .departed: return .end
    }
  }

  package mutating func observe(
    _ place: Place<RingEngine>,
    on host: Int,
    in world: inout Surroundings<Errand>
  ) {
    phases[host] = Self.phase(of: &place.pointer.pointee)
  }

  /// Read where the engine lies: a copy costs much more.
  @inline(never)
  private static func phase(of engine: inout RingEngine) -> RingEngine.PhaseName {
    engine.phaseName
  }

  private mutating func hear(
    _ note: RingEngine.Note,
    from host: Int,
    in world: inout Surroundings<Errand>
  ) {
    world.log(host, "\(note)")
    switch note {
    case .gathering:
      if phases[host] == .commit { tally.changesDuringCommit += 1 }
      if phases[host] == .recovery { tally.changesDuringRecovery += 1 }
    case .leftOut: tally.leftOut += 1
    case .sequenceNotStored: tally.unstoredSequences += 1
    case .refused:
      checker.withdraw(host: host)
      tally.refused += 1
    case .installed, .excluded, .stalled: break
    }
  }

  private mutating func deliver(
    _ delivery: Delivery,
    at host: Int,
    in world: inout Surroundings<Errand>
  ) {
    switch delivery {
    case .message(let message):
      world.log(host, "delivers \(Self.text(message))")
      checker.deliver(
        at: host,
        Delivered(
          sender: cast.host(message.sender) ?? -1,
          service: message.service,
          ring: message.ring,
          payload: message.payload
        )
      )
    case .transitional(let change):
      world.log(host, "delivers transitional \(change.from) to \(change.to) \(change.members)")
      checker.transitional(at: host, from: change.from, to: change.to, members: change.members)
    case .regular(let next):
      world.log(host, "delivers regular \(next.ring) \(next.members) with \(next.cameTogether)")
      if finalRing != nil {
        report(.eventually, "\(cast.node(host)) delivers \(next.ring) after all was settled")
      }
      ringChecker.install(of: next.ring, on: host, bound: world.bounds[host])
      checker.regular(
        at: host,
        ring: next.ring,
        members: next.members,
        cameTogether: next.cameTogether
      )
    }
  }

  mutating func report(_ rule: Rule, _ text: String) {
    if wireViolation == nil { wireViolation = Violation(rule, text) }
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
    guard let letter = checker.submit(host: host, service: service, length: length) else {
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
    checker.commonRing(of: live) != nil
  }

  package mutating func settled(_ live: HostSet, in world: inout Surroundings<Errand>) {
    finalRing = checker.commonRing(of: live)
    for host in live {
      for _ in 0..<3 {
        world.post(
          .submitOnce(host: host),
          after: world.chance.within(.zero...world.climate.tokenLoss)
        )
      }
    }
  }

  package func isFinished(_ live: HostSet) -> Bool { checker.hasDelivered(everythingTo: live) }

  package mutating func finish(_ live: HostSet, in world: inout Surroundings<Errand>) {
    checker.checkDelivered(to: live, letters: lastLetters)
  }

  package mutating func unsettled(_ live: HostSet, in world: inout Surroundings<Errand>) {
    report(
      .eventually,
      "\(cast.text(live)) have come to no common configuration: \(checker.describeRings(of: live))"
    )
  }
}
