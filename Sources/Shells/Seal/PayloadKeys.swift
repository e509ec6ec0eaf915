// SPDX-License-Identifier: Apache-2.0

internal import CSodium
package import GroupModel

/// The cluster's keys as what tags the payloads of a shared group: keyed BLAKE2b (RFC 7693).
///
/// Each is derived from a cluster key under a context of its own, so that one key file may serve
/// both a ring and a group without a tag of the one meaning anything to the other. There is no boot
/// id in it: members of one view are told apart by what the tag is over.
package struct PayloadKeys: PayloadAuthenticator {
  private struct Key: Sendable, Equatable {
    let id: UInt16
    let bytes: [UInt8]
  }

  private let first: Key
  /// What others may use while keys are exchanged.
  private let second: Key?

  /// Takes the keys in the order of their file: the first makes tags, the second is accepted too;
  /// `nil` if there is none, or the library does not work.
  package init?(_ keys: [ClusterKey]) {
    guard SodiumLibrary.isReady, let first = keys.first, keys.count <= 2 else { return nil }
    self.first = Self.key(from: first)
    second = keys.dropFirst().first.map(Self.key)
  }

  private static func key(from key: ClusterKey) -> Key {
    let context = Array("wackamole payload key 1".utf8) + [key.cipher.rawValue]
    return Key(id: key.id, bytes: hash(context, key: key.secret, count: Cipher.keyLength))
  }

  package var keyID: UInt16 { first.id }

  package func tag(of statement: [UInt8]) -> PayloadTag { Self.tag(of: statement, by: first) }

  package func judge(
    _ tag: PayloadTag,
    of statement: [UInt8],
    by id: UInt16
  ) -> PayloadVerdict {
    guard let key = first.id == id ? first : second?.id == id ? second : nil else {
      return .unknownKey
    }
    return Self.isSame(tag, as: Self.tag(of: statement, by: key)) ? .genuine : .forged
  }

  private static func tag(of statement: [UInt8], by key: Key) -> PayloadTag {
    let bytes = hash(statement, key: key.bytes, count: PayloadTag.size)
    let words = stride(from: 0, to: PayloadTag.size, by: 8).map { start in
      bytes[start..<start + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }
    return PayloadTag(words[0], words[1])
  }

  /// Compares in a time that does not depend on where they differ.
  private static func isSame(_ one: PayloadTag, as other: PayloadTag) -> Bool {
    let (left, right) = (one.words, other.words)
    return sodium_memcmp(left, right, PayloadTag.size) == 0
  }

  private static func hash(_ text: [UInt8], key: [UInt8], count: Int) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: count)
    crypto_generichash(&output, count, text, UInt64(text.count), key, key.count)
    return output
  }
}
