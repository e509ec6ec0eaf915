// SPDX-License-Identifier: Apache-2.0

import GroupModel
import RingWire
import Seal
import Testing

@Suite("Sub-keys seal and open")
struct SubKeyTests {
  let boot = BootID(1, 2, 3, 4)

  private func subKey(_ cipher: Cipher, fill: UInt8 = 7, boot: BootID) throws -> SubKey {
    let secret = [UInt8](repeating: fill, count: 32)
    return try SubKey(#require(ClusterKey(id: 1, cipher: cipher, secret: secret)), boot: boot)
  }

  /// A datagram of a header and `length` bytes.
  private func datagram(_ length: Int) -> [UInt8] {
    (0..<DatagramHeader.size + length).map { UInt8(truncatingIfNeeded: $0 &* 31) }
  }

  @Test("What is sealed opens, whatever its length", arguments: Cipher.allCases)
  func roundTrip(cipher: Cipher) throws {
    guard cipher.isAvailable else { return }
    let key = try subKey(cipher, boot: boot)
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
    let key = try subKey(cipher, boot: boot)
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
    let otherBoot = try subKey(cipher, boot: BootID(1, 2, 3, 5))
    copy = sealed
    #expect(!otherBoot.open(&copy, counter: 5))
    let otherKey = try subKey(cipher, fill: 8, boot: boot)
    copy = sealed
    #expect(!otherKey.open(&copy, counter: 5))
  }

  @Test("A key of the wrong length, or with the id of unsealed datagrams, is none")
  func keyLength() {
    let short = [UInt8](repeating: 7, count: 31)
    #expect(ClusterKey(id: 1, cipher: .chaCha20Poly1305, secret: short) == nil)
    #expect(ClusterKey(id: 0, cipher: .chaCha20Poly1305, secret: short + [7]) == nil)
  }
}
