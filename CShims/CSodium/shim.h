// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sodium.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// One interface to both ciphers, so that the caller has no pointer types to convert. `state` is the expanded key: 32 bytes for
// ChaCha20-Poly1305, crypto_aead_aes256gcm_statebytes() bytes aligned to 16 for AES-256-GCM.

enum { SEAL_CHACHA20_POLY1305 = 1, SEAL_AES_256_GCM = 2 };

static inline size_t seal_state_bytes(int cipher) {
  return cipher == SEAL_AES_256_GCM ? crypto_aead_aes256gcm_statebytes() : 32;
}

static inline void seal_prepare(int cipher, void *_Nonnull state, const uint8_t *_Nonnull key) {
  if (cipher == SEAL_AES_256_GCM)
    crypto_aead_aes256gcm_beforenm((crypto_aead_aes256gcm_state *)state, key);
  else
    memcpy(state, key, 32);
}

// The 96-bit nonce: four zero bytes, then the counter, big-endian.
static inline void seal_nonce(uint8_t nonce[_Nonnull 12], uint64_t counter) {
  memset(nonce, 0, 4);
  for (int index = 0; index < 8; index++) nonce[4 + index] = (uint8_t)(counter >> (8 * (7 - index)));
}

// Encrypts `length` bytes at `body` in place and writes the 16-byte tag over them and `header`.
static inline void seal_encrypt(int cipher, const void *_Nonnull state, uint8_t *_Nonnull body, size_t length,
                                uint8_t *_Nonnull tag, const uint8_t *_Nonnull header, size_t header_length,
                                uint64_t counter) {
  uint8_t nonce[12];
  seal_nonce(nonce, counter);
  if (cipher == SEAL_AES_256_GCM)
    crypto_aead_aes256gcm_encrypt_detached_afternm(body, tag, NULL, body, length, header, header_length, NULL, nonce,
                                                   (const crypto_aead_aes256gcm_state *)state);
  else
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(body, tag, NULL, body, length, header, header_length, NULL, nonce,
                                                       (const uint8_t *)state);
}

// Decrypts `length` bytes at `body` in place; returns 0 if they and `header` are authentic, and else leaves them of no use.
static inline int seal_decrypt(int cipher, const void *_Nonnull state, uint8_t *_Nonnull body, size_t length,
                               const uint8_t *_Nonnull tag, const uint8_t *_Nonnull header, size_t header_length,
                               uint64_t counter) {
  uint8_t nonce[12];
  seal_nonce(nonce, counter);
  if (cipher == SEAL_AES_256_GCM)
    return crypto_aead_aes256gcm_decrypt_detached_afternm(body, NULL, body, length, tag, header, header_length, nonce,
                                                          (const crypto_aead_aes256gcm_state *)state);
  return crypto_aead_chacha20poly1305_ietf_decrypt_detached(body, NULL, body, length, tag, header, header_length, nonce,
                                                            (const uint8_t *)state);
}
