// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import GroupModel
internal import GroupNode
internal import Groups
internal import GroupsWire
internal import Machine
internal import Ring

/// Group nodes, each with processes that join, leave, flood, send to several groups and to private
/// names, and end without a word; under the rules of groups and those of the rings below.
package struct GroupScene: Scene {
  package enum Errand: Sendable {
    /// Something happens at a host's processes, and again after a while.
    case act(host: Int)
    /// A process sends at once, and so many more messages.
    case flood(client: Int, left: Int)
    /// A process joins one after the other of many groups of its own, from this one on.
    case gather(client: Int, next: Int)
    /// A process sends once more, when all is at rest.
    case last(client: Int)
  }

  let cast: Cast
  private let ringSettings: RingEngine.Settings
  private let groupSettings: GroupsEngine.Settings
  let habits: Habits
  var watch: RingWatch
  package internal(set) var checker = GroupChecker()
  var tally = Counters()
  /// By host.
  var stations: [Station]
  /// The messages sent when all was at rest, by number.
  var lastMessages: [Int] = []
  /// Processes that have asked to be disconnected.
  var leaving: Set<Int> = []
  /// The rings whose merges have been counted.
  var counted: Set<RingID> = []

  /// What is known of one host's daemon from outside.
  struct Station {
    var place: Place<GroupMachine>?
    /// The processes that the daemon talks to, by name.
    var clients: [InlineName: Int] = [:]
    /// Whom it lost since all daemons of its ring held one table.
    var losing: Roster = .empty
    var isTransitional = false
    /// What the ring has ordered so far, counted.
    var clock = 0
    /// Messages that the ring has ordered and no process has got yet, with their times.
    var pending: [(number: Int, at: Int)] = []
    /// The message that processes are being given.
    var current: (number: Int, expected: Set<Int>, receivers: Set<Int>)?
    /// The groups that the daemons it shares a table with had before a merge.
    var merging: (ring: RingID, own: Roster, groups: Set<GroupName>)?
  }

  package init(cast: Cast, climate: Climate, drawing chance: inout Chance) {
    self.cast = cast
    habits = Habits(climate: climate, drawing: &chance)
    watch = RingWatch(cast: cast, naming: .byOrder)
    ringSettings = RingScene.settings(cast: cast, climate: climate, drawing: &chance)
    var settings = GroupsEngine.Settings(me: cast.node(0))
    settings.chunkLength = chance.pick([40, 200, 32 << 10]) ?? 200
    settings.chunksInFlight = chance.within(1...4)
    settings.heldRequests = chance.pick([8, 64, 4_096]) ?? 64
    // Drawn aside, so that all else in the world of a seed stays what it was.
    var aside = chance
    settings.noticesAtOnce = aside.pick([4, 20, 512]) ?? 512
    groupSettings = settings
    stations = Array(repeating: Station(), count: cast.count)
  }

  package var violation: Violation? { watch.violation ?? checker.violations.first }

  package var digest: UInt64 { watch.checker.digest ^ checker.digest }

  package var counters: Counters {
    var sum = watch.counters
    sum.add(tally)
    return sum
  }

  // MARK: - Engines

  package mutating func start(
    _ boot: Boot,
    in world: inout Surroundings<Errand>
  ) -> GroupMachine {
    watch.start(boot)
    stations[boot.host] = Station()
    var ring = ringSettings
    ring.me = cast.node(boot.host)
    var groups = groupSettings
    groups.me = ring.me
    let node = GroupNode(
      settings: ring,
      groups: groups,
      process: nil,
      storedSequenceBound: boot.storedBound,
      random: boot.random,
      startingAt: boot.now
    )
    world.post(.act(host: boot.host), after: world.chance.wait(mean: habits.interval))
    return GroupMachine(node: node)
  }

  package mutating func stop(
    host: Int,
    _ place: Place<GroupMachine>,
    in world: inout Surroundings<Errand>
  ) {
    let node = place.pointer.pointee.node
    watch.stop(host: host, node.engine.statistics)
    let statistics = node.groups.statistics
    tally.exchanges += Int(statistics.exchangesCompleted)
    tally.exchangesCut += Int(statistics.exchangesCut)
    tally.deferred += Int(statistics.deferred)
    for index in checker.processes.indices where checker.processes[index].station == host {
      checker.processes[index].isHearing = false
    }
    stations[host] = Station()
  }

  package func event(_ happening: Happening) -> GroupMachine.Event {
    switch happening {
    case .received(let packet): .received(packet)
    case .stored(let bound): .stored(bound: bound)
    case .notStored: .notStored
    case .drained: .drained
    // No process of its own is on the node: this is the daemon's own end.
    case .leave: .request(.disconnect)
    }
  }

  package mutating func observe(
    _ place: Place<GroupMachine>,
    on host: Int,
    in world: inout Surroundings<Errand>
  ) {
    closeMessage(at: host)
    stations[host].place = place
    watch.observe(Self.phase(of: &place.pointer.pointee), on: host)
  }

  /// Read where the engine lies: a copy costs much more.
  @inline(never)
  private static func phase(of machine: inout GroupMachine) -> RingEngine.PhaseName {
    machine.phaseName
  }

  package mutating func perform(
    _ effect: GroupMachine.Effect,
    on host: Int,
    in world: inout Surroundings<Errand>
  ) -> Demand? {
    switch effect {
    case .saw(let sighting):
      closeMessage(at: host)
      see(sighting, at: host, in: &world)
      return nil
    case .node(.client(.message(let message), let name)):
      hear(message, as: name, at: host, in: &world)
      return nil
    case .node(let effect):
      closeMessage(at: host)
      return perform(effect, of: host, in: &world)
    }
  }

  private mutating func perform(
    _ effect: GroupNode.Effect,
    of host: Int,
    in world: inout Surroundings<Errand>
  ) -> Demand? {
    switch effect {
    case .send(let packet, let node):
      world.log(host, "-> \(node) \(RingWatch.text(packet))")
      return .send(watch.watch(packet, from: host, in: world), to: node)
    case .multicast(let packet, let roster):
      world.log(host, "-> \(roster) \(RingWatch.text(packet))")
      return .multicast(watch.watch(packet, from: host, in: world), to: roster)
    case .store(let bound): return .store(bound: bound)
    case .drain: return .drain
    case .group(.disconnected): return .end
    case .group(.liveness(let liveness)):
      if liveness == .resumed { tally.stallsResumed += 1 }
      return nil
    case .group(.connected), .group(.message), .group(.transitional), .group(.view), .group(.left):
      watch.report(.integrity, "\(cast.node(host)) talks to a process of its own that is not there")
      return nil
    case .client(let notice, let name):
      hear(notice, as: name, at: host, in: &world)
      return nil
    case .note(let note):
      world.log(host, "\(note)")
      watch.hear(note, from: host)
      return nil
    case .groupsNote(let note):
      world.log(host, "\(note)")
      hear(note, at: host)
      return nil
    }
  }

  /// What passes between the ring and the groups over it.
  private mutating func see(
    _ sighting: GroupNode.Sighting,
    at host: Int,
    in world: inout Surroundings<Errand>
  ) {
    switch sighting {
    case .submitted(let service, let payload):
      watch.submit(host: host, service: service, payload: payload)
    case .ordered(let delivery): watch.deliver(delivery, at: host, in: &world)
    case .handed(let delivery):
      stations[host].clock += 1
      switch delivery {
      case .message(let message): order(message, at: host)
      case .transitional(let change):
        let hop = GroupChecker.Hop(from: change.from, to: change.to, staying: change.members)
        checker.hop(hop, at: host)
        stations[host].isTransitional = true
        stations[host].losing = stations[host].losing.union(
          cast.roster.subtracting(change.members)
        )
      case .regular: stations[host].isTransitional = false
      }
    }
  }

  private mutating func order(_ message: Delivery.Message, at host: Int) {
    guard let content = try? GroupsMessage(decoding: message.payload) else {
      return watch.report(.wire, "\(cast.node(host)) gets what is no message of groups")
    }
    switch content {
    case .data(let multicast):
      guard let number = NumberedPayload.number(multicast.payload) else {
        return watch.report(.integrity, "\(cast.node(host)) gets a message that nobody sent")
      }
      stations[host].pending.append((number, stations[host].clock))
    case .join:
      if stations[host].isTransitional { tally.joinsInTransitional += 1 }
    case .leave, .disconnect, .state: break
    }
  }

  // MARK: - The course

  package mutating func calm(in world: inout Surroundings<Errand>) {}

  package func isSettled(_ live: HostSet, in world: borrowing Surroundings<Errand>) -> Bool {
    watch.isSettled(live) && hasWhatWasAsked && isAnswered(live)
  }

  /// Whether all requests have had their place in the order.
  ///
  /// Who leaves a group and joins it again has what it asked for before either is ordered.
  private func isAnswered(_ live: HostSet) -> Bool {
    live.allSatisfy { stations[$0].place?.pointer.pointee.node.groups.held.requests ?? 0 == 0 }
      && watch.checker.hasDelivered(everythingTo: live)
  }

  package mutating func settled(_ live: HostSet, in world: inout Surroundings<Errand>) {
    watch.settled(live)
    sendLast(in: &world)
  }

  package func isFinished(_ live: HostSet) -> Bool {
    watch.checker.hasDelivered(everythingTo: live) && hasHeardAll
  }

  package mutating func finish(_ live: HostSet, in world: inout Surroundings<Errand>) {
    watch.checker.checkDelivered(to: live, letters: [])
    for host in live { checkPending(at: host, upTo: nil) }
    judge(live)
    checker.compareHistories()
  }

  package mutating func unsettled(_ live: HostSet, in world: inout Surroundings<Errand>) {
    guard watch.isSettled(live) else { return watch.unsettled(live) }
    judge(live)
    checker.report(.groupsEventually, "not all that processes asked for has come true")
  }
}
