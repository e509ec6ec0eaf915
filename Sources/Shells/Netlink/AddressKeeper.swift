// SPDX-License-Identifier: Apache-2.0

package import Addresses
import Glibc
package import Machine
import Reactor

/// Puts addresses on interfaces and takes away those, and only those, that it put there.
///
/// It blocks while the kernel does; a ``NetlinkService`` runs it on a thread of its own. It never
/// changes a link.
package final class AddressKeeper {
  private let journal: (any AddressJournal)?
  private var opened: NetlinkConnection?
  private var owned: [InterfaceAddress: Holding] = [:]
  private var losses: [NetlinkError] = []

  /// `journal` is told of each address before it is added and after it has been removed.
  package init(journal: (any AddressJournal)?) { self.journal = journal }

  /// Takes over addresses that an earlier run of this daemon added.
  package func adopt(_ addresses: [InterfaceAddress]) {
    for address in addresses {
      let index = if_nametoindex(address.interface.text)
      guard index > 0 else { continue }
      owned[address] = Holding(index: index, options: AddressOptions())
      _ = journal?.willAdd(OwnedAddress(index: index, address: address))
    }
  }

  /// Lists links and addresses.
  package func snapshot() throws(NetlinkError) -> (
    links: [NetworkLink], addresses: [NetworkAddress]
  ) {
    let connection = try connection()
    return (try connection.links(), try connection.addresses())
  }

  /// Lists the hosts that the kernel knows.
  package func neighbors() throws(NetlinkError) -> [NetworkNeighbor] {
    try connection().neighbors()
  }

  /// Makes the changes, in order; returns one outcome for each.
  ///
  /// They go to the kernel in one batch, but for an address that occurs again: its second change is
  /// decided by how the first one ended. Removals are always made, everything else until `limit` only.
  package func apply(_ changes: [AddressChange], until limit: Instant? = nil) -> [ChangeOutcome] {
    var outcomes: [ChangeOutcome] = []
    var batch: [AddressChange] = []
    var seen: Set<InterfaceAddress> = []
    for change in changes {
      if !seen.insert(change.address).inserted {
        outcomes += applyBatch(batch, until: limit)
        batch = []
        seen = [change.address]
      }
      batch.append(change)
    }
    return outcomes + applyBatch(batch, until: limit)
  }

  private func applyBatch(_ changes: [AddressChange], until limit: Instant?) -> [ChangeOutcome] {
    guard !changes.isEmpty else { return [] }
    do throws(NetlinkError) {
      let connection = try connection()
      var plan = Plan(present: Presence(try connection.addresses()))
      for (position, change) in changes.enumerated() {
        plan.outcomes.append(decide(change, position: position, plan: &plan))
      }
      let removals = plan.steps.filter(\.isRemoval)
      let others = plan.steps.filter { !$0.isRemoval }
      let answers =
        connection.change(removals.map(\.request))
        + connection.change(others.map(\.request), until: limit)
      for (step, answer) in zip(removals + others, answers) {
        plan.outcomes[step.position] = settle(changes[step.position], step, answer)
      }
      if plan.steps.contains(where: \.takesSiblings) {
        try putBackSiblings(expected: plan.present, until: limit, connection)
      }
      return plan.outcomes
    } catch {
      return changes.map { .failed(NetlinkError($0, error.reason)) }
    }
  }

  // MARK: - One change

  private struct Step {
    let position: Int
    let request: NetlinkConnection.Request
    /// Whether the address was ours before.
    let wasOwned: Bool

    var isRemoval: Bool {
      switch request.kind {
      case .remove: true
      case .add, .renew: false
      }
    }

    /// Whether the kernel may remove other addresses along with this one.
    var takesSiblings: Bool {
      switch (request.kind, request.prefix.address) {
      case (.remove, .v4): request.prefix.length < 32
      case (.remove, .v6), (.add, _), (.renew, _): false
      }
    }
  }

  private struct Plan {
    var present: Presence
    var steps: [Step] = []
    var outcomes: [ChangeOutcome] = []
  }

  /// Plans one request, or says at once how the change ends without one.
  ///
  /// The outcome of a planned request is a stand-in until the kernel has answered.
  private func decide(
    _ change: AddressChange,
    position: Int,
    plan: inout Plan
  ) -> ChangeOutcome {
    let address = change.address
    let ownedIndex = owned[address]?.index
    let index = if_nametoindex(address.interface.text)
    let kind: NetlinkConnection.Request.Kind
    switch change {
    case .add(_, let options), .renew(_, let options):
      guard index > 0 else {
        return .failed(NetlinkError(change, .noSuchInterface(address.interface)))
      }
      let isPresent = plan.present.contains(address.prefix, on: index)
      if case .renew = change {
        guard !isPresent || ownedIndex == index else {
          return .failed(NetlinkError(change, .notOurs))
        }
        kind = .renew(options)
      } else {
        if isPresent { return .already }
        kind = .add(options)
      }
      let note = OwnedAddress(index: index, address: address)
      guard journal?.willAdd(note) ?? true else { return .failed(NetlinkError(change, .unguarded)) }
      plan.present.insert(address.prefix, on: index)
    case .remove:
      guard let ownedIndex else {
        let isForeign = index > 0 && plan.present.contains(address.prefix, on: index)
        return isForeign ? .failed(NetlinkError(change, .notOurs)) : .already
      }
      kind = .remove
      plan.present.remove(address.prefix, on: ownedIndex)
    }
    let target: UInt32
    switch kind {
    case .add, .renew: target = index
    // The interface may have another name or index by now; the address is where it was put.
    case .remove: target = ownedIndex ?? index
    }
    plan.steps.append(
      Step(
        position: position,
        request: .init(kind: kind, index: target, prefix: address.prefix),
        wasOwned: ownedIndex == target
      )
    )
    return .failed(NetlinkError(change, .noAnswer))
  }

  private func settle(
    _ change: AddressChange,
    _ step: Step,
    _ answer: NetlinkConnection.Answer
  ) -> ChangeOutcome {
    let note = OwnedAddress(index: step.request.index, address: change.address)
    switch (step.request.kind, answer) {
    case (.add(let options), .acknowledged), (.renew(let options), .acknowledged):
      if let old = owned[change.address]?.index, old != step.request.index {
        // The interface went and came back under another index; what was on it is gone.
        journal?.didRemove(OwnedAddress(index: old, address: change.address))
      }
      owned[change.address] = Holding(index: step.request.index, options: options)
      return .done
    case (.add(let options), .lost), (.renew(let options), .lost):
      // It was not there before, so if it is there now it is ours.
      owned[change.address] = Holding(index: step.request.index, options: options)
      return .failed(NetlinkError(change, .noAnswer))
    case (.add, .expired), (.renew, .expired), (.remove, .expired):
      if !step.wasOwned { journal?.didRemove(note) }
      return .failed(NetlinkError(change, .expired))
    case (.add, .refused(let errno, let text)), (.renew, .refused(let errno, let text)):
      if !step.wasOwned { journal?.didRemove(note) }
      if errno == Errno(EEXIST) { return .already }
      return .failed(NetlinkError(change, .kernel(errno, text: text)))
    case (.remove, .acknowledged):
      forget(note)
      return .done
    case (.remove, .refused(let errno, let text)):
      guard [EADDRNOTAVAIL, ENODEV].contains(errno.rawValue) else {
        return .failed(NetlinkError(change, .kernel(errno, text: text)))
      }
      forget(note)
      return .already
    case (.remove, .lost):
      return .failed(NetlinkError(change, .noAnswer))
    }
  }

  /// Adds again what the kernel removed along with a primary address: all others of its network.
  ///
  /// It does so unless promote_secondaries is set, which by default it is not.
  private func putBackSiblings(
    expected: Presence,
    until limit: Instant?,
    _ connection: NetlinkConnection
  ) throws(NetlinkError) {
    let present = Presence(try connection.addresses())
    let lost = owned.filter { address, holding in
      expected.contains(address.prefix, on: holding.index)
        && !present.contains(address.prefix, on: holding.index)
    }
    .sorted { $0.key < $1.key }
    let answers = connection.change(
      lost.map { address, holding in
        .init(kind: .add(holding.options), index: holding.index, prefix: address.prefix)
      },
      until: limit
    )
    for ((address, holding), answer) in zip(lost, answers) {
      let change = AddressChange.add(address, holding.options)
      switch answer {
      case .acknowledged: continue
      case .refused(let errno, _) where errno == Errno(EEXIST): continue
      case .refused(let errno, let text):
        losses.append(NetlinkError(change, .kernel(errno, text: text)))
      case .lost: losses.append(NetlinkError(change, .noAnswer))
      case .expired: losses.append(NetlinkError(change, .expired))
      }
    }
  }

  /// Why addresses that the kernel removed along with others could not be put back, since asked last.
  package func takeLosses() -> [NetlinkError] {
    defer { losses = [] }
    return losses
  }

  private func forget(_ note: OwnedAddress) {
    owned[note.address] = nil
    journal?.didRemove(note)
  }

  private func connection() throws(NetlinkError) -> NetlinkConnection {
    if let opened { return opened }
    let connection = try NetlinkConnection()
    opened = connection
    return connection
  }
}

/// An address that is ours: where it was put and how.
private struct Holding {
  let index: UInt32
  let options: AddressOptions
}

/// Which addresses are on which interface, as the kernel tells them apart.
private struct Presence {
  private struct Key: Hashable {
    let index: UInt32
    let address: IPAddress
    /// IPv4 allows one address several times on an interface, with different prefixes.
    let length: Int?

    init(_ prefix: IPPrefix, on index: UInt32) {
      self.index = index
      address = prefix.address
      switch prefix.address {
      case .v4: length = prefix.length
      case .v6: length = nil
      }
    }
  }

  private var keys: Set<Key>

  init(_ addresses: [NetworkAddress]) {
    keys = Set(addresses.map { Key($0.prefix, on: $0.index) })
  }

  func contains(_ prefix: IPPrefix, on index: UInt32) -> Bool {
    keys.contains(Key(prefix, on: index))
  }
  mutating func insert(_ prefix: IPPrefix, on index: UInt32) { keys.insert(Key(prefix, on: index)) }
  mutating func remove(_ prefix: IPPrefix, on index: UInt32) { keys.remove(Key(prefix, on: index)) }
}
