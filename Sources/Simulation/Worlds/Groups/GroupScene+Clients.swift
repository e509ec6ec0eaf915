// SPDX-License-Identifier: Apache-2.0

internal import GroupModel
internal import GroupNode
internal import Groups
internal import Machine
internal import Ring

// MARK: - What processes are told

extension GroupScene {
  mutating func hear(
    _ notice: GroupsEngine.Notice,
    as name: InlineName,
    at host: Int,
    in world: inout Surroundings<Errand>
  ) {
    world.log(host, "tells \(name.text): \(Self.text(notice))")
    if case .connected(let member) = notice {
      stations[host].clients[name] = checker.add(member, at: host, on: stations[host].clock)
      return
    }
    guard let index = client(name, at: host) else { return }
    switch notice {
    case .connected, .message: break
    case .transitional(let group, let ending):
      tally.signals += 1
      let losing = stations[host].isTransitional ? stations[host].losing : .empty
      checker.signal(group, ending: ending, losing: losing, to: index)
    case .view(let view):
      count(view, at: host, in: world)
      checker.view(view, on: stations[host].clock, to: index)
    case .left(let group): checker.left(group, to: index)
    case .disconnected:
      checker.processes[index].isHearing = false
      stations[host].clients[name] = nil
    }
  }

  /// The process that a daemon talks to under a name; there must be one.
  private mutating func client(_ name: InlineName, at host: Int) -> Int? {
    guard let index = stations[host].clients[name], checker.processes[index].isHearing else {
      checker.report(.selfInclusion, "\(name.text) of \(cast.node(host)) hears after its end")
      return nil
    }
    return index
  }

  private mutating func count(
    _ view: GroupsEngine.View,
    at host: Int,
    in world: borrowing Surroundings<Errand>
  ) {
    tally.groupViewsTold += 1
    guard !checker.knows(view.id) else { return }
    tally.groupViews += 1
    if view.cause == .network { tally.networkViews += 1 }
    if !world.live.isSubset(of: watch.checker.members(at: host)) { tally.viewsApart += 1 }
  }

  mutating func hear(
    _ message: GroupMessage,
    as name: InlineName,
    at host: Int,
    in world: inout Surroundings<Errand>
  ) {
    guard let number = NumberedPayload.number(message.payload) else {
      return checker.report(.open, "\(name.text) of \(cast.node(host)) gets bytes nobody sent")
    }
    if stations[host].current?.number != number {
      closeMessage(at: host)
      checkPending(at: host, upTo: number)
      stations[host].current = (number, checker.expected(message.groups, at: host), [])
    }
    world.log(host, "gives message \(number) to \(name.text)")
    guard let index = client(name, at: host) else { return }
    tally.groupMessages += 1
    if message.groups.contains(where: \.isPrivate) { tally.privateMessages += 1 }
    stations[host].current?.receivers.insert(index)
    checker.message(message, number: number, to: index)
  }

  /// A message went to all whom it was meant for, and to nobody else.
  mutating func closeMessage(at host: Int) {
    guard let message = stations[host].current else { return }
    stations[host].current = nil
    guard message.expected != message.receivers else { return }
    let expected = message.expected.sorted().map { checker.processes[$0].member }
    let receivers = message.receivers.sorted().map { checker.processes[$0].member }
    checker.report(.open, "message \(message.number) goes to \(receivers), not \(expected)")
  }

  /// Looks at the messages that the ring ordered before one that is delivered; `nil` for all.
  ///
  /// Whoever was meant by one of these before it was ordered, and still is, had to get it.
  mutating func checkPending(at host: Int, upTo number: Int?) {
    let pending = stations[host].pending
    let place = number.map { number in pending.firstIndex { $0.number == number } }
    guard place != .some(nil) else {
      return checker.report(
        .oneOrder,
        "message \(number ?? -1) is delivered by \(cast.node(host)) before the ring ordered it, or "
          + "after a later one"
      )
    }
    let passed = (place ?? nil) ?? pending.count
    for (lost, at) in pending[..<passed] {
      for index in checker.expected(checker.sent[lost].groups, at: host).sorted()
      where checker.wasMeant(index, by: lost, before: at) {
        checker.report(
          .open,
          "message \(lost) was ordered at \(cast.node(host)), and is lost to "
            + "\(checker.processes[index].member)"
        )
      }
    }
    stations[host].pending.removeFirst(number == nil ? passed : passed + 1)
  }

