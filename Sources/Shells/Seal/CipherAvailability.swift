// SPDX-License-Identifier: Apache-2.0

internal import CSodium
package import GroupModel

extension Cipher {
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
