// SPDX-License-Identifier: Apache-2.0

import Seal
import Testing

@Suite("Sub-keys seal and open")
struct SubKeyTests {
  let clusterKey = [UInt8](repeating: 7, count: 32)
  let boot = [UInt8](0..<32)
  let header: [UInt8] = [1, 2, 3, 4]

  @Test("What is sealed opens, whatever its length", arguments: Cipher.allCases)
  func roundTrip(cipher: Cipher) throws {
    guard cipher.isAvailable else { return }
    let key = try SubKey(cipher: cipher, clusterKey: clusterKey, bootID: boot)
    for length in [0, 1, 15, 16, 1_400, 60_000] {
      let plain = (0..<length).map { UInt8(truncatingIfNeeded: $0) }
      var sealed = header
      key.seal(plain[...], header: header[...], counter: UInt64(length), into: &sealed)
      #expect(sealed.count == header.count + length + Cipher.tagLength)
      let body = sealed.dropFirst(header.count)
      #expect(key.open(body, header: header[...], counter: UInt64(length)) == plain)
    }
  }

  @Test("Any changed bit, header, counter, boot or key is refused", arguments: Cipher.allCases)
  func refused(cipher: Cipher) throws {
    guard cipher.isAvailable else { return }
    let key = try SubKey(cipher: cipher, clusterKey: clusterKey, bootID: boot)
    var sealed: [UInt8] = []
    key.seal([9, 8, 7], header: header[...], counter: 5, into: &sealed)
    for bit in 0..<sealed.count * 8 {
      var changed = sealed
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(key.open(changed[...], header: header[...], counter: 5) == nil)
    }
    #expect(key.open(sealed[...], header: [1, 2, 3, 5], counter: 5) == nil)
    #expect(key.open(sealed[...], header: header[...], counter: 6) == nil)
    for cut in 0..<sealed.count {
      #expect(key.open(sealed[..<cut], header: header[...], counter: 5) == nil)
    }
    let otherBoot = try SubKey(cipher: cipher, clusterKey: clusterKey, bootID: boot.reversed())
    #expect(otherBoot.open(sealed[...], header: header[...], counter: 5) == nil)
    let otherKey = try SubKey(
      cipher: cipher,
      clusterKey: [UInt8](repeating: 8, count: 32),
      bootID: boot
    )
    #expect(otherKey.open(sealed[...], header: header[...], counter: 5) == nil)
  }

  @Test("A key of the wrong length is refused")
  func keyLength() {
    #expect(throws: SubKey.Failure.keyLength(31)) {
      _ = try SubKey(
        cipher: .chaCha20Poly1305,
        clusterKey: [UInt8](repeating: 7, count: 31),
        bootID: boot
      )
    }
  }
}
