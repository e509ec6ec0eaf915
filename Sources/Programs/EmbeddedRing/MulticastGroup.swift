// SPDX-License-Identifier: Apache-2.0

package import Addresses
import Netlink
import Reactor

extension PacketLink.Group {
  /// A multicast group, on the interface that has a node's own address.
  ///
  /// - Throws: what failed; `EADDRNOTAVAIL` when no interface has the address.
  package init(address: IPAddress, of own: IPAddress) throws {
    let (links, addresses) = try AddressKeeper(journal: nil).snapshot()
    guard let index = addresses.first(where: { $0.prefix.address == own })?.index,
      let link = links.first(where: { $0.index == index })
    else { throw SystemError("find the interface with the address \(own)", Errno(99)) }
    self.init(address: address, interface: link.name, isLocal: link.name.text == "lo")
  }
}
