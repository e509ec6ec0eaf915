// SPDX-License-Identifier: Apache-2.0

/// Builds a message; integers are big-endian.
package struct ByteWriter: Sendable, Equatable {
  package private(set) var bytes: [UInt8]

  package init(reserving capacity: Int = 0) {
    bytes = []
    bytes.reserveCapacity(capacity)
  }

  /// How many bytes have been written.
  package var count: Int { bytes.count }

  package mutating func write<T: FixedWidthInteger>(_ value: T) { append(value) }

  // Not generic, so that callers in other modules need no specialisation: ten times as fast.
  package mutating func write(_ value: UInt8) { bytes.append(value) }
  package mutating func write(_ value: UInt16) { append(value) }
  package mutating func write(_ value: UInt32) { append(value) }
  package mutating func write(_ value: UInt64) { append(value) }
  package mutating func write(_ value: UInt128) { append(value) }
  package mutating func write(_ more: ArraySlice<UInt8>) { bytes.append(contentsOf: more) }
  package mutating func write(_ more: [UInt8]) { bytes.append(contentsOf: more) }

  private mutating func append<T: FixedWidthInteger>(_ value: T) {
    withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
  }

  package mutating func write(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

  /// Overwrites an integer written before, for a length or a count known only later.
  ///
  /// The integer must lie wholly within what was written.
  package mutating func patch<T: FixedWidthInteger>(_ value: T, at offset: Int) {
    let width = T.bitWidth / 8
    precondition(offset >= 0 && offset + width <= bytes.count, "patch beyond what was written")
    for index in 0..<width {
      bytes[offset + index] = UInt8(
        truncatingIfNeeded: value >> T(truncatingIfNeeded: 8 * (width - 1 - index))
      )
    }
  }
}
