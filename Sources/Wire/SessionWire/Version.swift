// SPDX-License-Identifier: Apache-2.0

/// The release of a client or daemon, as the handshake tells it.
package struct Version: Sendable, Hashable {
  package let major: UInt8
  package let minor: UInt8
  /// 0 where the handshake does not carry it.
  package let patch: UInt8

  package init(_ major: UInt8, _ minor: UInt8, _ patch: UInt8 = 0) {
    (self.major, self.minor, self.patch) = (major, minor, patch)
  }

  /// What this project says it is, so that it is taken for a 4.x release.
  package static let own = Version(4, 4, 0)

  /// One number that grows with releases; decides which fields a handshake has.
  package var number: Int { Int(major) * 10_000 + Int(minor) * 100 + Int(patch) }

  /// Whether CONNECT of this release has a patch byte.
  package var sendsPatch: Bool { Int(major) * 10_000 + Int(minor) * 100 > 31_400 }
  /// Whether ACCEPT to this release has a patch byte.
  package var expectsPatch: Bool { number >= 31_500 }
  /// Whether the release names an authentication method.
  package var authenticates: Bool { number >= 31_600 }
  /// Whether the release is older than any that is served.
  package var isTooOld: Bool { number < 30_100 }
}

extension Version: CustomStringConvertible {
  package var description: String { "\(major).\(minor).\(patch)" }
}

/// Why a daemon refuses a session, as the signed byte it sends.
package enum Refusal: Int8, Error, Sendable, Hashable, CaseIterable {
  /// There are too many sessions.
  case quota = -3
  /// Historic: a session without a name.
  case noName = -4
  /// The name is too long, or has bytes outside 0x24 to 0x7E.
  case illegalName = -5
  /// The name is in use at this daemon.
  case notUnique = -6
  /// The client is too old.
  case version = -7
  /// No method of authentication succeeded.
  case authentication = -9

  /// The byte as it is on the wire.
  package var byte: UInt8 { UInt8(bitPattern: rawValue) }
}

/// What a prefix of a stream holds.
package enum Parsed<Value: Sendable & Equatable>: Sendable, Equatable {
  /// More bytes are needed.
  case incomplete
  /// A value, and how many bytes it took.
  case complete(Value, length: Int)
}
