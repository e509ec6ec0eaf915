// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import FailoverWire
package import GroupModel

extension FailoverEngine {
  /// What can happen to a fail-over member.
  package enum Event: Sendable, Equatable {
    /// The port to group communication said something.
    case group(GroupEvent)
    /// A request of ``Effect/request(_:)`` was not taken by the port.
    case refused(GroupRequest, GroupRefusal)
    /// The state of an interface, at start for each that a VIF names and then at every change.
    case link(InterfaceName, LinkState)
    /// The kernel is done with ``Effect/acquire(_:)``.
    case acquired(VIFID, Outcome)
    /// The kernel is done with ``Effect/release(_:)``.
    case released(VIFID, Outcome)
    /// Nothing was done about ``Effect/acquire(_:)``: it was overtaken by a change of membership.
    case recalled(VIFID)
    /// A VIF that stood on its interfaces cannot be kept there; the text says why.
    case lost(VIFID, String)
    /// All of this node's health checks that fail now, in any order: what is not among them passes.
    ///
    /// Rise and fall, that is when a check counts as failing, are its shell's business.
    case checks([FailingCheck])
    /// An operator asks for something.
    case command(Command, Ticket)
    /// The guardian of a node's dead daemon says that its addresses are gone: what it held may be
    /// acquired without waiting for its lease, once it has left the view.
    case obituary(NodeID)
    /// The member is to hand over and leave (TERM); ends in ``Effect/departed``.
    case leave
  }

  /// How a request to the kernel ended.
  package enum Outcome: Sendable, Equatable {
    /// All addresses of the VIF are as asked; also if they had been so before.
    case done
    /// Some are not; the text is the kernel's reason.
    case failed(String)
  }
}
