// SPDX-License-Identifier: Apache-2.0

/// Up to 31 bytes of text held in place, so that names are compared and copied like integers.
///
/// Bytes are packed big-endian and padded with zeros: integer order is byte order.
package struct InlineName: Sendable, Hashable, Comparable {
  /// The longest name, in bytes.
  package static let capacity = 31

  private let high: UInt128
  private let low: UInt128

  /// Takes the bytes as they are; `nil` if there are more than 31, or one of them is zero.
  package init?(_ bytes: some Collection<UInt8>) {
    // Of one type from here on: names are read by the thousand.
    self.init(Array(bytes)[...])
  }

  /// Takes the bytes as they are, by the same rule.
  package init?(_ bytes: ArraySlice<UInt8>) {
    guard bytes.count <= Self.capacity else { return nil }
    var words: (high: UInt128, low: UInt128) = (0, 0)
    let isText = bytes.withUnsafeBytes { source in
      withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: source) }
      return !source.contains(0)
    }
    guard isText else { return nil }
    (high, low) = (UInt128(bigEndian: words.high), UInt128(bigEndian: words.low))
  }

  /// The name of no bytes.
  package static let empty = InlineName(high: 0, low: 0)

  private init(high: UInt128, low: UInt128) { (self.high, self.low) = (high, low) }

  /// The bytes as two big-endian integers, padded with zeros to 32.
  package var words: (high: UInt128, low: UInt128) { (high, low) }

  /// This name and another behind it, cut at ``capacity`` bytes.
  package func appending(_ other: Self) -> Self {
    let bits = 8 * count
    let (high, low) =
      bits < 128
      ? (
        high | other.high >> bits,
        low | other.low >> bits | (bits > 0 ? other.high << (128 - bits) : 0)
      )
      : (high, low | other.high >> (bits - 128))
    // The last of 32 bytes is never part of a name.
    return Self(high: high, low: low & ~0xFF)
  }

  /// The first byte; zero if there is none.
  package var first: UInt8 { UInt8(truncatingIfNeeded: high >> 120) }

  /// How many bytes it has.
  package var count: Int {
    let bits = low != 0 ? 256 - low.trailingZeroBitCount : 128 - high.trailingZeroBitCount
    return (bits + 7) / 8
  }

  /// The bytes, without padding.
  package var bytes: [UInt8] {
    withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { Array($0.prefix(count)) }
  }

  /// The bytes as text.
  package var text: String { String(decoding: bytes, as: UTF8.self) }

  package static func < (lhs: Self, rhs: Self) -> Bool {
    (lhs.high, lhs.low) < (rhs.high, rhs.low)
  }
}
