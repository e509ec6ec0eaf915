// SPDX-License-Identifier: Apache-2.0

/// Proves that a payload was written by somebody who has the cluster's key.
///
/// A value: two are equal exactly when they have the same keys in the same roles.
package protocol PayloadAuthenticator: Sendable, Equatable {
  /// The key that new tags are made with.
  var keyID: UInt16 { get }

  /// The tag of a statement under the key ``keyID``.
  func tag(of statement: [UInt8]) -> PayloadTag

  /// Judges a tag that somebody says was made of the statement with a key.
  func judge(_ tag: PayloadTag, of statement: [UInt8], by key: UInt16) -> PayloadVerdict
}

/// What a ``PayloadAuthenticator`` finds.
package enum PayloadVerdict: Sendable, Hashable {
  case genuine
  case forged
  /// There is no key of that number here.
  case unknownKey
}

/// A message authentication code of 128 bits.
package struct PayloadTag: Sendable, Hashable {
  /// In bytes.
  package static let size = 16

  private let high: UInt64
  private let low: UInt64

  package init(_ high: UInt64, _ low: UInt64) { (self.high, self.low) = (high, low) }

  /// The code as two integers, the first bytes in the first.
  package var words: [UInt64] { [high, low] }
}
