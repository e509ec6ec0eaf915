// SPDX-License-Identifier: Apache-2.0

package import Addresses
internal import Announcements
package import Failover
internal import FailoverWire
internal import GroupModel
package import Machine

/// The fail-over part of a node: who holds what, and how the neighbours hear of it.
///
/// The shell connects it to group communication, the kernel and the wire; nothing in it does I/O.
package struct FailoverNodeEngine: StateMachine {
  private var failover: FailoverEngine
  private var announcements: AnnouncementsEngine
  /// `nil` on a backend that nobody shares.
  private var authentication: Authentication?
  private let group: GroupName
  private var me: MemberID?
  /// The other members of the present view.
  private var others: [MemberID] = []
  // Empty between events; kept for their storage.
  private var decided = EffectQueue<FailoverEngine.Effect>()
  private var announced = EffectQueue<AnnouncementsEngine.Effect>()

  package init(_ settings: Settings) {
    failover = FailoverEngine(settings.failover, isDrained: settings.isDrained)
    announcements = AnnouncementsEngine(settings.announcements)
    group = settings.failover.group
    if settings.failover.isShared {
      authentication = Authentication(group: settings.failover.group, seal: settings.seal)
    }
  }

  /// What this member knows and does.
  package var status: FailoverEngine.Status { failover.status }

  /// What a change of membership would cut.
  package var activity: FailoverEngine.Activity { failover.activity }

  /// The addresses that strangers claim, and the hardware address of each.
  package var conflicts: [(address: IPAddress, hardware: MACAddress)] { announcements.conflicts }

  /// What was dropped of what came from the group; `nil` on a backend that nobody shares.
  package var payloadDrops: PayloadDrops? { authentication?.drops }

  /// Who is not listened to in this view.
  package var ignored: [PayloadReport] { authentication?.ignored ?? [] }

  /// What payloads are authenticated with.
  package var seal: PayloadSeal? { authentication?.seal }

  package var nextDeadline: Instant? {
    [failover.nextDeadline, announcements.nextDeadline].compactMap(\.self).min()
  }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch event {
    case .group(let event): take(event, at: now, into: &effects)
    case .refused(let request, let refusal):
      let (own, why) = authentication?.unwrap(request, refusal) ?? (request, refusal)
      // The next one will tell the same.
      if isNeighborsReport(own) { return }
      failover.handle(.refused(own, why), at: now, into: &decided)
    case .link(let interface, let state, let address):
      announce(.hardware(interface, address), at: now, into: &effects)
      failover.handle(.link(interface, state), at: now, into: &decided)
    case .acquired(let vif, let outcome):
      failover.handle(.acquired(vif, outcome), at: now, into: &decided)
    case .released(let vif, let outcome):
      failover.handle(.released(vif, outcome), at: now, into: &decided)
    case .recalled(let vif): failover.handle(.recalled(vif), at: now, into: &decided)
    case .lost(let vif, let text): failover.handle(.lost(vif, text), at: now, into: &decided)
    case .received(let frame, let interface):
      announce(.received(frame, on: interface), at: now, into: &effects)
    case .vanished(let vif): announce(.cancel(vif), at: now, into: &effects)
    case .restored(let vif): announce(.announce(vif), at: now, into: &effects)
    case .checks(let failing): failover.handle(.checks(failing), at: now, into: &decided)
    case .command(let command, let ticket):
      failover.handle(.command(command, ticket), at: now, into: &decided)
    case .obituary(let node): failover.handle(.obituary(node), at: now, into: &decided)
    case .unsent: announce(.unsent, at: now, into: &effects)
    case .sendable: announce(.sendable, at: now, into: &effects)
    case .station(let addresses): announce(.station(addresses), at: now, into: &effects)
    case .neighbors(let neighbors, let interface):
      announce(.neighbors(neighbors, on: interface), at: now, into: &effects)
    case .seal(let seal): authentication?.change(to: seal)
    case .announcing(let settings): announce(.reconfigure(settings), at: now, into: &effects)
    case .leave: failover.handle(.leave, at: now, into: &decided)
    }
    route(at: now, into: &effects)
  }

  private mutating func take(
    _ event: GroupEvent,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    let verdict =
      authentication?.take(event) { effects.append(.request($0)) } ?? .pass(event)
    switch verdict {
    case .pass(.message(let message))
    where message.groups == [group] && NeighborsReport.isFound(in: message.payload):
      learn(message, at: now, into: &effects)
    case .pass(let event):
      follow(event, at: now, into: &effects)
      failover.handle(.group(event), at: now, into: &decided)
    case .drop: break
    case .report(let report): effects.append(.dropped(report))
    }
  }

  /// Keeps in mind who else is in the group.
  private mutating func follow(
    _ event: GroupEvent,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch event {
    case .connected(let member):
      me = member
      others = []
    case .view(let view) where view.group == group:
      others = view.members.filter { $0 != me }
    case .left, .disconnected: others = []
    case .view, .message, .transitional, .liveness: return
    }
    announce(.members(Set(others.map(\.node)).sorted()), at: now, into: &effects)
  }

  /// Takes what another member told of itself and of the hosts it has seen.
  private mutating func learn(
    _ message: GroupMessage,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    guard others.contains(message.sender),
      let report = try? NeighborsReport(decoding: message.payload)
    else { return }
    let hosts = report.hosts.map {
      AnnouncementsEngine.Sighting($0.neighbor, ago: .seconds(Int64($0.age)))
    }
    let told = AnnouncementsEngine.Event.told(
      message.sender.node,
      hardware: report.hardware,
      hosts: hosts
    )
    announce(told, at: now, into: &effects)
  }

  private func isNeighborsReport(_ request: GroupRequest) -> Bool {
    guard case .multicast(_, _, _, let payload) = request else { return false }
    return NeighborsReport.isFound(in: payload[...])
  }

  private mutating func tell(
    _ hardware: [MACAddress],
    _ hosts: [AnnouncementsEngine.Sighting],
    into effects: inout EffectQueue<Effect>
  ) {
    let report = NeighborsReport(
      hardware: hardware,
      hosts: hosts.map { sighting in
        let age = UInt16(clamping: sighting.age.components.seconds)
        return NeighborsReport.Host(sighting.neighbor, age: age)
      }
    )
    let request = GroupRequest.multicast(
      groups: [group],
      service: .agreed,
      tag: 0,
      payload: report.encoded()
    )
    ask(request, into: &effects)
  }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    if Self.isDue(failover, at: now) {
      failover.advance(to: now, into: &decided)
      route(at: now, into: &effects)
    }
    if Self.isDue(announcements, at: now) {
      announcements.advance(to: now, into: &announced)
      inject(into: &effects)
    }
  }

  private static func isDue(_ machine: some StateMachine, at now: Instant) -> Bool {
    machine.nextDeadline.map { $0 <= now } ?? false
  }

  /// Turns what fail-over decided into effects of the node, and into events of the announcer.
  private mutating func route(at now: Instant, into effects: inout EffectQueue<Effect>) {
    for effect in decided.takeAll() {
      switch effect {
      case .request(let request): ask(request, into: &effects)
      case .acquire(let vif): effects.append(.acquire(vif))
      case .release(let vif): effects.append(.release(vif))
      case .announce(let vif): announce(.announce(vif), at: now, into: &effects)
      case .cancelAnnouncements(let vif): announce(.cancel(vif), at: now, into: &effects)
      case .answer(let ticket, let answer): effects.append(.answer(ticket, answer))
      case .keep(let isDrained): effects.append(.keep(drained: isDrained))
      case .proven(let instant): effects.append(.proven(instant))
      case .note(let note): effects.append(.note(note))
      case .departed: effects.append(.departed)
      }
    }
  }

  /// Passes a request on to the port, in an envelope where that is the way here.
  private mutating func ask(_ request: GroupRequest, into effects: inout EffectQueue<Effect>) {
    guard authentication != nil else { return effects.append(.request(request)) }
    if let wrapped = authentication?.wrap(request) { effects.append(.request(wrapped)) }
  }

  private mutating func announce(
    _ event: AnnouncementsEngine.Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    announcements.handle(event, at: now, into: &announced)
    inject(into: &effects)
  }

  private mutating func inject(into effects: inout EffectQueue<Effect>) {
    for effect in announced.takeAll() {
      switch effect {
      case .inject(let frame, let interface): effects.append(.inject(frame, on: interface))
      case .tell(let hardware, let hosts): tell(hardware, hosts, into: &effects)
      case .conflict(let vif, let address, let hardware):
        effects.append(.conflict(vif, address, hardware))
      }
    }
  }
}