  /// What a daemon says of exchanges: merges are counted by what the sets that meet had.
  mutating func hear(_ note: GroupsEngine.Note, at host: Int) {
    switch note {
    case .exchanging(let ring, let own, _):
      var groups: Set<GroupName> = []
      for process in checker.processes
      where process.isHearing && own.contains(process.member.node) {
        groups.formUnion(process.views.keys)
      }
      stations[host].merging = (ring, own, groups)
    case .synced(let ring, _, _):
      stations[host].losing = .empty
      guard counted.insert(ring).inserted else { return }
      var sets: [Roster: Set<GroupName>] = [:]
      for station in stations {
        if let merging = station.merging, merging.ring == ring {
          sets[merging.own] = merging.groups
        }
      }
      let brought = sets.values.filter { !$0.isEmpty }
      guard brought.count > 1 else { return }
      let all = brought.reduce(into: Set<GroupName>()) { $0.formUnion($1) }
      let isDisjoint = brought.reduce(0) { $0 + $1.count } == all.count
      if isDisjoint { tally.mergesDisjoint += 1 } else { tally.mergesOverlapping += 1 }
    case .exchangeCut: stations[host].merging = nil
    case .refused: tally.requestsRefused += 1
    case .unreadable(let node), .brokenState(let node):
      watch.report(.wire, "\(cast.node(host)) finds fault with what \(node) sends: \(note)")
    }
  }

  private static func text(_ notice: GroupsEngine.Notice) -> String {
    switch notice {
    case .view(let view):
      "view \(view.id) of \(view.group), \(view.cause), \(view.members) in sets "
        + "\(view.virtualSynchronySets)"
    case .connected, .message, .transitional, .left, .disconnected: "\(notice)"
    }
  }
}

// MARK: - What processes do

extension GroupScene {
  package mutating func run(
    _ errand: Errand,
    in world: inout Surroundings<Errand>
  ) -> (host: Int, event: GroupMachine.Event)? {
    switch errand {
    case .act(let host):
      guard world.isTroubled, world.live.contains(host) else { return nil }
      world.post(.act(host: host), after: world.chance.wait(mean: habits.interval))
      guard world.awake.contains(host) else { return nil }
      return act(at: host, in: &world)
    case .flood(let client, let left):
      guard world.isTroubled, isActive(client, in: world) else { return nil }
      if left > 0 { world.post(.flood(client: client, left: left - 1), after: .zero) }
      return send(by: client, in: &world)
    case .gather(let client, let next):
      guard world.isTroubled, isActive(client, in: world) else { return nil }
      if next < habits.own { world.post(.gather(client: client, next: next + 1), after: .zero) }
      guard let group = GroupName(text: "own\(client)-\(next)") else { return nil }
      return join(group, by: client, in: &world)
    case .last(let client):
      guard isActive(client, in: world) else { return nil }
      let event = send(by: client, in: &world)
      if event != nil { lastMessages.append(checker.sent.count - 1) }
      return event
    }
  }

  package mutating func burst(host: Int, in world: inout Surroundings<Errand>) {
    guard let client = anyClient(of: host, in: &world) else { return }
    world.post(.flood(client: client, left: world.chance.within(5...60)), after: .zero)
  }

  /// Some processes speak for the last time, when all is at rest.
  mutating func sendLast(in world: inout Surroundings<Errand>) {
    for client in checker.processes.indices where isActive(client, in: world) {
      world.post(.last(client: client), after: world.chance.within(.zero...world.climate.tokenLoss))
    }
  }

