// SPDX-License-Identifier: Apache-2.0

import Addresses
import Capture
import Failover
import FailoverNode
import Logging
import Netlink
import Reactor

/// The fail-over node's hands: its wishes become requests to the kernel and frames on the wire.
final class Hands {
  private enum Task {
    case acquire
    case release
  }

  /// What the kernel was asked for and has not answered.
  private struct Errand {
    let vif: VIFID
    let task: Task
  }

  /// Told of what the kernel did and said; set before the loop runs.
  var feed: (FailoverNodeEngine.Event) -> Void = { _ in }

  private let used: [InterfaceName]
  private let injector: FrameInjector
  private let log: Logger
  private var netlink: NetlinkService?
  private var errands: [NetlinkService.RequestID: Errand] = [:]
  private var links: [UInt32: NetworkLink] = [:]

  /// Watches the interfaces that `vifs` use.
  init(
    vifs: [VirtualInterface],
    loop: EventLoop,
    journal: any AddressJournal,
    log: Logger
  ) throws {
    var used: [InterfaceName] = []
    for address in vifs.flatMap(\.addresses) where !used.contains(address.interface) {
      used.append(address.interface)
    }
    (self.used, self.log) = (used, log)
    injector = FrameInjector()
    netlink = try NetlinkService(
      on: loop,
      journal: journal,
      report: { [unowned self] in report($0) },
      complete: { [unowned self] in complete($0) }
    )
  }

  // MARK: - Wishes

  func acquire(_ vif: VirtualInterface) {
    let changes = vif.addresses.map { AddressChange.add($0, Self.options(for: $0)) }
    submit(changes, Errand(vif: vif.id, task: .acquire))
  }

  func release(_ vif: VirtualInterface) {
    submit(vif.addresses.map(AddressChange.remove), Errand(vif: vif.id, task: .release))
  }

  func inject(_ frame: [UInt8], on interface: InterfaceName) {
    do {
      try injector.inject(frame, on: interface)
    } catch {
      log.warning("cannot announce on \(interface): \(error)")
    }
  }

  /// Waits until the kernel has done everything asked for.
  func finish() { netlink?.finish() }

  private func submit(_ changes: [AddressChange], _ errand: Errand) {
    guard let request = netlink?.submit(changes) else { return }
    errands[request] = errand
  }

  /// A /32 or /128, or a longer prefix without its route, attracts no traffic of the host itself;
  /// an IPv6 address that is deprecated from the start is not chosen as a source.
  private static func options(for address: InterfaceAddress) -> AddressOptions {
    var options = AddressOptions()
    switch address.prefix.address {
    case .v4: break
    case .v6: options.preferredLifetime = 0
    }
    return options
  }

  // MARK: - What the kernel says

  private func complete(_ completion: NetlinkService.Completion) {
    guard let errand = errands.removeValue(forKey: completion.request) else { return }
    let failures = completion.outcomes.compactMap { outcome in
      if case .failed(let error) = outcome { error.description } else { nil }
    }
    for error in completion.lost { log.error("an address went along with another: \(error)") }
    let outcome: FailoverEngine.Outcome =
      failures.isEmpty ? .done : .failed(failures.joined(separator: "; "))
    switch errand.task {
    case .acquire: feed(.acquired(errand.vif, outcome))
    case .release: feed(.released(errand.vif, outcome))
    }
  }

  private func report(_ event: NetworkEvent) {
    switch event {
    case .snapshot(let all, _):
      links = Dictionary(all.map { ($0.index, $0) }) { $1 }
      for name in used { tell(name, links.values.first { $0.name == name }) }
    case .link(let link):
      let before = links.updateValue(link, forKey: link.index)
      // A renamed interface is one that has gone and another that came.
      if let before, before.name != link.name, used.contains(before.name) {
        tell(before.name, nil)
      }
      if used.contains(link.name) { tell(link.name, link) }
    case .linkGone(let index, let name):
      links[index] = nil
      if used.contains(name) { tell(name, nil) }
    case .address, .addressGone:
      break
    case .unknown(let error):
      log.error("cannot learn the state of the interfaces, trying again: \(error)")
    }
  }

  private func tell(_ name: InterfaceName, _ link: NetworkLink?) {
    feed(.link(name, link?.state ?? .missing, link?.mac))
  }
}
