// SPDX-License-Identifier: Apache-2.0

import Addresses
import Announcements
import Capture
import Configuration
import Failover
import FailoverNode
import GroupModel
import Interfaces
import Logging
import Machine
import Netlink
import Reactor

/// The fail-over node's hands: its wishes become requests to the kernel and frames on the wire.
///
/// What stands on the interfaces, and for how long it may, is an ``InterfacesEngine``'s.
final class Hands {
  /// Told of what the kernel did and said; set before the loop runs.
  var feed: (FailoverNodeEngine.Event) -> Void = { _ in }

  private var used: [InterfaceName] = []
  private let injector: FrameInjector
  private let log: Logger
  private var netlink: NetlinkService?
  /// Set once, at the end of the initialiser.
  private var keeper: Driver<InterfacesEngine>?
  /// The batch that the kernel has not answered.
  private var underWay: (request: NetlinkService.RequestID, batch: InterfacesEngine.Batch)?
  private var links: [UInt32: NetworkLink] = [:]
  private let loop: EventLoop
  /// Where frames of neighbours are received; empty where nothing is made of them.
  private var captures: [InterfaceName: (capture: FrameCapture, watch: EventLoop.Watch)] = [:]
  private var isCapturing = false
  private var own: OwnAddress?
  /// Whether frames were not sent, for nothing proved that this node may, and nothing has since.
  private var isMute = false
  /// The hardware addresses of all interfaces, as they were told last.
  private var station: [MACAddress] = []
  /// How often the kernel is asked which hosts it knows; `nil` where nobody wants to know.
  private var asking: Duration?
  private var askAt: Instant?

  /// Watches the interfaces that `vifs` use.
  init(
    vifs: [VirtualInterface],
    settings: InterfacesEngine.Settings,
    own: IPAddress?,
    loop: EventLoop,
    journal: OwnedAddressFile,
    log: Logger
  ) throws {
    (self.log, self.loop) = (log, loop)
    self.own = own.map(OwnAddress.init)
    injector = FrameInjector()
    netlink = try NetlinkService(
      on: loop,
      journal: journal,
      report: { [unowned self] in report($0) },
      complete: { [unowned self] in complete($0) }
    )
    watch(vifs)
    removeLeftovers(journal.left)
    let keeper = Driver(InterfacesEngine(settings)) { [unowned self] in perform($0) }
    keeper.schedule(on: loop)
    self.keeper = keeper
    loop.addAlarm(
      next: { [unowned self] in askAt },
      fire: { [unowned self] now in askForNeighbors(at: now) }
    )
  }

  /// Watches the neighbours as a configuration wants it: receives what they say, and asks the kernel
  /// which of them it knows.
  func listen(by configuration: WackamoleConfiguration) {
    let wantsHosts = !configuration.notifications.isEmpty
    if asking == nil, wantsHosts { askAt = BootClock.now }
    asking = wantsHosts ? configuration.arpCache : nil
    askAt = asking.flatMap { interval in askAt.map { min($0, BootClock.now + interval) } }
    isCapturing = wantsHosts || configuration.interfaces.conflict != .ignore
    for name in used {
      listen(on: name, isThere: links.values.first { $0.name == name }?.isUp ?? false)
    }
  }

  private func askForNeighbors(at now: Instant) {
    let indices = Set(links.values.filter { used.contains($0.name) }.map(\.index))
    netlink?.askForNeighbors(on: indices, most: AnnouncementsEngine.mostNeighbors)
    askAt = asking.map { now + $0 }
  }

  /// Takes on another lease, which what stands gets by a renewal.
  func hold(for lease: Duration?, proofLife: Duration) {
    keeper?.feed(.reconfigure(lease: lease, proofLife: proofLife))
  }

  /// Watches the interfaces that these VIFs use, too.
  func watch(_ vifs: [VirtualInterface]) {
    for address in vifs.flatMap(\.addresses) where !used.contains(address.interface) {
      used.append(address.interface)
      // Before the first snapshot nothing is known; that tells of all.
      guard !links.isEmpty else { continue }
      tell(address.interface, links.values.first { $0.name == address.interface })
    }
  }

