// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import GroupModel

/// A guardian reports, in words that its daemon sealed while it lived, that this run of it is dead.
///
/// It names no ring, so that it holds whenever it is sent. The boot it speaks of is in the header.
package struct Obituary: Sendable, Equatable {
  package var sender: NodeID
  package var incarnation: Incarnation

  package init(sender: NodeID, incarnation: Incarnation) {
    (self.sender, self.incarnation) = (sender, incarnation)
  }

  /// Decodes a body that was not sealed, or has been opened.
  package init(decoding body: ArraySlice<UInt8>) throws(WireError) {
    var reader = ByteReader(body)
    sender = try reader.readNode()
    incarnation = Incarnation(try reader.read())
    try reader.finish()
  }

  /// Appends the body, without a header.
  package func write(to writer: inout ByteWriter) {
    writer.write(sender)
    writer.write(incarnation.rawValue)
  }

  /// What it means to a ring: the member is gone, and its addresses with it.
  package var departure: Departure { Departure(sender: sender, incarnation: incarnation) }
}
