// SPDX-License-Identifier: Apache-2.0

import Addresses
import Capture
import Failover
import FailoverNode
import Logging
import Machine
import Netlink
import Reactor

/// The fail-over node's hands: its wishes become requests to the kernel and frames on the wire.
final class Hands {
  private enum Task {
    case acquire
    case release
  }

  /// One wish, and the changes of addresses that fulfil it.
  private struct Errand {
    let vif: VIFID
    let task: Task
    let changes: [AddressChange]
  }

  /// The most addresses in one batch for the kernel, so that completions keep coming.
  private static let mostInBatch = 512

  /// Told of what the kernel did and said; set before the loop runs.
  var feed: (FailoverNodeEngine.Event) -> Void = { _ in }

  private let used: [InterfaceName]
  private let injector: FrameInjector
  private let log: Logger
  private var netlink: NetlinkService?
  /// Wishes that have not gone to the kernel, in order.
  private var waiting: [Errand] = []
  private var waitingSince: Instant?
  /// The batch that the kernel has not answered.
  private var underWay: (request: NetlinkService.RequestID, errands: [Errand])?
  private var links: [UInt32: NetworkLink] = [:]

  /// Watches the interfaces that `vifs` use.
  init(
    vifs: [VirtualInterface],
    loop: EventLoop,
    journal: OwnedAddressFile,
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
    removeLeftovers(journal.left)
    // Wishes of one turn of the loop go to the kernel together.
    loop.addAlarm(
      next: { [unowned self] in underWay == nil ? waitingSince : nil },
      fire: { [unowned self] _ in sendBatch() }
    )
  }

  /// Takes away what an earlier daemon left that died together with its guardian.
  private func removeLeftovers(_ left: [InterfaceAddress]) {
    guard !left.isEmpty else { return }
    log.notice("removing what an earlier daemon may have left: \(left.count) addresses")
    netlink?.adopt(left)
    netlink?.submit(left.map(AddressChange.remove))
  }

  // MARK: - Wishes

  func acquire(_ vif: VirtualInterface) {
    let changes = vif.addresses.map { AddressChange.add($0, Self.options(for: $0)) }
    wish(Errand(vif: vif.id, task: .acquire, changes: changes))
  }

  func release(_ vif: VirtualInterface) {
    let changes = vif.addresses.map(AddressChange.remove)
    wish(Errand(vif: vif.id, task: .release, changes: changes))
  }

  func inject(_ frame: [UInt8], on interface: InterfaceName) {
    do {
      try injector.inject(frame, on: interface)
    } catch {
      log.warning("cannot announce on \(interface): \(error)")
    }
  }

  /// Waits until the kernel has done everything asked for.
  func finish() {
    while !waiting.isEmpty, underWay == nil { sendBatch() }
    netlink?.finish()
  }

  private func wish(_ errand: Errand) {
    waiting.append(errand)
    if waitingSince == nil { waitingSince = BootClock.now }
  }

  /// Sends the first wishes to the kernel in one batch.
  private func sendBatch() {
    var (count, addresses) = (0, 0)
    while count < waiting.count, addresses < Self.mostInBatch {
      addresses += waiting[count].changes.count
      count += 1
    }
    let errands = Array(waiting[..<count])
    waiting.removeFirst(count)
    if waiting.isEmpty { waitingSince = nil }
    guard let request = netlink?.submit(errands.flatMap(\.changes)) else { return }
    underWay = (request, errands)
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
    for error in completion.lost { log.error("an address went along with another: \(error)") }
    guard let batch = underWay, batch.request == completion.request else { return }
    underWay = nil
    var outcomes = completion.outcomes[...]
    for errand in batch.errands {
      tell(errand, outcomes.prefix(errand.changes.count))
      outcomes = outcomes.dropFirst(errand.changes.count)
    }
  }

  private func tell(_ errand: Errand, _ outcomes: ArraySlice<ChangeOutcome>) {
    let failures = outcomes.compactMap { outcome in
      if case .failed(let error) = outcome { error.description } else { nil }
    }
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
