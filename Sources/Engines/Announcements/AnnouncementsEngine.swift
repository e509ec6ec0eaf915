// SPDX-License-Identifier: Apache-2.0

package import Addresses
internal import GroupModel
internal import LinkWire
package import Machine

/// Tells the neighbours which hardware address has a VIF: gratuitous ARP and unsolicited neighbour
/// advertisements, repeated and paced.
///
/// An IPv4 address is announced in the two forms that a Linux neighbour takes at any time, request
/// and reply; an IPv6 address by an advertisement that overrides. What is queued for a VIF never
/// outlives its release.
package struct AnnouncementsEngine: StateMachine {
  private var settings: Settings
  /// What stands and may be announced, in ascending order of VIF.
  private var series: [Series] = []
  private var watch = ConflictWatch()
  /// In ascending order of interface.
  private var hardware: [Hardware] = []
  /// The hardware addresses of all interfaces of this machine.
  private var station: [MACAddress] = []
  private var members = MemberHardware()
  private var known = KnownHosts()
  /// When frames were handed out last.
  private var injectedAt = Instant.boot
  /// Since when frames do not go out; no host is told by itself until they do.
  private var unsentSince: Instant?
  /// When the other members are told; `nil` while there are none.
  private var tellAt: Instant?
  /// Where VIFs are announced, and where they may be; from the settings.
  private var announced = Places()
  private var managed = Places()
  /// The lengths of attached networks; from the settings.
  private var lengths: [InterfaceAddress: Int] = [:]
  /// VIFs with frames to everybody that are due and wait for their turn.
  private var queue: [VIFID] = []
  /// The series whose turn it is to tell a host by itself, when nothing is in the queue.
  private var turn = 0
  /// When a frame may be sent so that the long-run rate holds; earlier by the burst in practice.
  private var paced = Instant.boot

  private struct Hardware: Sendable, Equatable {
    let interface: InterfaceName
    var address: MACAddress
  }

  package init(_ settings: Settings) {
    self.settings = settings
    index()
  }

  /// Prepares what is looked up by each frame.
  private mutating func index() {
    managed = Places(settings.managed)
    lengths = Dictionary(settings.networks.map { ($0.address, $0.length) }) { first, _ in first }
  }

  package var nextDeadline: Instant? {
    var deadlines = series.compactMap(deadline)
    if !queue.isEmpty {
      deadlines.append(sendable)
    } else if unsentSince == nil, let next = series.lazy.compactMap({ $0.telling?.due }).min() {
      deadlines.append(max(next, sendable))
    }
    if let deadline = watch.deadline { deadlines.append(deadline) }
    if let tellAt { deadlines.append(tellAt) }
    return deadlines.min()
  }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch event {
    case .announce(let vif):
      announce(vif, at: now)
    case .cancel(let vif): cancel(vif)
    case .hardware(let interface, let address):
      move(interface, to: address, at: now)
    case .unsent:
      unsentSince = unsentSince ?? injectedAt
      // A message of this node makes the token go round, which is the proof that is missing.
      hasten(to: now)
    case .sendable:
      guard let since = unsentSince else { break }
      unsentSince = nil
      for index in series.indices where series[index].injectedAt >= since {
        enqueue(index)
        series[index].telling = nil
        begin(index)
      }
    case .station(let addresses):
      station = addresses.filter(\.isOneStation)
      hasten(to: now + Self.tellingDelay)
    case .neighbors(let sightings, let interface):
      known.expire(at: now)
      see(Array(sightings.prefix(KnownHosts.most)), on: interface, at: now)
    case .members(let nodes):
      // Who comes, perhaps with other hardware than before, is to be no stranger to those it joins.
      if members.nodes.isEmpty, !nodes.isEmpty, !ownHardware.isEmpty {
        effects.append(.tell(hardware: ownHardware, hosts: []))
      }
      members.nodes = nodes
      tellAt = nodes.isEmpty ? nil : now + Self.tellingDelay
    case .told(let node, let hardware, let hosts):
      members.learn(hardware, of: node)
      watch.forget(hardware: hardware)
      if isLearning { known.see(hosts, here: false, at: now) }
    case .received(let frame, let interface):
      hear(frame, on: interface, at: now, into: &effects)
    case .reconfigure(let settings): reconfigure(settings, at: now)
    }
    advance(to: now, into: &effects)
  }

  private mutating func announce(_ vif: VirtualInterface, at now: Instant) {
    let index = position(of: vif.id)
    if index < series.count, series[index].vif == vif { return series[index].restart(at: now) }
    cancel(vif.id)
    series.insert(Series(vif, at: now), at: index)
    announced.insert(vif)
  }

  private mutating func cancel(_ vif: VIFID) {
    guard let index = index(of: vif) else { return }
    let ended = series.remove(at: index).vif
    watch.forget(ended.addresses.map(\.prefix.address))
    announced.remove(ended)
    queue.removeAll { $0 == vif }
  }

  /// Takes the hardware address of an interface, of which neighbours and members hear at once if they
  /// know another.
  private mutating func move(
    _ interface: InterfaceName,
    to address: MACAddress?,
    at now: Instant
  ) {
    let before = hardware.first { $0.interface == interface }?.address
    hardware.removeAll { $0.interface == interface }
    if let address { hardware.append(Hardware(interface: interface, address: address)) }
    hardware.sort { $0.interface < $1.interface }
    guard before != address, address != nil else { return hasten(to: now + Self.tellingDelay) }
    hasten(to: before == nil ? now + Self.tellingDelay : now)
    for index in series.indices where series[index].uses(interface) {
      let isTelling = series[index].telling != nil
      series[index].telling = nil
      if before != nil { series[index].restart(at: now) } else if isTelling { begin(index) }
    }
  }

  private mutating func reconfigure(_ settings: Settings, at now: Instant) {
    if self.settings.audiences != settings.audiences {
      for index in series.indices { series[index].telling = nil }
    }
    self.settings = settings
    index()
    if !isLearning { known.forgetAll() }
    hasten(to: now + max(settings.sharing, Self.tellingDelay))
    // The longest wait of a slower pace does not hold up a faster one.
    paced = min(paced, now)
    for index in series.indices {
      let past = now - series[index].began
      series[index].step = settings.offsets.firstIndex { $0 > past } ?? settings.offsets.count
    }
  }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    for index in series.indices {
      // Steps that a late loop missed are not made up for.
      var due = false
      let step = series[index].step
      while let deadline = deadline(of: series[index]), deadline <= now {
        series[index].step = min(series[index].step + 1, settings.offsets.count)
        series[index].last = now
        due = true
      }
      guard due else { continue }
      enqueue(index)
      // Once at the beginning and once at the end.
      if step != series[index].step, step == 0 || series[index].step == settings.offsets.count {
        if settings.probes { series[index].probe() }
        begin(index)
      }
    }
    watch.expire(at: now)
    tell(at: now, into: &effects)
    send(at: now, into: &effects)
  }

  private func deadline(of series: Series) -> Instant? {
    guard series.step < settings.offsets.count else {
      return settings.refresh.map { series.last + max($0, Self.shortestRefresh) }
    }
    return series.began + settings.offsets[series.step]
  }

  private static let shortestRefresh = Duration.seconds(1)

  /// Where the series of a VIF is, or would be.
  private func position(of vif: VIFID) -> Int {
    var (low, high) = (0, series.count)
    while low < high {
      let middle = (low + high) / 2
      if series[middle].vif.id < vif { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func index(of vif: VIFID) -> Int? {
    let index = position(of: vif)
    return index < series.count && series[index].vif.id == vif ? index : nil
  }

  // MARK: Conflicts

  /// The addresses that strangers claim, and the hardware address of each, as far as it was told.
  package var conflicts: [(address: IPAddress, hardware: MACAddress)] {
    watch.entries.filter { $0.toldAt != nil }.map { ($0.address, $0.hardware) }
  }

  private mutating func hear(
    _ frame: [UInt8],
    on interface: InterfaceName,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    guard let heard = Heard(frame: frame), !isOurs(heard.sender.hardware) else { return }
    if let vif = vif(of: heard.sender.address, on: interface) {
      suspect(heard.sender, of: vif, at: now, into: &effects)
    } else if vif(of: heard.target, on: interface) != nil {
      see([Sighting(heard.sender, ago: .zero)], on: interface, at: now)
    }
  }

  private mutating func suspect(
    _ claim: Neighbor,
    of vif: VIFID,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    let index = index(of: vif)
    // Until all members have told where they are, one of them may be who speaks.
    guard settings.conflicts != .ignore, index != nil || members.areAllKnown,
      claim.hardware.isOneStation
    else { return }
    let verdict = watch.hear(claim.address, at: claim.hardware, now: now)
    if verdict.isTold { effects.append(.conflict(vif, claim.address, claim.hardware)) }
    if verdict.isDefended, let index, settings.conflicts == .defend { enqueue(index) }
  }

  private func isOurs(_ address: MACAddress) -> Bool {
    hardware.contains { $0.address == address } || station.contains(address)
      || members.have(address)
  }

  /// The VIF that has the address on an interface.
  private func vif(of address: IPAddress, on interface: InterfaceName) -> VIFID? {
    announced.vif(of: address, on: interface) ?? managed.vif(of: address, on: interface)
  }

  // MARK: Known hosts

  /// How long after a change the other members are told of it.
  private static let tellingDelay = Duration.seconds(1)

  private var isLearning: Bool { !settings.audiences.isEmpty }

  private mutating func see(
    _ sightings: [Sighting],
    on interface: InterfaceName,
    at now: Instant
  ) {
    guard isLearning else { return }
    let clients = sightings.filter { sighting in
      let hardware = sighting.neighbor.hardware
      return hardware.isOneStation && !isOurs(hardware)
        && vif(of: sighting.neighbor.address, on: interface) == nil
    }
    known.see(clients, here: true, at: now)
  }

  private mutating func hasten(to instant: Instant) {
    if let at = tellAt, at > instant { tellAt = instant }
  }

  private mutating func tell(at now: Instant, into effects: inout EffectQueue<Effect>) {
    guard let at = tellAt, at <= now else { return }
    tellAt = now + max(settings.sharing, Self.tellingDelay)
    known.expire(at: now)
    effects.append(.tell(hardware: ownHardware, hosts: known.told(at: now)))
  }

  /// The hardware addresses of this machine, those that VIFs use first.
  private var ownHardware: [MACAddress] {
    let own = hardware.map(\.address)
    return own + station.filter { !own.contains($0) }
  }

  // MARK: Sending

  /// Begins to tell the audiences, unless that is still going on.
  private mutating func begin(_ index: Int) {
    guard series[index].telling == nil, !settings.audiences.isEmpty else { return }
    series[index].telling = Telling(of: series[index].vif, to: settings.audiences)
  }

  private mutating func enqueue(_ index: Int) {
    if !series[index].isWaiting { queue.append(series[index].vif.id) }
    series[index].announce()
  }

  /// The time between two frames in the long run.
  private var interval: Duration { .seconds(1) / max(1, settings.framesPerSecond) }

  /// When the next frame may be sent.
  private var sendable: Instant {
    let credit = interval * (max(1, settings.burst) - 1)
    return Instant(sinceBoot: max(.zero, paced.sinceBoot - credit))
  }

  private mutating func send(at now: Instant, into effects: inout EffectQueue<Effect>) {
    var sent = 0
    while sent < queue.count, sendable <= now {
      guard let index = index(of: queue[sent]), let next = series[index].nextFrame() else {
        sent += 1
        continue
      }
      if let frame = frame(next.form, of: next.address) {
        inject(frame, on: next.address.interface, for: index, at: now, into: &effects)
      }
      if !series[index].isWaiting { sent += 1 }
    }
    queue.removeFirst(sent)
    if queue.isEmpty, unsentSince == nil { tellHosts(at: now, into: &effects) }
  }

  private mutating func inject(
    _ frame: [UInt8],
    on interface: InterfaceName,
    for index: Int,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    effects.append(.inject(frame, on: interface))
    series[index].injectedAt = now
    injectedAt = now
    paced = max(paced, now) + interval
  }

  /// How much is done for hosts at a time, so that other events come between.
  private static let mostSteps = 256

  /// Tells one host for each VIF after the other, as far as pace and throttles allow.
  private mutating func tellHosts(at now: Instant, into effects: inout EffectQueue<Effect>) {
    var steps = 0
    // Where it stopped before, so that no VIF waits for the end of another.
    var idle = 0
    let place = surroundings
    while idle < series.count, steps < Self.mostSteps, sendable <= now {
      if turn >= series.count { turn = 0 }
      guard let due = series[turn].telling?.due, due <= now else {
        (turn, idle) = (turn + 1, idle + 1)
        continue
      }
      (idle, steps) = (0, steps + 1)
      guard let next = series[turn].tell(in: place, at: now) else { continue }
      for frame in frames(to: next) {
        inject(frame, on: next.address.interface, for: turn, at: now, into: &effects)
      }
      turn += 1
    }
  }

  private var surroundings: Telling.Surroundings {
    let (hardware, lengths) = (hardware, lengths)
    return Telling.Surroundings(audiences: settings.audiences, known: known) { address in
      guard hardware.contains(where: { $0.interface == address.interface }) else { return nil }
      let usual = address.prefix.address.bitWidth == 32 ? 24 : 64
      let length = lengths[address] ?? min(usual, address.prefix.length)
      return IPPrefix(address: address.prefix.address, length: length)
    }
  }

  /// What tells one host: it is asked for in the name of the address, and then asked for an echo.
  private func frames(to turn: Telling.Turn) -> [[UInt8]] {
    let own = hardware.first { $0.interface == turn.address.interface }?.address
    guard let own else { return [] }
    let address = turn.address.prefix.address
    // Another link may have somebody else of that address.
    let place = turn.host.isLinkLocal ? nil : known.hardware(of: turn.host)
    var frames: [[UInt8]] = []
    switch (turn.host, address) {
    case (.v4(let host), .v4(let address)):
      let question = ARPPacket.request(for: host, from: address, at: own)
      frames.append(question.framed(to: place ?? .broadcast).encoded())
    case (.v6(let host), .v6(let address)):
      let question = NeighborSolicitation(for: host, from: address, at: own)
      frames.append(question.framed(to: place, from: own).encoded())
    case (.v4, .v6), (.v6, .v4): return []
    }
    if turn.ping, let place, let echo = EchoRequest(from: address, to: turn.host) {
      frames.append(echo.framed(to: place, from: own).encoded())
    }
    return frames
  }

  /// The frame as it is sent now; `nil` while the interface has no hardware address.
  private func frame(_ form: Series.Form, of address: InterfaceAddress) -> [UInt8]? {
    let own = hardware.first { $0.interface == address.interface }?.address
    guard let own else { return nil }
    return switch (form, address.prefix.address) {
    case (.request, .v4(let address)):
      ARPPacket.gratuitousRequest(for: address, at: own).framed().encoded()
    case (.reply, .v4(let address)):
      ARPPacket.gratuitousReply(for: address, at: own).framed().encoded()
    case (.advertisement, .v6(let address)):
      NeighborAdvertisement(unsolicitedFor: address, at: own, router: settings.router)
        .framed(from: own).encoded()
    case (.probe, .v4(let address)): ARPPacket.probe(for: address, from: own).framed().encoded()
    case (.probe, .v6(let address)):
      NeighborSolicitation(probing: address).framed(from: own).encoded()
    case (.request, .v6), (.reply, .v6), (.advertisement, .v4): nil
    }
  }
}
