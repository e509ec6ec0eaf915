// SPDX-License-Identifier: Apache-2.0

/// Why bytes could not be decoded: what the counter counts and the log line says.
package enum WireError: Error, Sendable, Equatable {
  /// The bytes end before the field does.
  case truncated(needed: Int, available: Int)
  /// Bytes are left after the last field.
  case trailing(count: Int)
  /// A field that selects a variant holds a value with no meaning.
  case unknown(field: StaticField, value: UInt64)
  /// A count or a length exceeds what the format or this reader allows.
  case excessive(field: StaticField, value: UInt64, limit: UInt64)
  /// A field breaks a rule of the format.
  case malformed(field: StaticField)
}

/// The name of a wire field, for errors and counters.
package struct StaticField: Sendable, Hashable, ExpressibleByStringLiteral {
  package let name: String
  package init(stringLiteral name: String) { self.name = name }
}
