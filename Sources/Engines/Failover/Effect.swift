// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import GroupModel
package import Machine

extension FailoverEngine {
  /// What the shell is to do; performed in order.
  package enum Effect: Sendable, Equatable {
    /// Hand to the port; if it is not taken, answer with ``Event/refused(_:_:)``.
    case request(GroupRequest)
    /// Put all addresses of the VIF on their interfaces; answered by ``Event/acquired(_:_:)``.
    ///
    /// At most one request per VIF is under way at a time.
    case acquire(VirtualInterface)
    /// Take all addresses of the VIF off their interfaces, also those that are only partly there;
    /// answered by ``Event/released(_:_:)``.
    case release(VirtualInterface)
    /// Tell the neighbours, from the start of the series, where the VIF is.
    case announce(VirtualInterface)
    /// Drop everything of that series that has not been sent.
    case cancelAnnouncements(VIFID)
    /// An operator's command came to its end.
    case answer(Ticket, Answer)
    /// Write to stable storage whether this node is drained; the next engine of this node starts
    /// with it.
    case keep(drained: Bool)
    /// On a shared backend: an own message that was sent at this instant came back in the present
    /// view; so the group stood then, and this loop was part of it.
    case proven(Instant)
    /// One line for the log.
    case note(Note)
    /// Nothing is held, the peers know, and the process may end.
    case departed
  }
}
