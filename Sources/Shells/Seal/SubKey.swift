// SPDX-License-Identifier: Apache-2.0

internal import CSodium
internal import RingWire

/// The key of one boot of one member: it seals what that member sends until it restarts.
///
/// Derived from the cluster key, the cipher and the boot id (keyed BLAKE2b), so a counter that
/// starts at zero at every boot never repeats a nonce.
package final class SubKey {
  /// Why a key cannot be used.
  package enum Failure: Error, Equatable {
    /// The library or this processor cannot do the cipher.
    case unavailable(Cipher)
    /// A key must be 32 bytes.
    case keyLength(Int)
  }

  package let cipher: Cipher
  /// The key, or the expanded key schedule of AES-256-GCM, which must be 16-byte aligned.
  private let state: UnsafeMutableRawPointer

  package init(
    cipher: Cipher,
    clusterKey: [UInt8],
    bootID: [UInt8]
  ) throws(Failure) {
    guard cipher.isAvailable else { throw .unavailable(cipher) }
    guard clusterKey.count == Cipher.keyLength else { throw .keyLength(clusterKey.count) }
    self.cipher = cipher
    let context = Array("wackamole ring sub-key 1".utf8) + [cipher.rawValue] + bootID
    var key = [UInt8](repeating: 0, count: Cipher.keyLength)
    defer { sodium_memzero(&key, key.count) }
    crypto_generichash(
      &key,
      key.count,
      context,
      UInt64(context.count),
      clusterKey,
      clusterKey.count
    )
    state = .allocate(byteCount: seal_state_bytes(CInt(cipher.rawValue)), alignment: 16)
    seal_prepare(CInt(cipher.rawValue), state, key)
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
