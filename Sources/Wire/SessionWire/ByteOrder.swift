// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The order of a writer's bytes within an integer, told by two marks in the integer itself.
///
/// The protocol has no order of its own: each side writes in its native one, and marks it in the
/// words `type` and `hint`.
package enum ByteOrder: Sendable, Hashable {
  case little
  case big

  /// The bits of a marked word that a little-endian writer sets; the same after a byte swap.
  package static let marks: UInt32 = 0x8000_0080

  /// Reads the marks of a word, given as its four bytes were on the wire, the first the highest.
  ///
  /// - Throws: `malformed` if one mark is set without the other.
  init(marksOf word: UInt32, field: StaticField) throws(WireError) {
    switch word & Self.marks {
    case Self.marks: self = .little
    case 0: self = .big
    default: throw .malformed(field: field)
    }
  }

  /// The value of a word, given as its four bytes were on the wire, the first the highest.
  func value(of word: UInt32) -> UInt32 {
    switch self {
    case .little: word.byteSwapped
    case .big: word
    }
  }

  /// The marks that a writer of this order sets.
  var ownMarks: UInt32 {
    switch self {
    case .little: Self.marks
    case .big: 0
    }
  }
}

extension ByteWriter {
  mutating func write(_ value: UInt32, _ order: ByteOrder) { write(order.value(of: value)) }
}

extension ByteReader {
  mutating func read(_ order: ByteOrder) throws(WireError) -> UInt32 {
    order.value(of: try read(UInt32.self))
  }
}
