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
  /// What is due and waits for its turn; at most one entry per address and form.
  private var queue: [Queued] = []
  /// Hosts that are told each by itself, when nothing is in the queue.
  private var rounds: [Round] = []
  /// The round whose turn it is.
  private var turn = 0
  /// When a frame may be sent so that the long-run rate holds; earlier by the burst in practice.
  private var paced = Instant.boot

  /// The announcements of one VIF.
  private struct Series: Sendable, Equatable {
    let vif: VirtualInterface
    let began: Instant
    /// The next offset of the settings.
    var step = 0
    /// When it was announced last.
    var last: Instant
    /// When a frame of it was handed out last.
    var injectedAt = Instant.boot
  }

  private struct Hardware: Sendable, Equatable {
    let interface: InterfaceName
    var address: MACAddress
  }

  private struct Queued: Sendable, Equatable {
    let vif: VIFID
    let address: InterfaceAddress
    let form: Form
  }

  /// One kind of frame.
  private enum Form: Sendable, Equatable {
    case request
    case reply
    case advertisement
    /// Asks whether somebody else has the address.
    case probe
  }

  package init(_ settings: Settings) { self.settings = settings }

  package var nextDeadline: Instant? {
    var deadlines = series.compactMap(deadline)
    if !queue.isEmpty {
      deadlines.append(sendable)
    } else if unsentSince == nil,
      let next = rounds.lazy.filter(isSendable).map(\.notBefore).min()
    {
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
      let index = position(of: vif.id)
      if index < series.count, series[index].vif.id == vif.id { series.remove(at: index) }
      series.insert(Series(vif: vif, began: now, last: now), at: index)
    case .cancel(let vif):
      for ended in series where ended.vif.id == vif {
        watch.forget(ended.vif.addresses.map(\.prefix.address))
      }
      series.removeAll { $0.vif.id == vif }
      queue.removeAll { $0.vif == vif }
      rounds.removeAll { $0.vif == vif }
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
        let vif = series[index].vif
        enqueue(vif)
        rounds.removeAll { $0.vif == vif.id }
        begin(vif, at: now)
      }
    case .station(let addresses):
      station = addresses.filter(\.isOneStation)
      hasten(to: now + Self.tellingDelay)
    case .neighbors(let sightings, let interface):
      known.expire(at: now)
      for sighting in sightings.prefix(KnownHosts.most) {
        see(sighting.neighbor, sighting.age, on: interface, at: now)
      }
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
      for host in hosts where isLearning {
        known.see(host.neighbor, host.age, here: false, at: now)
      }
    case .received(let frame, let interface):
      hear(frame, on: interface, at: now, into: &effects)
    case .reconfigure(let settings): reconfigure(settings, at: now)
    }
    advance(to: now, into: &effects)
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
    guard let before, let address, before != address else {
      return hasten(to: now + Self.tellingDelay)
    }
    hasten(to: now)
    for index in series.indices {
      let vif = series[index].vif
      guard vif.addresses.contains(where: { $0.interface == interface }) else { continue }
      rounds.removeAll { $0.vif == vif.id }
      series[index] = Series(vif: vif, began: now, last: now)
    }
  }

  private mutating func reconfigure(_ settings: Settings, at now: Instant) {
    if self.settings.audiences != settings.audiences { rounds.removeAll() }
    self.settings = settings
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
      enqueue(series[index].vif)
      // Once at the beginning and once at the end.
      if step != series[index].step, step == 0 || series[index].step == settings.offsets.count {
        if settings.probes { probe(series[index].vif) }
        begin(series[index].vif, at: now)
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

  private func position(of vif: VIFID) -> Int {
    series.firstIndex { $0.vif.id >= vif } ?? series.count
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
    if let vif = managed(heard.sender.address, on: interface) {
      suspect(heard.sender, of: vif, at: now, into: &effects)
    } else if managed(heard.target, on: interface) != nil {
      see(heard.sender, .zero, on: interface, at: now)
    }
  }

  private mutating func suspect(
    _ claim: Neighbor,
    of vif: VirtualInterface,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    let isHeld = series.contains { $0.vif.id == vif.id }
    // Until all members have told where they are, one of them may be who speaks.
    guard settings.conflicts != .ignore, isHeld || members.areAllKnown,
      claim.hardware.isOneStation
    else { return }
    let verdict = watch.hear(claim.address, at: claim.hardware, now: now)
    if verdict.isTold { effects.append(.conflict(vif.id, claim.address, claim.hardware)) }
    if verdict.isDefended, isHeld, settings.conflicts == .defend { enqueue(vif) }
  }

  private func isOurs(_ address: MACAddress) -> Bool {
    hardware.contains { $0.address == address } || station.contains(address)
      || members.have(address)
  }

  /// The VIF that has the address on an interface.
  private func managed(_ address: IPAddress, on interface: InterfaceName) -> VirtualInterface? {
    func has(_ vif: VirtualInterface) -> Bool {
      vif.addresses.contains { $0.interface == interface && $0.prefix.address == address }
    }
    return series.lazy.map(\.vif).first(where: has) ?? settings.managed.first(where: has)
  }

  // MARK: Known hosts

  /// How long after a change the other members are told of it.
  private static let tellingDelay = Duration.seconds(1)

  private var isLearning: Bool { !settings.audiences.isEmpty }

  private mutating func see(
    _ neighbor: Neighbor,
    _ age: Duration,
    on interface: InterfaceName,
    at now: Instant
  ) {
    guard isLearning, neighbor.hardware.isOneStation, !isOurs(neighbor.hardware),
      managed(neighbor.address, on: interface) == nil
    else { return }
    known.see(neighbor, age, here: true, at: now)
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

  private mutating func probe(_ vif: VirtualInterface) {
    for address in vif.addresses {
      let frame = Queued(vif: vif.id, address: address, form: .probe)
      if !queue.contains(frame) { queue.append(frame) }
    }
  }

  /// Begins to tell the audiences, unless that is still going on.
  private mutating func begin(_ vif: VirtualInterface, at now: Instant) {
    guard !rounds.contains(where: { $0.vif == vif.id }) else { return }
    for address in vif.addresses {
      guard let network = network(of: address) else { continue }
      for audience in settings.audiences {
        let round = Round(address, of: vif.id, on: network, to: audience, known: known, at: now)
        if let round { rounds.append(round) }
      }
    }
  }

  /// The network that is attached to an address.
  private func network(of address: InterfaceAddress) -> IPPrefix? {
    let hint = settings.networks.first { $0.address == address }?.length
    let usual = address.prefix.address.bitWidth == 32 ? 24 : 64
    let length = hint ?? min(usual, address.prefix.length)
    return IPPrefix(address: address.prefix.address, length: length)
  }

  private mutating func enqueue(_ vif: VirtualInterface) {
    for address in vif.addresses {
      let forms: [Form] =
        switch address.prefix.address {
        case .v4: [.request, .reply]
        case .v6: [.advertisement]
        }
      for form in forms {
        let frame = Queued(vif: vif.id, address: address, form: form)
        if !queue.contains(frame) { queue.append(frame) }
      }
    }
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
      if let frame = frame(queue[sent]) {
        effects.append(.inject(frame, on: queue[sent].address.interface))
        noteInjected(of: queue[sent].vif, at: now)
        paced = max(paced, now) + interval
      }
      sent += 1
    }
    queue.removeFirst(sent)
    if queue.isEmpty { sendRounds(at: now, into: &effects) }
  }

  private mutating func noteInjected(of vif: VIFID, at now: Instant) {
    injectedAt = now
    let index = position(of: vif)
    if index < series.count, series[index].vif.id == vif { series[index].injectedAt = now }
  }

  /// Whether frames of the round have a hardware address to come from.
  private func isSendable(_ round: Round) -> Bool {
    hardware.contains { $0.interface == round.address.interface }
  }

  /// Tells one host of each round after the other, as far as pace and throttles allow.
  private mutating func sendRounds(at now: Instant, into effects: inout EffectQueue<Effect>) {
    guard unsentSince == nil else { return }
    // Where it stopped before, so that no round waits for the end of another.
    var idle = 0
    while idle < rounds.count, sendable <= now {
      if turn >= rounds.count { turn = 0 }
      guard rounds[turn].notBefore <= now, isSendable(rounds[turn]) else {
        (turn, idle) = (turn + 1, idle + 1)
        continue
      }
      guard let host = rounds[turn].next(at: now) else {
        rounds.remove(at: turn)
        continue
      }
      for frame in frames(to: host, in: rounds[turn]) {
        effects.append(.inject(frame, on: rounds[turn].address.interface))
        noteInjected(of: rounds[turn].vif, at: now)
        paced = max(paced, now) + interval
      }
      (turn, idle) = (turn + 1, 0)
    }
  }

  /// What tells one host: it is asked for in the name of the address, and then asked for an echo.
  private func frames(to host: IPAddress, in round: Round) -> [[UInt8]] {
    let own = hardware.first { $0.interface == round.address.interface }?.address
    guard let own else { return [] }
    let (address, place) = (round.address.prefix.address, known.hardware(of: host))
    var frames: [[UInt8]] = []
    switch (host, address) {
    case (.v4(let host), .v4(let address)):
      let question = ARPPacket.request(for: host, from: address, at: own)
      frames.append(question.framed(to: place ?? .broadcast).encoded())
    case (.v6(let host), .v6(let address)):
      let question = NeighborSolicitation(for: host, from: address, at: own)
      frames.append(question.framed(to: place, from: own).encoded())
    case (.v4, .v6), (.v6, .v4): return []
    }
    if round.ping, let place, let echo = EchoRequest(from: address, to: host) {
      frames.append(echo.framed(to: place, from: own).encoded())
    }
    return frames
  }

  /// The frame as it is sent now; `nil` while the interface has no hardware address.
  private func frame(_ queued: Queued) -> [UInt8]? {
    let own = hardware.first { $0.interface == queued.address.interface }?.address
    guard let own else { return nil }
    return switch (queued.form, queued.address.prefix.address) {
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
