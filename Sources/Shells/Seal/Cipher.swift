// SPDX-License-Identifier: Apache-2.0

internal import CSodium

/// An authenticated cipher for datagrams.
package enum Cipher: UInt8, Sendable, Hashable, CaseIterable {
  /// ChaCha20-Poly1305 (RFC 8439): fast on every machine; the default.
  case chaCha20Poly1305 = 1
  /// AES-256-GCM: faster where the processor has AES and carry-less multiplication.
  case aes256GCM = 2

  /// The length of the authentication tag of either cipher, in bytes.
  package static let tagLength = 16
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

  /// Whether this machine can do it.
  package var isAvailable: Bool {
    guard SodiumLibrary.isReady else { return false }
    return switch self {
    case .chaCha20Poly1305: true
    case .aes256GCM: crypto_aead_aes256gcm_is_available() == 1
    }
  }
}

/// The library's one-time initialisation.
enum SodiumLibrary {
  /// Whether the library is usable; it is initialised at the first look.
  static let isReady = sodium_init() >= 0
}

/// Key material from the operating system.
package enum KeyMaterial {
  /// Returns unpredictable bytes; blocks only before the kernel's generator is seeded at boot.
  package static func random(count: Int) -> [UInt8] {
    guard SodiumLibrary.isReady, count > 0 else { return [] }
    return Array(unsafeUninitializedCapacity: count) { buffer, filled in
      guard let base = buffer.baseAddress else { return }
      randombytes_buf(base, count)
      filled = count
    }
  }
}
