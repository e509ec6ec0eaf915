// SPDX-License-Identifier: Apache-2.0

internal import Addresses

/// Which VIF has which address on which interface.
struct Places: Sendable, Equatable {
  private struct Place: Sendable, Hashable {
    let address: IPAddress
    let interface: InterfaceName
  }

  private var vifs: [Place: VIFID] = [:]

  init(_ all: [VirtualInterface] = []) { for vif in all { insert(vif) } }

  mutating func insert(_ vif: VirtualInterface) { set(vif, vif.id) }

  mutating func remove(_ vif: VirtualInterface) { set(vif, nil) }

  private mutating func set(_ vif: VirtualInterface, _ id: VIFID?) {
    for address in vif.addresses {
      vifs[Place(address: address.prefix.address, interface: address.interface)] = id
    }
  }

  func vif(of address: IPAddress, on interface: InterfaceName) -> VIFID? {
    vifs[Place(address: address, interface: interface)]
  }
}
