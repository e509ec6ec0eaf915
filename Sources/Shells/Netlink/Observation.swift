// SPDX-License-Identifier: Apache-2.0

package import Addresses

/// A network interface as the kernel describes it.
package struct NetworkLink: Sendable, Equatable {
  package let index: UInt32
  package let name: InterfaceName
  /// `nil` where links have no Ethernet address.
  package let mac: MACAddress?
  /// Administratively up (IFF_UP).
  package let isUp: Bool
  /// Able to carry packets (IFF_RUNNING).
  package let isRunning: Bool
  /// The interface flags, as in netdevice(7).
  package let flags: UInt32
  /// The longest packet in bytes; 0 if the kernel does not say.
  package let mtu: UInt32

  package var state: LinkState {
    switch (isUp, isRunning) {
    case (false, _): .down
    case (true, false): .noCarrier
    case (true, true): .up
    }
  }
}

/// An address on an interface as the kernel describes it.
package struct NetworkAddress: Sendable, Equatable {
  package let index: UInt32
  package let prefix: IPPrefix
  package let label: String?
  /// As in rtnetlink(7): 0 is global, 253 link, 254 host.
  package let scope: UInt8
  /// IFA_F_ values.
  package let flags: UInt32
  /// The seconds that the address has left; `nil` for ever.
  package let validLifetime: UInt32?
  /// The seconds for which it may be chosen as a source; `nil` for ever.
  package let preferredLifetime: UInt32?
}

/// A host that the kernel knows the hardware address of.
package struct NetworkNeighbor: Sendable, Equatable {
  package let index: UInt32
  package let neighbor: Neighbor
  /// How long ago the kernel heard from it, in seconds.
  package let age: UInt32
}

/// Something about links or addresses that the kernel reported.
package enum NetworkEvent: Sendable, Equatable {
  /// Everything, at start and after reports were lost; replaces what was known.
  case snapshot(links: [NetworkLink], addresses: [NetworkAddress])
  /// A link is there, or has changed.
  case link(NetworkLink)
  case linkGone(index: UInt32, name: InterfaceName)
  /// An address is there, or has changed.
  case address(NetworkAddress)
  case addressGone(index: UInt32, prefix: IPPrefix)
  /// The hosts that the kernel knew when it was asked for them.
  case neighbors([NetworkNeighbor])
  /// The kernel could not be asked for them.
  case neighborsUnknown(NetlinkError)
  /// The kernel could not be asked for the snapshot; it is asked again in a second.
  case unknown(NetlinkError)
}
