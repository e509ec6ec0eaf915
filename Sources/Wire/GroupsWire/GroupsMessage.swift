// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// What the daemons' group layers say to each other, each in one message of the ring.
///
/// The daemon that says it is the ring message's sender, so a process is named without its node.
package enum GroupsMessage: Sendable, Equatable {
  /// A process enters a group.
  case join(process: InlineName, group: GroupName)
  /// A process leaves a group.
  case leave(process: InlineName, group: GroupName)
  /// A process is gone, and with it all its memberships.
  case disconnect(process: InlineName)
  /// A process sends to groups and to private names.
  case data(Multicast)
  /// A part of what one synced set knows, after a ring change.
  case state(StateChunk)
}

/// A message of a process, as the ring carries it.
package struct Multicast: Sendable, Equatable {
  /// The most destinations of one message.
  package static let destinationLimit = 100
  /// The most bytes that precede a payload on the wire: kind, sender, tag, destinations.
  package static let longestHeader = 1 + 32 + 2 + 1 + destinationLimit * 32

  package let sender: InlineName
  /// The sender's own mark.
  package let tag: Int16
  /// Groups and private names, as the sender listed them; 1 to ``destinationLimit``.
  package let destinations: [GroupName]
  package let payload: ArraySlice<UInt8>

  package init(
    sender: InlineName,
    tag: Int16,
    destinations: [GroupName],
    payload: ArraySlice<UInt8>
  ) {
    (self.sender, self.tag) = (sender, tag)
    (self.destinations, self.payload) = (destinations, payload)
  }
}

/// A part of the group table of one synced set: its lowest member speaks for all of it.
package struct StateChunk: Sendable, Equatable {
  /// The configuration whose exchange this belongs to.
  package let ring: RingID
  /// The daemons of the synced set; the sender is the lowest.
  package let speaksFor: Roster
  /// The place among the chunks of this sender and ring, from 0.
  package let number: UInt32
  /// Whether the table is complete with this chunk.
  package let isLast: Bool
  package let groups: [GroupRecord]

  package init(
    ring: RingID,
    speaksFor: Roster,
    number: UInt32,
    isLast: Bool,
    groups: [GroupRecord]
  ) {
    (self.ring, self.speaksFor, self.number) = (ring, speaksFor, number)
    (self.isLast, self.groups) = (isLast, groups)
  }

  /// A group, or a part of it: one with many members takes several records in a row.
  package struct GroupRecord: Sendable, Equatable {
    package let name: GroupName
    package let id: ViewID
    /// Whether it lost members since its last view, and owes one.
    package let isChanged: Bool
    package let members: [Member]

    package init(name: GroupName, id: ViewID, isChanged: Bool, members: [Member]) {
      (self.name, self.id, self.isChanged, self.members) = (name, id, isChanged, members)
    }

    /// The length on the wire without its members, in bytes.
    package static func length(of name: GroupName) -> Int { 24 + name.name.count }
  }

  /// A member of a group.
  package struct Member: Sendable, Equatable {
    /// The place of its daemon in ``StateChunk/speaksFor``.
    package let node: UInt16
    package let process: InlineName

    package init(node: UInt16, process: InlineName) {
      (self.node, self.process) = (node, process)
    }

    /// The length on the wire, in bytes.
    package static func length(of process: InlineName) -> Int { 3 + process.count }
  }
}
