// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import GroupModel

extension AnnouncementsEngine {
  /// What can happen to the announcer.
  package enum Event: Sendable, Equatable {
    /// The VIF is on this node's interfaces: start its series, or start it again.
    case announce(VirtualInterface)
    /// The VIF leaves this node: nothing of its series may be sent any more.
    case cancel(VIFID)
    /// The hardware address of an own interface; `nil` when it has none.
    ///
    /// What stands on an interface that has got another is announced anew.
    case hardware(InterfaceName, MACAddress?)
    /// The hardware addresses of all interfaces of this machine, whether VIFs use them or not.
    case station([MACAddress])
    /// A frame with ARP or neighbour discovery arrived, our own included.
    case received([UInt8], on: InterfaceName)
    /// A frame did not go out, for nothing proves for now that this node may speak for its VIFs.
    case unsent
    /// Frames go out again: what was not sent is made good.
    case sendable
    /// Hosts of an interface that the kernel knows, and how long ago each was confirmed; at most
    /// ``mostNeighbors`` are taken.
    case neighbors([Sighting], on: InterfaceName)
    /// The other nodes of the present view; none outside the group.
    case members([NodeID])
    /// Another member told its own hardware addresses, and which hosts it has seen.
    case told(NodeID, hardware: [MACAddress], hosts: [Sighting])
    /// Other settings hold from now on; what has been announced in time is not announced again.
    case reconfigure(Settings)
  }

  /// The most hosts that are remembered.
  package static let mostNeighbors = 2_048

  package enum Effect: Sendable, Equatable {
    /// Send the frame as it stands.
    case inject([UInt8], on: InterfaceName)
    /// Tell the other members this node's hardware addresses, and which hosts it has seen.
    case tell(hardware: [MACAddress], hosts: [Sighting])
    /// A stranger claims an address of the VIF, and goes on doing so; at most once a minute for each.
    case conflict(VIFID, IPAddress, MACAddress)
  }

  /// What is done about a stranger that claims an address which this node holds.
  package enum ConflictPolicy: Sendable, Equatable {
    case ignore
    /// The operator is told.
    case report
    /// The operator is told, and neighbours are told where the address is, at most every 10 s.
    case defend
  }

  /// How long the prefix of the network is in which an address stands.
  package struct AttachedNetwork: Sendable, Equatable {
    package let address: InterfaceAddress
    package let length: Int

    package init(of address: InterfaceAddress, length: Int) {
      (self.address, self.length) = (address, length)
    }
  }

  /// How and when neighbours are told.
  package struct Settings: Sendable, Equatable {
    /// When the frames of a VIF are sent, counted from its announcement; in ascending order.
    package var offsets: [Duration] = [
      .zero, .milliseconds(100), .milliseconds(500), .seconds(1), .seconds(2),
    ]
    /// After how long without an announcement a VIF is announced again; never if `nil`.
    package var refresh: Duration?
    package var conflicts = ConflictPolicy.defend
    /// Whether it is asked, at the announcement of a VIF, if somebody else has its addresses.
    package var probes = false
    /// All VIFs that this node has interfaces for: claims of their addresses by strangers are noticed
    /// wherever they stand.
    package var managed: [VirtualInterface] = []
    /// The lengths of networks that are attached to addresses; of others 24 (IPv4) or 64 (IPv6), or that
    /// of the address itself where it is shorter.
    package var networks: [AttachedNetwork] = []
    /// Who is told by itself, in this order.
    package var audiences: [Audience] = []
    /// How often members tell each other which hosts they have seen.
    package var sharing = Duration.seconds(60)
    /// The most frames sent per second in the long run; at least 1.
    package var framesPerSecond = 1_000
    /// The most frames sent at once; at least 1.
    package var burst = 128
    /// Whether this node forwards packets: the router flag of neighbour advertisements.
    package var router = false

    package init() {}
  }
}