  /// Takes away what an earlier daemon left that died together with its guardian.
  private func removeLeftovers(_ left: [InterfaceAddress]) {
    guard !left.isEmpty else { return }
    log.notice("removing what an earlier daemon may have left: \(left.count) addresses")
    netlink?.adopt(left)
    netlink?.submit(left.map(AddressChange.remove))
  }

  // MARK: - Wishes

  func acquire(_ vif: VirtualInterface) { keeper?.feed(.hold(vif)) }

  func release(_ vif: VirtualInterface) { keeper?.feed(.drop(vif)) }

  /// Sends a frame, unless nothing proves that this node may still speak for an address.
  func inject(_ frame: [UInt8], on interface: InterfaceName) {
    guard let keeper, keeper.machine.isLive(at: BootClock.now) else {
      log.debug("not announced on \(interface): nothing proves that this node may")
      if !isMute {
        isMute = true
        feed(.unsent)
      }
      return
    }
    do {
      try injector.inject(frame, on: interface)
    } catch {
      log.warning("cannot announce on \(interface): \(error)")
    }
  }

  /// How long the kernel keeps the VIF if nothing is renewed any more; `nil` for ever, or if it does
  /// not stand here.
  func leaseLeft(of vif: VIFID) -> Duration? {
    keeper?.machine.leaseLeft(of: vif, at: BootClock.now)
  }

  /// Takes from group communication what proves, or ends the proof, that this node may hold anything.
  func hear(_ event: GroupEvent) {
    switch event {
    case .liveness(.rotation(let passed)): prove(passed)
    case .liveness(.stalled), .liveness(.votedOut): keeper?.feed(.distrust)
    case .view, .left, .disconnected: recall()
    case .liveness(.resumed), .connected, .message, .transitional: break
    }
  }

  /// Takes as proof that a token or an own message came back, sent at `sent` in the present view.
  func prove(_ sent: Instant) {
    keeper?.feed(.rotation(passed: sent))
    guard isMute, keeper?.machine.isLive(at: BootClock.now) == true else { return }
    isMute = false
    feed(.sendable)
  }

  /// Gives back what was wished for and has not been sent to the kernel.
  func recall() { keeper?.feed(.recall) }

  /// Waits until the kernel has done everything asked for.
  func finish() {
    keeper?.advance()
    netlink?.finish()
  }

  // MARK: - Effects

  private func perform(_ effect: InterfacesEngine.Effect) {
    switch effect {
    case .change(let batch, let changes, let lease, let limit):
      let requests = changes.map { change($0, lease: lease) }
      guard let request = netlink?.submit(requests, until: limit) else { return }
      underWay = (request, batch)
    case .held(let vif, .done): feed(.acquired(vif, .done))
    case .held(let vif, .failed(let text)): feed(.acquired(vif, .failed(text)))
    case .dropped(let vif, .done): feed(.released(vif, .done))
    case .dropped(let vif, .failed(let text)): feed(.released(vif, .failed(text)))
    case .recalled(let vif): feed(.recalled(vif))
    case .lost(let vif, let text): feed(.lost(vif, text))
    case .vanished(let vif): feed(.vanished(vif))
    case .restored(let vif): feed(.restored(vif))
    case .note(let note): write(note)
    }
  }

  private func write(_ note: InterfacesEngine.Note) {
    switch note {
    case .fight: log.error("\(note)")
    case .putBack, .leaseReturned, .renewalHeld: log.warning("\(note)")
    }
  }

  private func change(_ change: InterfacesEngine.Change, lease: Duration?) -> AddressChange {
    switch change {
    case .add(let address): .add(address, options(for: address, lease: lease))
    case .renew(let address): .renew(address, options(for: address, lease: lease))
    case .remove(let address): .remove(address)
    }
  }

  /// A /32 or /128, or a longer prefix without its route, attracts no traffic of the host itself;
  /// an IPv6 address that is deprecated from the start is not chosen as a source.
  private func options(for address: InterfaceAddress, lease: Duration?) -> AddressOptions {
    var options = AddressOptions()
    options.validLifetime = lease.map { UInt32(clamping: $0.components.seconds) }
    switch address.prefix.address {
    case .v4: break
    case .v6: options.preferredLifetime = 0
    }
    return options
  }

  // MARK: - What the kernel says

