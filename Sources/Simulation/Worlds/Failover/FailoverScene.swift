// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import Failover
package import FailoverNode
internal import GroupModel
internal import GroupNode
internal import LinkWire
internal import Machine
internal import Ring

/// Whole fail-over daemons, each over a model of its machine's interfaces.
///
/// Adding and removing addresses takes time and may fail; links go down and come back; when a
/// process dies, its guardian removes the addresses soon after.
package struct FailoverScene: Scene {
  package enum Errand: Sendable {
    /// The kernel carries out what the process of this start asked for, and tells it a while later.
    case kernel(Job)
    case told(Job)
    /// Some link goes down or comes back.
    case flap
    /// A process learns of the state of one of its links.
    case link(host: Int, start: Int, interface: Int)
    /// An operator or a health check does something somewhere.
    case operate
    /// It does that to the process of this start.
    case act(host: Int, start: Int, FailoverNodeEngine.Event)
    /// The guardian of a dead process removes its addresses.
    case purge(host: Int, start: Int)
  }

  /// One request to a kernel.
  package struct Job: Sendable {
    let host: Int
    let start: Int
    let vif: Int
    let adds: Bool
    let fails: Bool
  }

  private let cast: Cast
  private let vifs: [VirtualInterface]
  private let ringSettings: RingEngine.Settings
  private var operators: Operators
  /// The members of the view that each host installed last.
  private var members: [[MemberID]]
  private let slowestKernel: Span
  private let flapInterval: Span
  /// Kernel requests in a hundred that fail while trouble lasts.
  private var failures: Int
  package private(set) var checker: HoldingChecker
  private var tally = Counters()
  /// How often each host has started an engine.
  private var starts: [Int]
  private var links: [[LinkState]]
  private var places: [Place<FailoverMachine>?]
  private var isSettled = false

  /// The name of the process that stands for each node in the group: the same everywhere.
  private static let process = GroupName("wackamole").name
  private static let interfaces = ["eth0", "eth1"].compactMap { InterfaceName($0) }

  package init(cast: Cast, climate: Climate, drawing chance: inout Chance) {
    self.cast = cast
    let count = chance.within(1...6)
    vifs = (0..<count).compactMap { Self.vif($0, isWide: chance.happens(percent: 30)) }
    checker = HoldingChecker(cast: cast, vifs: vifs.count)
    var settings = FailoverEngine.Settings(node: cast.node(0), group: "wack1", vifs: vifs)
    let unit = climate.timers.tokenLoss
    settings.mature = unit * chance.within(1...6)
    settings.balanceInterval = unit * chance.within(2...12)
    settings.settle = unit * 3
    settings.moveTimeout = unit * chance.within(2...8)
    settings.acquisitionsPerRound = chance.pick([nil, 1, 2]) ?? nil
    settings.retryAfterFailure = unit * chance.within(2...10)
    // Drawn aside, so that all else in the world of a seed stays what it was.
    var aside = chance
    settings.settlesLater = aside.happens(percent: 50)
    operators = Operators(hosts: cast.count, base: settings, unit: unit, drawing: &chance)
    members = Array(repeating: [], count: cast.count)
    ringSettings = RingEngine.Settings(
      me: cast.node(0),
      configured: cast.roster,
      timers: climate.timers
    )
    slowestKernel = chance.pick([.milliseconds(1), .milliseconds(20), .milliseconds(300)]) ?? .zero
    flapInterval = climate.tokenLoss * (chance.pick([2, 8, 1_000]) ?? 8)
    failures = chance.pick([0, 0, 3, 15]) ?? 0
    starts = Array(repeating: 0, count: cast.count)
    links = Array(
      repeating: Array(repeating: .up, count: Self.interfaces.count),
      count: cast.count
    )
    places = Array(repeating: nil, count: cast.count)
  }

  private static func vif(_ index: Int, isWide: Bool) -> VirtualInterface? {
    let addresses = interfaces.prefix(isWide ? 2 : 1).enumerated().compactMap { place, interface in
      let address = IPv4Address(0x0A00_0064 + UInt32(index) + UInt32(place) << 8)
      return IPPrefix(address: .v4(address), length: 32).map {
        InterfaceAddress(interface: interface, prefix: $0)
      }
    }
    return VirtualInterface(addresses: addresses)
  }

  package var violation: Violation? { checker.violation }
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
  ) -> FailoverMachine {
    let host = boot.host
    // Whoever starts waits for the guardian of the one before, and removes what is left.
    checker.purge(host)
    if starts.allSatisfy({ $0 == 0 }) {
      world.post(.flap, after: flapInterval)
      world.post(.operate, after: operators.interval)
    }
    starts[host] += 1
    tellLinks(of: host, in: &world)
    var ring = ringSettings
    ring.me = cast.node(host)
    let failover = operators.settings(
      of: host,
      node: ring.me,
      start: starts[host],
      isTroubled: world.isTroubled
    )
    var node = FailoverNodeEngine.Settings(failover: failover)
    node.isDrained = world.isTroubled && operators.drained.contains(host)
    return FailoverMachine(
      node: GroupNode(
        settings: ring,
        process: Self.process,
        storedSequenceBound: boot.storedBound,
        random: boot.random,
        startingAt: boot.now
      ),
      failover: node
    )
  }

  package mutating func stop(
    host: Int,
    _ place: Place<FailoverMachine>,
    in world: inout Surroundings<Errand>
  ) {
    places[host] = nil
    checker.detach(host)
    world.post(
      .purge(host: host, start: starts[host]),
      after: world.chance.within(.zero ... .milliseconds(90))
    )
  }

  package func event(_ happening: Happening) -> FailoverMachine.Event {
    switch happening {
    case .received(let packet): .node(.received(packet))
    case .stored(let bound): .node(.stored(bound: bound))
    case .notStored: .node(.notStored)
    case .drained: .node(.drained)
    case .leave: .failover(.leave)
    }
  }

  package mutating func perform(
    _ effect: FailoverMachine.Effect,
    on host: Int,
    in world: inout Surroundings<Errand>
  ) -> Demand? {
    switch effect {
    case .send(let packet, let node): return .send(packet, to: node)
    case .multicast(let packet, let roster): return .multicast(packet, to: roster)
    case .store(let bound): return .store(bound: bound)
    case .drain: return .drain
    case .departed: return .end
    case .saw(let event, let activity): see(event, amid: activity, at: host, in: &world)
    case .acquire(let vif): ask(vif, adds: true, of: host, in: &world)
    case .release(let vif): ask(vif, adds: false, of: host, in: &world)
    case .inject(let frame, _): watch(frame, from: host, in: &world)
    case .answer(let ticket, let answer):
      world.log(host, "answers \(ticket.rawValue): \(answer)")
      if answer == .done { tally.ordersDone += 1 }
    case .keep(let isDrained):
      if isDrained { operators.drained.insert(host) } else { operators.drained.remove(host) }
    case .note(let note): take(note, from: host, in: &world)
    }
    return nil
  }

  package mutating func observe(
    _ place: Place<FailoverMachine>,
    on host: Int,
    in world: inout Surroundings<Errand>
  ) {
    places[host] = place
  }

  private mutating func take(
    _ note: FailoverEngine.Note,
    from host: Int,
    in world: inout Surroundings<Errand>
  ) {
    world.log(host, "\(note)")
    switch note {
    case .merged(_, let sets, _): if sets > 2 { tally.threeSets += 1 }
    case .removed(_, let member, _, _, .released):
      if !members[host].contains(member) { tally.releasersLost += 1 }
    case .refused(_, operation: .acquire, _): tally.refusedByKernel += 1
    default: break  // not ours: only these are counted.
    }
  }

  private mutating func see(
    _ event: GroupEvent,
    amid activity: FailoverEngine.Activity,
    at host: Int,
    in world: inout Surroundings<Errand>
  ) {
    switch event {
    case .view(let view):
      world.log(host, "view \(view.id) \(view.members) with \(view.cameTogether ?? [])")
      if isSettled {
        checker.fail(.eventually, "\(cast.node(host)) installs view \(view.id) after all settled")
      }
      let together = view.cameTogether ?? []
      tally.views += 1
      members[host] = view.members
      if activity.isExchanging { tally.tableExchangesCut += 1 }
      if activity.removals > 0 { tally.movesCut += 1 }
      checker.view(
        view.id,
        at: host,
        together: HostSet(together.compactMap { cast.host($0.node) })
      )
    case .left, .disconnected: checker.detach(host)
    case .liveness(let liveness):
      switch liveness {
      case .stalled:
        tally.stalls += 1
        if activity.removals > 0 { tally.stallsDuringMove += 1 }
      case .resumed: tally.stallsResumed += 1
      case .votedOut: tally.votedOut += 1
      case .rotation: return
      }
      world.log(host, "\(liveness)")
    case .connected, .message, .transitional: break
    }
  }

  private mutating func watch(
    _ bytes: [UInt8],
    from host: Int,
    in world: inout Surroundings<Errand>
  ) {
    guard let frame = try? EthernetFrame(decoding: bytes[...]), frame.kind == .arp,
      let packet = try? ARPPacket(decoding: frame.payload),
      let vif = vifs.firstIndex(where: { vif in
        vif.addresses.contains { $0.prefix.address == .v4(packet.sender) }
      })
    else {
      return checker.fail(.announcement, "\(cast.node(host)) sends a frame that announces nothing")
    }
    world.log(host, "announces VIF \(vif)")
    checker.announce(vif, by: host)
  }

  // MARK: - Kernels

  private mutating func ask(
    _ vif: VirtualInterface,
    adds: Bool,
    of host: Int,
    in world: inout Surroundings<Errand>
  ) {
    guard let index = vifs.firstIndex(where: { $0.id == vif.id }) else {
      return checker.fail(.twoHolders, "\(cast.node(host)) asks for an unknown VIF \(vif.id)")
    }
    world.log(host, "\(adds ? "acquires" : "releases") VIF \(index)")
    if adds { checker.acquire(index, at: host) }
    let fails = world.isTroubled && world.chance.happens(percent: failures)
    if fails { tally.kernelFailures += 1 }
    let job = Job(host: host, start: starts[host], vif: index, adds: adds, fails: fails)
    world.post(.kernel(job), after: world.chance.within(.zero...slowestKernel))
  }

  package mutating func run(
    _ errand: Errand,
    in world: inout Surroundings<Errand>
  ) -> (host: Int, event: FailoverMachine.Event)? {
    switch errand {
    case .kernel(let job):
      guard isCurrent(job.host, job.start, errand, in: &world) else { return nil }
      if job.adds { checker.added(job.vif, at: job.host, done: !job.fails) }
      if !job.adds, !job.fails { checker.removed(job.vif, at: job.host, now: world.now) }
      world.post(.told(job), after: world.chance.within(.zero...slowestKernel / 4))
      return nil
    case .told(let job):
      guard isCurrent(job.host, job.start, errand, in: &world) else { return nil }
      let outcome: FailoverEngine.Outcome = job.fails ? .failed("the kernel says no") : .done
      let vif = vifs[job.vif].id
      return (job.host, .failover(job.adds ? .acquired(vif, outcome) : .released(vif, outcome)))
    case .flap: return flap(in: &world)
    case .operate: return operate(in: &world)
    case .act(let host, let start, let event):
      guard isCurrent(host, start, errand, in: &world) else { return nil }
      if case .command(.reload, _) = event { tellLinks(of: host, in: &world) }
      return (host, .failover(event))
    case .link(let host, let start, let interface):
      guard isCurrent(host, start, errand, in: &world) else { return nil }
      return (host, linkEvent(host, interface))
    case .purge(let host, let start):
      if !world.live.contains(host), starts[host] == start { checker.purge(host) }
      return nil
    }
  }

  /// Whether the process of this start runs; what waits for one that stands still is put off.
  private func isCurrent(
    _ host: Int,
    _ start: Int,
    _ errand: Errand,
    in world: inout Surroundings<Errand>
  ) -> Bool {
    guard world.live.contains(host), starts[host] == start else { return false }
    if !world.awake.contains(host) { world.post(errand, after: .milliseconds(2)) }
    return world.awake.contains(host)
  }

  private mutating func flap(
    in world: inout Surroundings<Errand>
  ) -> (host: Int, event: FailoverMachine.Event)? {
    guard world.isTroubled else { return nil }
    world.post(.flap, after: world.chance.wait(mean: flapInterval))
    guard let host = world.chance.pick(world.awake) else { return nil }
    let interface = world.chance.below(Self.interfaces.count)
    let isUp = links[host][interface] == .up
    links[host][interface] = isUp ? world.chance.pick([.down, .noCarrier]) ?? .down : .up
    tally.linkChanges += 1
    world.log(host, "\(Self.interfaces[interface]) is \(links[host][interface])")
    return (host, linkEvent(host, interface))
  }

  private mutating func operate(
    in world: inout Surroundings<Errand>
  ) -> (host: Int, event: FailoverMachine.Event)? {
    guard world.isTroubled else { return nil }
    world.post(.operate, after: world.chance.wait(mean: operators.interval))
    guard let host = world.chance.pick(world.awake) else { return nil }
    tally.orders += 1
    let doing = operators.doing(
      to: host,
      of: cast,
      start: starts[host],
      drawing: &world.chance
    )
    world.log(host, "is told \(doing)")
    if case .command(.reload, _) = doing { tellLinks(of: host, in: &world) }
    return (host, .failover(doing))
  }

  private func linkEvent(_ host: Int, _ interface: Int) -> FailoverMachine.Event {
    let hardware = MACAddress(0x0200_0000_0000 + UInt64(host * 16 + interface))
    return .failover(.link(Self.interfaces[interface], links[host][interface], hardware))
  }

  private func tellLinks(of host: Int, in world: inout Surroundings<Errand>) {
    for interface in links[host].indices {
      world.post(
        .link(host: host, start: starts[host], interface: interface),
        after: .milliseconds(interface)
      )
    }
  }

  // MARK: - The course

  package mutating func burst(host: Int, in world: inout Surroundings<Errand>) {}

  package mutating func calm(in world: inout Surroundings<Errand>) {
    failures = 0
    for host in links.indices {
      for interface in links[host].indices { links[host][interface] = .up }
      tellLinks(of: host, in: &world)
    }
    operators.drained = HostSet()
    for host in world.live {
      let events = operators.calming(host, node: cast.node(host), start: starts[host])
      for event in events {
        world.post(.act(host: host, start: starts[host], event), after: .milliseconds(3))
      }
    }
  }

  package func isSettled(_ live: HostSet, in world: borrowing Surroundings<Errand>) -> Bool {
    checker.commonView(of: live) != nil
      && live.allSatisfy { places[$0]?.pointer.pointee.isOperational == true }
      && disorder(among: live) == nil
  }

  /// What is not as it must be at rest.
  private func disorder(among live: HostSet) -> String? {
    if checker.isAnyUnderway { return "kernel requests are under way" }
    let eligible = Array(repeating: live, count: vifs.count)
    if let text = checker.uncovered(among: live, eligible: eligible) { return text }
    var tables: [[NodeID?]] = []
    for host in live {
      guard let status = places[host]?.pointer.pointee.status else { return "no engine" }
      guard status.phase == .running else { return "\(cast.node(host)) is \(status.phase)" }
      tables.append(status.vifs.map { $0.holder?.node })
    }
    guard tables.allSatisfy({ $0 == tables[0] }) else { return "the tables differ" }
    for (vif, holder) in zip(vifs.indices, tables.first ?? []) {
      let actual = checker.holders(of: vif).intersection(live).map(cast.node)
      if actual != [holder].compactMap(\.self) {
        return "VIF \(vif) is held by \(actual), in the table by \(String(describing: holder))"
      }
    }
    return nil
  }

  package mutating func settled(_ live: HostSet, in world: inout Surroundings<Errand>) {
    isSettled = true
  }

  package func isFinished(_ live: HostSet) -> Bool {
    !checker.owesAnnouncement && disorder(among: live) == nil
  }

  package mutating func finish(_ live: HostSet, in world: inout Surroundings<Errand>) {
    if checker.owesAnnouncement {
      checker.fail(.announcement, "a VIF that two held at a merge was never announced again")
    }
    if let disorder = disorder(among: live) { checker.fail(.coverage, disorder) }
  }

  package mutating func unsettled(_ live: HostSet, in world: inout Surroundings<Errand>) {
    let views = live.map { "\(cast.node($0)) \(checker.view(of: $0)?.description ?? "none")" }
    if checker.commonView(of: live) == nil {
      checker.fail(.eventually, "no common view: \(views.joined(separator: ", "))")
    } else {
      checker.fail(.coverage, disorder(among: live) ?? "settles again and again")
    }
  }
}
