// SPDX-License-Identifier: Apache-2.0

internal import CSodium

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

  /// Appends the sealed form of `plain`, its length plus the tag's, to `output`.
  ///
  /// `counter` must never be used twice with one sub-key; `header` is authenticated with it.
  package func seal(
    _ plain: ArraySlice<UInt8>,
    header: ArraySlice<UInt8>,
    counter: UInt64,
    into output: inout [UInt8]
  ) {
    let start = output.count
    output.append(contentsOf: repeatElement(0, count: plain.count + Cipher.tagLength))
    output.withUnsafeMutableBufferPointer { output in
      guard let base = output.baseAddress else { return }
      plain.withUnsafeBufferPointer { plain in
        header.withUnsafeBufferPointer { header in
          seal_encrypt(
            CInt(cipher.rawValue),
            state,
            base + start,
            plain.baseAddress,
            plain.count,
            header.baseAddress,
            header.count,
            counter
          )
        }
      }
    }
  }

  /// Returns what was sealed, or `nil` if one bit of it, of the header or of the key differs.
  package func open(
    _ sealed: ArraySlice<UInt8>,
    header: ArraySlice<UInt8>,
    counter: UInt64
  ) -> [UInt8]? {
    guard sealed.count >= Cipher.tagLength else { return nil }
    let length = sealed.count - Cipher.tagLength
    var authentic = false
    // One byte more than needed, so that there is a buffer for an empty message too.
    let plain = [UInt8](unsafeUninitializedCapacity: length + 1) { buffer, filled in
      sealed.withUnsafeBufferPointer { sealed in
        header.withUnsafeBufferPointer { header in
          guard let target = buffer.baseAddress, let source = sealed.baseAddress else { return }
          authentic =
            seal_decrypt(
              CInt(cipher.rawValue),
              state,
              target,
              source,
              sealed.count,
              header.baseAddress,
              header.count,
              counter
            ) == 0
        }
      }
      filled = authentic ? length : 0
    }
    return authentic ? plain : nil
  }
}
