// SPDX-License-Identifier: Apache-2.0

package import Addresses
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
  /// What is due and waits for its turn; at most one entry per address and form.
  private var queue: [Queued] = []
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
  }

  package init(_ settings: Settings) { self.settings = settings }

  package var nextDeadline: Instant? {
    var deadlines = series.compactMap(deadline)
    if !queue.isEmpty { deadlines.append(sendable) }
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
    case .hardware(let interface, let address):
      hardware.removeAll { $0.interface == interface }
      if let address { hardware.append(Hardware(interface: interface, address: address)) }
      hardware.sort { $0.interface < $1.interface }
    case .received(let frame, let interface):
      hear(frame, on: interface, at: now, into: &effects)
    case .reconfigure(let settings): reconfigure(settings, at: now)
    }
    advance(to: now, into: &effects)
  }

  private mutating func reconfigure(_ settings: Settings, at now: Instant) {
    self.settings = settings
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
      while let deadline = deadline(of: series[index]), deadline <= now {
        series[index].step = min(series[index].step + 1, settings.offsets.count)
        series[index].last = now
        due = true
      }
      if due { enqueue(series[index].vif) }
    }
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
    guard settings.conflicts != .ignore, let claim = AddressClaim(frame: frame),
      !hardware.contains(where: { $0.address == claim.hardware }),
      let held = series.first(where: { series in
        series.vif.addresses.contains {
          $0.interface == interface && $0.prefix.address == claim.address
        }
      })
    else { return }
    let verdict = watch.hear(claim.address, at: claim.hardware, now: now)
    if verdict.isTold {
      effects.append(.conflict(held.vif.id, claim.address, claim.hardware))
    }
    if verdict.isDefended, settings.conflicts == .defend { enqueue(held.vif) }
  }

  // MARK: Sending

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
        paced = max(paced, now) + interval
      }
      sent += 1
    }
    queue.removeFirst(sent)
  }

  /// The frame as it is sent now; `nil` while the interface has no hardware address.
  private func frame(_ queued: Queued) -> [UInt8]? {
    let own = hardware.first { $0.interface == queued.address.interface }?.address
    guard let own else { return nil }
    return switch (queued.form, queued.address.prefix.address) {
    case (.request, .v4(let address)):
      ARPPacket.gratuitousRequest(for: address, at: own).broadcast().encoded()
    case (.reply, .v4(let address)):
      ARPPacket.gratuitousReply(for: address, at: own).broadcast().encoded()
    case (.advertisement, .v6(let address)):
      NeighborAdvertisement(unsolicitedFor: address, at: own, router: settings.router)
        .multicast(from: own).encoded()
    case (.request, .v6), (.reply, .v6), (.advertisement, .v4): nil
    }
  }
}
