// SPDX-License-Identifier: Apache-2.0

package import Addresses

extension AnnouncementsEngine {
  /// What can happen to the announcer.
  package enum Event: Sendable, Equatable {
    /// The VIF is on this node's interfaces: start its series, or start it again.
    case announce(VirtualInterface)
    /// The VIF leaves this node: nothing of its series may be sent any more.
    case cancel(VIFID)
    /// The hardware address of an own interface; `nil` when it has none.
    case hardware(InterfaceName, MACAddress?)
    /// A frame with ARP or neighbour discovery arrived, our own included.
    case received([UInt8], on: InterfaceName)
    /// Other settings hold from now on; what has been announced in time is not announced again.
    case reconfigure(Settings)
  }

  package enum Effect: Sendable, Equatable {
    /// Send the frame as it stands.
    case inject([UInt8], on: InterfaceName)
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

  /// How and when neighbours are told.
  package struct Settings: Sendable, Equatable {
    /// When the frames of a VIF are sent, counted from its announcement; in ascending order.
    package var offsets: [Duration] = [
      .zero, .milliseconds(100), .milliseconds(500), .seconds(1), .seconds(2),
    ]
    /// After how long without an announcement a VIF is announced again; never if `nil`.
    package var refresh: Duration?
    package var conflicts = ConflictPolicy.defend
    /// The most frames sent per second in the long run; at least 1.
    package var framesPerSecond = 1_000
    /// The most frames sent at once; at least 1.
    package var burst = 128
    /// Whether this node forwards packets: the router flag of neighbour advertisements.
    package var router = false

    package init() {}
  }
}
