// SPDX-License-Identifier: Apache-2.0

/// An authenticated cipher for datagrams.
package enum Cipher: UInt8, Sendable, Hashable, CaseIterable {
  /// ChaCha20-Poly1305 (RFC 8439): fast on every machine; the default.
  case chaCha20Poly1305 = 1
  /// AES-256-GCM: faster where the processor has AES and carry-less multiplication.
  case aes256GCM = 2

  /// The length of a key of either cipher, in bytes.
  package static let keyLength = 32

  /// The name used in key files.
  package var name: String {
    switch self {
    case .chaCha20Poly1305: "chacha20-poly1305"
    case .aes256GCM: "aes-256-gcm"
    }
  }

  package init?(name: String) {
    guard let cipher = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = cipher
  }
}

/// One cluster key: the secret that members share, and the number that datagrams name it by.
package struct ClusterKey: Sendable, Hashable {
  /// Not 0, which means unsealed.
  package let id: UInt16
  package let cipher: Cipher
  /// ``Cipher/keyLength`` bytes.
  package let secret: [UInt8]

  /// Is `nil` for the id 0 or a secret of the wrong length.
  package init?(id: UInt16, cipher: Cipher, secret: [UInt8]) {
    guard id != 0, secret.count == Cipher.keyLength else { return nil }
    (self.id, self.cipher, self.secret) = (id, cipher, secret)
  }
}
