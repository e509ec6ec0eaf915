// SPDX-License-Identifier: Apache-2.0

package import GroupModel
package import RingWire

extension RingEngine {
  /// What can happen to a ring member.
  package enum Event: Sendable, Equatable {
    /// A datagram of this cluster arrived and was decoded.
    case received(Packet)
    /// The layer above has a message to order.
    case submit(service: Service, payload: [UInt8])
    /// The ring sequence bound asked for by ``Effect/store(bound:)`` is on stable storage.
    case stored(bound: UInt64)
    /// A bound asked for could not be stored; what was to wait for it goes on, and it is asked for
    /// again with the next attempt to form a ring.
    case notStored
    /// Everything that was waiting in the sockets when ``Effect/drain`` was performed has been fed.
    case drained
    /// Other members and time-outs are configured: those of ``Settings``; nothing else of them counts.
    ///
    /// Taken on when the ring stands the next time, as a whole or not at all:
    /// ``Note/reconfigured`` or ``Note/notReconfigured(stillMembers:)`` tells. The last one counts.
    case reconfigure(Settings)
    /// The member is to leave the ring in good order.
    case leave
  }
}