  private func complete(_ completion: NetlinkService.Completion) {
    for error in completion.lost { log.error("an address went along with another: \(error)") }
    guard let (request, batch) = underWay, request == completion.request else { return }
    underWay = nil
    keeper?.feed(.completed(batch, completion.outcomes.map(InterfacesEngine.Outcome.init)))
  }

  /// The address of this node's ring, if it has gone from the machine.
  var lostAddress: IPAddress? { own.flatMap { $0.isGone ? $0.address : nil } }

  private func report(_ event: NetworkEvent) {
    if own?.take(event) == true, let own {
      if own.isGone {
        log.error("\(own.address) has gone from this machine: no other server can be reached")
      } else {
        log.notice("\(own.address) stands on this machine again")
      }
    }
    switch event {
    case .snapshot(let all, let addresses):
      links = Dictionary(all.map { ($0.index, $0) }) { $1 }
      tellStation()
      for name in used { tell(name, links.values.first { $0.name == name }) }
      keeper?.feed(.observed(addresses.compactMap { managed($0.prefix, on: $0.index) }))
    case .link(let link):
      let before = links.updateValue(link, forKey: link.index)
      tellStation()
      // A renamed interface is one that has gone and another that came.
      if let before, before.name != link.name, used.contains(before.name) {
        tell(before.name, nil)
      }
      if used.contains(link.name) { tell(link.name, link) }
    case .linkGone(let index, let name):
      links[index] = nil
      tellStation()
      if used.contains(name) { tell(name, nil) }
    case .address(let address):
      if let found = managed(address.prefix, on: address.index) { keeper?.feed(.appeared(found)) }
    case .addressGone(let index, let prefix):
      if let gone = managed(prefix, on: index) { keeper?.feed(.vanished(gone)) }
    case .neighbors(let all):
      for name in used {
        let found = all.filter { links[$0.index]?.name == name }.map {
          AnnouncementsEngine.Sighting($0.neighbor, ago: .seconds(Int64($0.age)))
        }
        if !found.isEmpty { feed(.neighbors(found, on: name)) }
      }
    case .neighborsUnknown(let error):
      log.warning("cannot learn which hosts the kernel knows, asking again later: \(error)")
    case .unknown(let error):
      log.error("cannot learn the state of the interfaces, trying again: \(error)")
    }
  }

  /// Tells of all hardware addresses of this machine, when they have changed.
  private func tellStation() {
    let addresses = Set(links.values.compactMap(\.mac)).sorted()
    guard addresses != station else { return }
    station = addresses
    feed(.station(addresses))
  }

  /// An address as VIFs name it; `nil` on an interface that none uses.
  private func managed(_ prefix: IPPrefix, on index: UInt32) -> InterfaceAddress? {
    guard let name = links[index]?.name, used.contains(name) else { return nil }
    return InterfaceAddress(interface: name, prefix: prefix)
  }

  /// Receives what neighbours say of addresses on an interface, while there is one.
  private func listen(on name: InterfaceName, isThere: Bool) {
    guard (isCapturing && isThere) != (captures[name] != nil) else { return }
    if let ended = captures.removeValue(forKey: name) {
      loop.remove(ended.watch)
      return
    }
    do {
      let capture = try FrameCapture(name)
      let watch = try capture.deliver(
        on: loop,
        frame: { [unowned self] in feed(.received([UInt8]($0), on: name)) },
        failed: { [unowned self] error in
          log.warning("what neighbours on \(name) say is not heard: \(error)")
          if let ended = captures.removeValue(forKey: name) { loop.remove(ended.watch) }
        }
      )
      captures[name] = (capture, watch)
    } catch {
      log.warning("what neighbours on \(name) say is not heard: \(error)")
    }
  }

  private func tell(_ name: InterfaceName, _ link: NetworkLink?) {
    listen(on: name, isThere: link?.isUp ?? false)
    keeper?.feed(.link(name, isUp: link?.isUp ?? false))
    feed(.link(name, link?.state ?? .missing, link?.mac))
  }
}

extension InterfacesEngine.Outcome {
  fileprivate init(_ outcome: ChangeOutcome) {
    switch outcome {
    case .done: self = .done
    case .already: self = .already
    case .failed(let error):
      self = error.reason == .expired ? .expired : .failed(error.description)
    }
  }
}
