// SPDX-License-Identifier: Apache-2.0

import Bytes
package import GroupModel

/// The right to order messages on one ring, and what its members know of each other.
///
/// Source: Totem (TOCS 1995), section 3.1.
package struct Token: Sendable, Equatable {
  package var sender: NodeID
  package var ring: RingID
  /// Rises by one with each pass, so that a repeated token is recognised.
  package var hop: UInt64
  /// The highest sequence number assigned.
  package var sequence: UInt64
  /// All-received-up-to: every member holds everything at or below this, once it came round twice.
  package var aru: UInt64
  /// Who lowered `aru`, and alone may raise it; `nil` if it equals `sequence`.
  package var aruHolder: NodeID?
  /// Who ordered a packet last: the idle token rests there; `nil` if nobody has on this ring.
  package var lastSender: NodeID?
  /// What all members reported in the last whole round; a round begins at the representative.
  package var lastRound: Report
  /// What those reported that the token has visited in the present round.
  package var thisRound: Report
  /// What members lack, in ascending ranges that do not overlap.
  package var requests: [SequenceRange]

  package init(sender: NodeID, ring: RingID) {
    (self.sender, self.ring) = (sender, ring)
    (hop, sequence, aru, aruHolder, lastSender) = (0, 0, 0, nil, nil)
    (lastRound, thisRound, requests) = (Report(), Report(), [])
  }

  /// Sums over members, made anew in each round so that a wrong one does not stay.
  package struct Report: Sendable, Equatable {
    /// Packets retransmitted at the visit.
    package var retransmitted: UInt32
    /// Packets that wait to be sent; during Recovery, old messages to be rebroadcast.
    package var backlog: UInt32

    package init(retransmitted: UInt32 = 0, backlog: UInt32 = 0) {
      (self.retransmitted, self.backlog) = (retransmitted, backlog)
    }
  }
}

/// Consecutive sequence numbers, both ends included; never empty.
package struct SequenceRange: Sendable, Hashable {
  package let first: UInt64
  package let last: UInt64

  /// - Returns: `nil` unless `first <= last`.
  package init?(_ first: UInt64, _ last: UInt64) {
    guard first <= last else { return nil }
    (self.first, self.last) = (first, last)
  }
}

extension Token {
  init(reading reader: inout ByteReader) throws(WireError) {
    sender = try reader.readNode()
    ring = try reader.readRing()
    hop = try reader.readSequence()
    sequence = try reader.readSequence()
    aru = try reader.readSequence()
    guard aru <= sequence else { throw .malformed(field: "aru") }
    aruHolder = try reader.readOptionalNode()
    lastSender = try reader.readOptionalNode()
    lastRound = try Report(reading: &reader)
    thisRound = try Report(reading: &reader)
    requests = []
    let count = try reader.readCount("requests", limit: WireLimits.requests)
    requests.reserveCapacity(count)
    var previous: UInt64 = 0
    for _ in 0..<count {
      let (first, last) = (try reader.readSequence(), try reader.readSequence())
      guard let range = SequenceRange(first, last), first > previous, last <= sequence else {
        throw .malformed(field: "request")
      }
      requests.append(range)
      previous = last
    }
  }

  func write(to writer: inout ByteWriter) {
    writer.write(sender)
    writer.write(ring)
    writer.write(hop)
    writer.write(sequence)
    writer.write(aru)
    writer.write(aruHolder)
    writer.write(lastSender)
    lastRound.write(to: &writer)
    thisRound.write(to: &writer)
    writer.writeCount(requests.count)
    for range in requests {
      writer.write(range.first)
      writer.write(range.last)
    }
  }
}

extension Token.Report {
  fileprivate init(reading reader: inout ByteReader) throws(WireError) {
    retransmitted = try reader.read()
    backlog = try reader.read()
  }

  fileprivate func write(to writer: inout ByteWriter) {
    writer.write(retransmitted)
    writer.write(backlog)
  }
}