  private func isActive(_ client: Int, in world: borrowing Surroundings<Errand>) -> Bool {
    let process = checker.processes[client]
    return process.isHearing && !leaving.contains(client) && world.awake.contains(process.station)
  }

  private func anyClient(of host: Int, in world: inout Surroundings<Errand>) -> Int? {
    var active: [Int] = []
    for name in Habits.names {
      if let client = stations[host].clients[name], isActive(client, in: world) {
        active.append(client)
      }
    }
    return world.chance.pick(active)
  }

  private mutating func act(
    at host: Int,
    in world: inout Surroundings<Errand>
  ) -> (host: Int, event: GroupMachine.Event)? {
    let deed = habits.draw(&world.chance)
    let free = Habits.names.prefix(habits.clients).filter { stations[host].clients[$0] == nil }
    guard let client = anyClient(of: host, in: &world), deed != .connect else {
      guard let name = world.chance.pick(Array(free)) else { return nil }
      world.log(host, "\(name.text) connects")
      return (host, .connect(name))
    }
    let name = checker.processes[client].member.process
    switch deed {
    case .connect: return nil
    case .join:
      guard let group = world.chance.pick(habits.groups) else { return nil }
      return join(group, by: client, in: &world)
    case .leave:
      let joined = checker.processes[client].wanted.sorted()
      guard let group = world.chance.pick(joined.isEmpty ? habits.groups : joined) else {
        return nil
      }
      return ask(.leave(group), by: client, in: &world)
    case .send: return send(by: client, in: &world)
    case .flood:
      world.post(.flood(client: client, left: world.chance.within(10...80)), after: .zero)
      return nil
    case .gather:
      world.post(.gather(client: client, next: 0), after: .zero)
      return nil
    case .disconnect:
      leaving.insert(client)
      checker.processes[client].wanted = []
      world.log(host, "\(name.text) disconnects")
      return (host, .client(name, .disconnect))
    case .crash:
      tally.clientCrashes += 1
      checker.processes[client].wanted = []
      checker.processes[client].isHearing = false
      stations[host].clients[name] = nil
      world.log(host, "\(name.text) crashes")
      return (host, .crash(name))
    }
  }

  private mutating func join(
    _ group: GroupName,
    by client: Int,
    in world: inout Surroundings<Errand>
  ) -> (host: Int, event: GroupMachine.Event)? {
    ask(.join(group), by: client, in: &world)
  }

  /// Sends to one to three groups and private names, sometimes to one of them twice.
  private mutating func send(
    by client: Int,
    in world: inout Surroundings<Errand>
  ) -> (host: Int, event: GroupMachine.Event)? {
    var destinations: [GroupName] = []
    for _ in 0..<(world.chance.happens(percent: 60) ? 1 : world.chance.within(2...3)) {
      let isPrivate = world.chance.happens(percent: 20)
      let target = world.chance.below(checker.processes.count)
      let name =
        isPrivate
        ? GroupName(privateNameOf: checker.processes[target].member)
        : world.chance.pick(habits.groups)
      if let name { destinations.append(name) }
    }
    let (service, length) = habits.traffic.draw(&world.chance)
    let number = checker.sent.count
    let tag = Int16(truncatingIfNeeded: number)
    let request = GroupRequest.multicast(
      groups: destinations,
      service: service,
      tag: tag,
      payload: NumberedPayload.bytes(number, length: length)
    )
    guard let event = ask(request, by: client, in: &world) else { return nil }
    _ = checker.newMessage(
      GroupChecker.Sent(
        sender: checker.processes[client].member,
        groups: destinations,
        service: service,
        tag: tag
      )
    )
    return event
  }

