// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// What the ring hands to the layer above, in its one total order (spec rules A).
package enum Delivery: Sendable, Equatable {
  case message(Message)
  /// The transitional configuration: those members of the last regular one that go on together.
  case transitional(TransitionalConfiguration)
  /// The next regular configuration.
  case regular(RegularConfiguration)

  /// A message in its place in the order.
  package struct Message: Sendable, Equatable {
    package let sender: NodeID
    package let service: Service
    /// The configuration the message was sent in.
    package let ring: RingID
    package let payload: ArraySlice<UInt8>

    package init(sender: NodeID, service: Service, ring: RingID, payload: ArraySlice<UInt8>) {
      self.sender = sender
      self.service = service
      self.ring = ring
      self.payload = payload
    }
  }

  package struct TransitionalConfiguration: Sendable, Equatable {
    /// The regular configuration that it follows.
    package let from: RingID
    /// The regular configuration that comes next.
    package let to: RingID
    /// A subset of the members of `from`, and of `to`.
    package let members: Roster

    package init(from: RingID, to: RingID, members: Roster) {
      (self.from, self.to, self.members) = (from, to, members)
    }
  }

  package struct RegularConfiguration: Sendable, Equatable {
    package let ring: RingID
    package let members: Roster
    /// Those that came from this member's previous configuration together with it: the members of
    /// the transitional configuration just delivered.
    package let cameTogether: Roster

    package init(ring: RingID, members: Roster, cameTogether: Roster) {
      (self.ring, self.members, self.cameTogether) = (ring, members, cameTogether)
    }
  }
}
