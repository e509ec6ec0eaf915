// SPDX-License-Identifier: Apache-2.0

import RingWire
import Seal
import Testing

@Suite("Sub-keys seal and open")
struct SubKeyTests {
  let clusterKey = [UInt8](repeating: 7, count: 32)
  let boot = [UInt8](0..<32)

  /// A datagram of a header and `length` bytes.
  private func datagram(_ length: Int) -> [UInt8] {
    (0..<DatagramHeader.size + length).map { UInt8(truncatingIfNeeded: $0 &* 31) }
  }

  @Test("What is sealed opens, whatever its length", arguments: Cipher.allCases)
  func roundTrip(cipher: Cipher) throws {
    guard cipher.isAvailable else { return }
    let key = try SubKey(cipher: cipher, clusterKey: clusterKey, bootID: boot)
    for length in [0, 1, 15, 16, 1_400, 60_000] {
      let plain = datagram(length)
      var sealed = plain
      key.seal(&sealed, counter: UInt64(length))
      #expect(sealed.count == plain.count)
      #expect(sealed[..<DatagramHeader.tagOffset] == plain[..<DatagramHeader.tagOffset])
      if length >= 15 { #expect(sealed.suffix(length) != plain.suffix(length)) }
      #expect(key.open(&sealed, counter: UInt64(length)))
      #expect(sealed.suffix(length) == plain.suffix(length))
    }
  }

  @Test("Any changed bit, counter, boot or key is refused", arguments: Cipher.allCases)
  func refused(cipher: Cipher) throws {
    guard cipher.isAvailable else { return }
    let key = try SubKey(cipher: cipher, clusterKey: clusterKey, bootID: boot)
    var sealed = datagram(3)
    key.seal(&sealed, counter: 5)
    for bit in 0..<sealed.count * 8 {
      var changed = sealed
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(!key.open(&changed, counter: 5), "bit \(bit)")
    }
    for cut in 0..<sealed.count {
      var short = Array(sealed[..<cut])
      #expect(!key.open(&short, counter: 5), "cut to \(cut)")
    }
    var copy = sealed
    #expect(!key.open(&copy, counter: 6))
    let otherBoot = try SubKey(cipher: cipher, clusterKey: clusterKey, bootID: boot.reversed())
    copy = sealed
    #expect(!otherBoot.open(&copy, counter: 5))
    let otherKey = try SubKey(
      cipher: cipher,
      clusterKey: [UInt8](repeating: 8, count: 32),
      bootID: boot
    )
    copy = sealed
    #expect(!otherKey.open(&copy, counter: 5))
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
