// SPDX-License-Identifier: Apache-2.0

import GroupModel

/// Tags that depend on every byte of key and statement, and that no key protects.
struct FakeAuthenticator: PayloadAuthenticator {
  /// The keys by number; new tags are made with the first.
  var keys: [(id: UInt16, secret: UInt64)]

  var keyID: UInt16 { keys[0].id }

  func tag(of statement: [UInt8]) -> PayloadTag { Self.tag(of: statement, keys[0].secret) }

  func judge(_ tag: PayloadTag, of statement: [UInt8], by key: UInt16) -> PayloadVerdict {
    guard let secret = keys.first(where: { $0.id == key })?.secret else { return .unknownKey }
    return Self.tag(of: statement, secret) == tag ? .genuine : .forged
  }

  private static func tag(of statement: [UInt8], _ secret: UInt64) -> PayloadTag {
    var sum = secret
    for byte in statement { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return PayloadTag(sum, ~sum)
  }

  static func == (lhs: Self, rhs: Self) -> Bool {
    lhs.keys.elementsEqual(rhs.keys) { $0 == $1 }
  }
}
