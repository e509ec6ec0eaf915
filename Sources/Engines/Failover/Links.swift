// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import FailoverWire
internal import Machine

/// What this node knows of its own interfaces, and whether it could hold a VIF.
struct Links: Sendable, Hashable {
  private(set) var interfaces: [Link]
  /// VIFs that the kernel refused, and until when they are not tried again; in ascending order.
  private var refused: [Refusal] = []

  struct Link: Sendable, Hashable {
    let name: InterfaceName
    /// `nil` until the kernel has been heard about it.
    var state: LinkState?
    /// Until then a carrier that returned does not count, unless a merge comes first.
    var settles: Instant?
  }

  private struct Refusal: Sendable, Hashable {
    let vif: VIFID
    var until: Instant
  }

  /// Begins with all interfaces that `vifs` name, of which nothing is known yet.
  init(vifs: [VirtualInterface]) {
    interfaces = []
    watch(vifs)
  }

  /// Watches the interfaces that `vifs` name, and no others.
  mutating func watch(_ vifs: [VirtualInterface]) {
    let used = vifs.flatMap(\.addresses).map(\.interface)
    interfaces.removeAll { !used.contains($0.name) }
    for address in vifs.flatMap(\.addresses) {
      let index = interfaces.insertionIndex(of: address.interface, by: \.name)
      if index == interfaces.count || interfaces[index].name != address.interface {
        interfaces.insert(Link(name: address.interface), at: index)
      }
    }
  }

  var nextDeadline: Instant? {
    (interfaces.compactMap(\.settles) + refused.map(\.until)).min()
  }

  /// Takes the state of an interface; `false` if no VIF names it or it is known.
  mutating func update(
    _ name: InterfaceName,
    to state: LinkState,
    at now: Instant,
    settling: Duration
  ) -> Bool {
    guard let index = interfaces.sortedIndex(of: name, by: \.name),
      interfaces[index].state != state
    else { return false }
    let returned = interfaces[index].state != nil && state == .up
    interfaces[index].state = state
    interfaces[index].settles = returned ? now + settling : nil
    return true
  }

  /// The kernel could not put the VIF on its interfaces.
  mutating func refuse(_ vif: VIFID, until: Instant) {
    let index = refused.insertionIndex(of: vif, by: \.vif)
    if index < refused.count, refused[index].vif == vif {
      refused[index].until = until
    } else {
      refused.insert(Refusal(vif: vif, until: until), at: index)
    }
  }

  /// A change of the VIF's interfaces makes another attempt worthwhile.
  mutating func forgive(_ vifs: [VirtualInterface], on name: InterfaceName) {
    for vif in vifs where vif.addresses.contains(where: { $0.interface == name }) {
      refused.removeAll { $0.vif == vif.id }
    }
  }

  /// What is up does not count until then, unless a merge comes first.
  mutating func doubt(until: Instant) {
    for index in interfaces.indices where interfaces[index].state == .up {
      interfaces[index].settles = max(until, interfaces[index].settles ?? until)
    }
  }

  /// A merge came: what settles may be used.
  mutating func settle() {
    for index in interfaces.indices { interfaces[index].settles = nil }
  }

  mutating func expire(at now: Instant) {
    for index in interfaces.indices where interfaces[index].settles.map({ $0 <= now }) ?? false {
      interfaces[index].settles = nil
    }
    refused.removeAll { $0.until <= now }
  }

  /// Whether this node could hold the VIF now: that of its worst interface.
  func readiness(of vif: VirtualInterface) -> Readiness {
    var settling = false
    for address in vif.addresses {
      guard let index = interfaces.sortedIndex(of: address.interface, by: \.name) else {
        return .unknown
      }
      switch interfaces[index].state {
      case nil: return .unknown
      case .missing: return .interfaceMissing
      case .down: return .interfaceDown
      case .noCarrier: return .noCarrier
      case .up: settling = settling || interfaces[index].settles != nil
      }
    }
    if refused.sortedIndex(of: vif.id, by: \.vif) != nil { return .cannotHold }
    return settling ? .settling : .ready
  }
}
