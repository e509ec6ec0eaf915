// SPDX-License-Identifier: Apache-2.0

package import GroupModel

extension GroupsEngine {
  /// What can happen to the group layer of a daemon.
  package enum Event: Sendable, Equatable {
    /// The ring delivered something, in its one total order. Best given when the engine is not busy:
    /// otherwise what is left is done first, however long it takes.
    case ring(RingEvent)
    /// A local process connects under a name.
    case connect(InlineName)
    /// A local process asks for something.
    case request(GroupRequest, from: InlineName)
    /// A local process is gone without a word; nothing more is delivered to it.
    case crash(InlineName)
    /// The ring takes no more messages for now, or takes them again.
    case congested(Bool)
  }

  /// What the ring below hands up (spec rules A).
  package enum RingEvent: Sendable, Equatable {
    case message(OrderedMessage)
    /// The transitional configuration: those members of the last regular one that go on together to
    /// the ring `to`, whose regular configuration comes next.
    case transitional(to: RingID, members: Roster)
    /// The next regular configuration; `cameTogether` are the members of the transitional one.
    case regular(ring: RingID, members: Roster, cameTogether: Roster)
  }

  /// A message in its place in the ring's order.
  package struct OrderedMessage: Sendable, Equatable {
    package let sender: NodeID
    package let service: Service
    package let payload: ArraySlice<UInt8>

    package init(sender: NodeID, service: Service, payload: ArraySlice<UInt8>) {
      (self.sender, self.service, self.payload) = (sender, service, payload)
    }
  }
}