  /// A request, unless the daemon would refuse it; then it has no effect at all.
  private mutating func ask(
    _ request: GroupRequest,
    by client: Int,
    in world: inout Surroundings<Errand>
  ) -> (host: Int, event: GroupMachine.Event)? {
    let process = checker.processes[client]
    let (host, name) = (process.station, process.member.process)
    guard let place = stations[host].place else { return nil }
    if Self.refusal(of: request, from: name, by: &place.pointer.pointee) != nil {
      tally.requestsRefused += 1
      return nil
    }
    switch request {
    case .join(let group): checker.processes[client].wanted.insert(group)
    case .leave(let group): checker.processes[client].wanted.remove(group)
    case .multicast, .disconnect: break
    }
    world.log(host, "\(name.text) asks: \(Self.text(request, number: checker.sent.count))")
    return (host, .client(name, request))
  }

  /// Asked where the engine lies: a copy costs much more.
  @inline(never)
  private static func refusal(
    of request: GroupRequest,
    from name: InlineName,
    by machine: inout GroupMachine
  ) -> GroupRefusal? {
    machine.refusal(of: request, from: name)
  }

  private static func text(_ request: GroupRequest, number: Int) -> String {
    switch request {
    case .multicast(let groups, let service, _, let payload):
      "message \(number) to \(groups) (\(service), \(payload.count) bytes)"
    case .join, .leave, .disconnect: "\(request)"
    }
  }
}

// MARK: - The end

extension GroupScene {
  /// Whether each process is in the groups it asked to be in, and no others.
  ///
  /// Before that, what is still on its way decides who gets a message.
  var hasWhatWasAsked: Bool {
    checker.processes.allSatisfy { !$0.isHearing || Set($0.views.keys) == $0.wanted }
      && leaving.allSatisfy { !checker.processes[$0].isHearing }
  }

  /// Whether all who are meant have got the last messages.
  var hasHeardAll: Bool {
    lastMessages.allSatisfy { number in
      checker.processes.allSatisfy {
        !isMeant($0, by: number) || $0.messages.contains(number)
      }
    }
  }

  private func isMeant(_ process: ProcessHistory, by number: Int) -> Bool {
    process.isHearing
      && checker.sent[number].groups.contains {
        process.wanted.contains($0) || $0.member == process.member
      }
  }

  /// What must be true once all is quiet: one table, what was asked for, and exact delivery.
  mutating func judge(_ live: HostSet) {
    var first: [String]?
    for host in live {
      guard let groups = stations[host].place?.pointer.pointee.node.groups else { continue }
      if !groups.isSettled || groups.deferredCount != 0 {
        checker.report(.groupsEventually, "\(cast.node(host)) does not settle")
      }
      let table = groups.groupNames.map { name in
        "\(name) \(groups.group(name).map { "\($0.id) \($0.members)" } ?? "")"
      }
      if table != first ?? table {
        checker.report(
          .groupsEventually,
          "tables differ: \(cast.node(host)) has \(table), another has \(first ?? [])"
        )
      }
      first = first ?? table
    }
    judgeMembership(of: stations[live.first { _ in true } ?? 0].place)
    for number in lastMessages {
      for process in checker.processes where process.isHearing {
        if isMeant(process, by: number) != process.messages.contains(number) {
          checker.report(
            .groupsEventually,
            "\(process.member) and message \(number): \(isMeant(process, by: number))"
          )
        }
      }
    }
  }

  private mutating func judgeMembership(of place: Place<GroupMachine>?) {
    guard let groups = place?.pointer.pointee.node.groups else { return }
    var wanted: [GroupName: [MemberID]] = [:]
    for process in checker.processes where process.isHearing {
      for group in process.wanted { wanted[group, default: []].append(process.member) }
    }
    for group in Set(groups.groupNames).union(wanted.keys).sorted() {
      let members = groups.group(group)?.members ?? []
      if wanted[group, default: []].sorted() != members {
        checker.report(
          .groupsEventually,
          "\(group) has \(members), but \(wanted[group] ?? []) asked to be in it"
        )
      }
      for process in checker.processes where process.isHearing && process.wanted.contains(group) {
        if process.views[group]?.members != members {
          checker.report(.groupsEventually, "\(process.member) does not know \(group) as it is")
        }
      }
    }
  }
}
