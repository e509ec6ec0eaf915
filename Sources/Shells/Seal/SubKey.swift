// SPDX-License-Identifier: Apache-2.0

internal import CSodium
package import GroupModel
package import RingWire

/// The key of one boot of one member: it seals what that member sends until it restarts.
///
/// Derived from the cluster key, the cipher and the boot id (keyed BLAKE2b), so a counter that
/// starts at zero at every boot never repeats a nonce.
package final class SubKey {
  /// Why a key cannot be used.
  package enum Failure: Error, Equatable {
    /// The library or this processor cannot do the cipher.
    case unavailable(Cipher)
    /// There is no key at all.
    case noKey
  }

  package let cipher: Cipher
  /// The key, or the expanded key schedule of AES-256-GCM, which must be 16-byte aligned.
  private let state: UnsafeMutableRawPointer

  package init(_ key: ClusterKey, boot: BootID) throws(Failure) {
    guard key.cipher.isAvailable else { throw .unavailable(key.cipher) }
    cipher = key.cipher
    let bootID = boot.words.flatMap { word in
      (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * (7 - $0))) }
    }
    let context = Array("wackamole ring sub-key 1".utf8) + [cipher.rawValue] + bootID
    var subKey = [UInt8](repeating: 0, count: Cipher.keyLength)
    defer { sodium_memzero(&subKey, subKey.count) }
    crypto_generichash(
      &subKey,
      subKey.count,
      context,
      UInt64(context.count),
      key.secret,
      key.secret.count
    )
    state = .allocate(byteCount: seal_state_bytes(CInt(cipher.rawValue)), alignment: 16)
    seal_prepare(CInt(cipher.rawValue), state, subKey)
  }

  deinit {
    sodium_memzero(state, seal_state_bytes(CInt(cipher.rawValue)))
    state.deallocate()
  }

  /// Encrypts the body of a datagram in place and fills in its tag.
  ///
  /// `counter`, which is the header's, must never be used twice with one sub-key. A datagram without
  /// room for a header is left alone.
  package func seal(_ datagram: inout [UInt8], counter: UInt64) {
    guard datagram.count >= DatagramHeader.size else { return }
    datagram.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      seal_encrypt(
        CInt(cipher.rawValue),
        state,
        base + DatagramHeader.size,
        buffer.count - DatagramHeader.size,
        base + DatagramHeader.tagOffset,
        base,
        DatagramHeader.tagOffset,
        counter
      )
    }
  }

  /// Decrypts the body of a datagram in place.
  ///
  /// Returns false, and leaves the body of no use, if one bit of it, of the header, of the tag or of
  /// the key differs from what was sealed.
  package func open(_ datagram: inout [UInt8], counter: UInt64) -> Bool {
    guard datagram.count >= DatagramHeader.size else { return false }
    return datagram.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return false }
      return seal_decrypt(
        CInt(cipher.rawValue),
        state,
        base + DatagramHeader.size,
        buffer.count - DatagramHeader.size,
        base + DatagramHeader.tagOffset,
        base,
        DatagramHeader.tagOffset,
        counter
      ) == 0
    }
  }
}
