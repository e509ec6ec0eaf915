// SPDX-License-Identifier: Apache-2.0

package import GroupModel
package import RingWire

extension RingEngine {
  /// What the shell is to do; performed in order.
  package enum Effect: Sendable, Equatable {
    /// Send to one configured member.
    case send(Packet, to: NodeID)
    /// Send to all these members but oneself: by one multicast datagram where the transport can.
    case multicast(Packet, to: Roster)
    /// Hand to the layer above.
    case deliver(Delivery)
    /// Write the bound to stable storage, off the loop, and answer with ``Event/stored(bound:)``.
    case store(bound: UInt64)
    /// Feed everything that waits in the sockets, then ``Event/drained``; the last effect of a call.
    case drain
    /// Tell the layers above how the loop keeps time.
    case liveness(Liveness)
    /// Something an operator may want to read; already counted in the statistics.
    case note(Note)
    /// The member has left: its process may end.
    case departed
  }
}
