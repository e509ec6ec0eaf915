// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import Announcements
package import Failover
package import FailoverWire
package import GroupModel
package import Machine

extension FailoverNodeEngine {
  /// What can happen to the fail-over part of a node.
  package enum Event: Sendable, Equatable {
    /// The port to group communication said something.
    case group(GroupEvent)
    /// A request of ``Effect/request(_:)`` was not taken by the port.
    case refused(GroupRequest, GroupRefusal)
    /// An interface as it is, at start for each that a VIF names and then at every change; its
    /// hardware address is `nil` if it has none.
    case link(InterfaceName, LinkState, MACAddress?)
    /// The kernel is done with ``Effect/acquire(_:)``.
    case acquired(VIFID, FailoverEngine.Outcome)
    /// The kernel is done with ``Effect/release(_:)``.
    case released(VIFID, FailoverEngine.Outcome)
    /// Nothing was done about ``Effect/acquire(_:)``: it was overtaken by a change of membership.
    case recalled(VIFID)
    /// A VIF that stood cannot be kept; the text says why.
    case lost(VIFID, String)
    /// Some address of a VIF that stood is not there for now: it is not announced.
    case vanished(VIFID)
    /// All of it is there again: neighbours are told.
    case restored(VirtualInterface)
    /// All of this node's health checks that fail now: ``FailoverEngine/Event/checks(_:)``.
    case checks([FailingCheck])
    /// An operator asks for something; answered by ``Effect/answer(_:_:)``.
    case command(FailoverEngine.Command, FailoverEngine.Ticket)
    /// A dead daemon's guardian says that its addresses are gone.
    case obituary(NodeID)
    /// A frame with ARP or neighbour discovery arrived.
    case received([UInt8], on: InterfaceName)
    /// A frame of ``Effect/inject(_:on:)`` did not go out, for nothing proves for now that this node may
    /// speak for its VIFs.
    case unsent
    /// Such frames go out again.
    case sendable
    /// The hardware addresses of all interfaces of this machine.
    case station([MACAddress])
    /// Hosts of an interface that the kernel knows, and how long ago each was confirmed.
    case neighbors([AnnouncementsEngine.Sighting], on: InterfaceName)
    /// The cluster's keys were read again; without effect where the backend is not shared.
    case seal(PayloadSeal?)
    /// How neighbours are told of addresses from now on.
    case announcing(AnnouncementsEngine.Settings)
    /// Hand over and leave (TERM); ends in ``Effect/departed``.
    case leave
  }

  /// What the shell is to do; performed in order.
  package enum Effect: Sendable, Equatable {
    /// Hand to the port; if it is not taken, answer with ``Event/refused(_:_:)``.
    case request(GroupRequest)
    /// Put all addresses of the VIF on their interfaces; answered by ``Event/acquired(_:_:)``.
    case acquire(VirtualInterface)
    /// Take all addresses of the VIF off their interfaces; answered by ``Event/released(_:_:)``.
    case release(VirtualInterface)
    /// Send an Ethernet frame as it stands.
    case inject([UInt8], on: InterfaceName)
    /// An operator's command came to its end.
    case answer(FailoverEngine.Ticket, FailoverEngine.Answer)
    /// Write to stable storage whether this node is drained.
    case keep(drained: Bool)
    /// An own message that was sent at this instant came back in the present view.
    case proven(Instant)
    /// A stranger claims an address of a VIF, and goes on doing so.
    case conflict(VIFID, IPAddress, MACAddress)
    /// A payload from that sender was dropped, for the first time in this view for that reason.
    case dropped(PayloadReport)
    /// One line for the log.
    case note(FailoverEngine.Note)
    /// Nothing is held, the peers know, and the process may end.
    case departed
  }

  /// What is fixed while the node runs.
  package struct Settings: Sendable, Equatable {
    package var failover: FailoverEngine.Settings
    /// Whether this node was drained when its last engine ended (``Effect/keep(drained:)``).
    package var isDrained = false
    package var announcements = AnnouncementsEngine.Settings()
    /// What payloads are authenticated with on a shared backend; `nil`: whatever comes is taken.
    package var seal: PayloadSeal?

    package init(failover: FailoverEngine.Settings) { self.failover = failover }
  }
}
