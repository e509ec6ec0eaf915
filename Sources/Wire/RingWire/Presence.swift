// SPDX-License-Identifier: Apache-2.0

import Bytes
package import GroupModel

/// A sign of life to the members of one's ring.
package struct Beacon: Sendable, Equatable {
  package var sender: NodeID
  package var ring: RingID

  package init(sender: NodeID, ring: RingID) { (self.sender, self.ring) = (sender, ring) }

  init(reading reader: inout ByteReader) throws(WireError) {
    sender = try reader.readNode()
    ring = try reader.readRing()
  }

  func write(to writer: inout ByteWriter) {
    writer.write(sender)
    writer.write(ring)
  }
}

/// A representative tells those outside that its ring exists, and which rings it hears.
package struct Announcement: Sendable, Equatable {
  package var sender: NodeID
  package var ring: RingID
  package var members: Roster
  /// The rings whose announcements arrived lately.
  package var heard: [RingID]
  /// What all members of the ring have configured, and the sender still has.
  package var known: KnownMembers

  package init(
    sender: NodeID,
    ring: RingID,
    members: Roster,
    heard: [RingID],
    known: KnownMembers
  ) {
    (self.sender, self.ring, self.members, self.heard) = (sender, ring, members, heard)
    self.known = known
  }

  init(reading reader: inout ByteReader) throws(WireError) {
    sender = try reader.readNode()
    ring = try reader.readRing()
    members = try reader.readRoster("members")
    guard members.contains(sender) else { throw .malformed(field: "announcement") }
    heard = []
    for _ in 0..<(try reader.readCount("rings heard", limit: WireLimits.heardRings)) {
      heard.append(try reader.readRing())
    }
    known = try reader.readKnown()
  }

  func write(to writer: inout ByteWriter) {
    writer.write(sender)
    writer.write(ring)
    writer.write(members)
    writer.writeCount(heard.count)
    for ring in heard { writer.write(ring) }
    writer.write(known)
  }
}

/// A member with something to send asks the representative to let go of an idle token.
package struct Hurry: Sendable, Equatable {
  package var sender: NodeID
  package var ring: RingID

  package init(sender: NodeID, ring: RingID) { (self.sender, self.ring) = (sender, ring) }

  init(reading reader: inout ByteReader) throws(WireError) {
    sender = try reader.readNode()
    ring = try reader.readRing()
  }

  func write(to writer: inout ByteWriter) {
    writer.write(sender)
    writer.write(ring)
  }
}

/// A member says that this run of it ends.
package struct Departure: Sendable, Equatable {
  package var sender: NodeID
  package var incarnation: Incarnation

  package init(sender: NodeID, incarnation: Incarnation) {
    (self.sender, self.incarnation) = (sender, incarnation)
  }

  init(reading reader: inout ByteReader) throws(WireError) {
    sender = try reader.readNode()
    incarnation = Incarnation(try reader.read())
  }

  func write(to writer: inout ByteWriter) {
    writer.write(sender)
    writer.write(incarnation.rawValue)
  }
}
