// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The identity of a view as the protocol carries it; users compare it for equality only.
package struct GroupID: Sendable, Hashable {
  /// Its length in bytes.
  package static let length = 12

  /// The IPv4 address of the leader of the ring, the first octet the highest.
  package let process: UInt32
  /// When the ring was formed, or another number that grows with rings.
  package let time: UInt32
  /// The number of the view within the ring.
  package let index: UInt32

  package init(process: UInt32, time: UInt32, index: UInt32) {
    (self.process, self.time, self.index) = (process, time, index)
  }

  init(_ order: ByteOrder, from reader: inout ByteReader) throws(WireError) {
    process = try reader.read(order)
    time = try reader.read(order)
    index = try reader.read(order)
  }

  func write(_ order: ByteOrder, to writer: inout ByteWriter) {
    writer.write(process, order)
    writer.write(time, order)
    writer.write(index, order)
  }
}
