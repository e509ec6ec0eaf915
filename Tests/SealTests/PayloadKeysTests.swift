// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Seal
import Testing

@Suite("Keys of payloads make tags and judge them")
struct PayloadKeysTests {
  private func key(
    _ id: UInt16,
    fill: UInt8,
    _ cipher: Cipher = .chaCha20Poly1305
  ) throws
    -> ClusterKey
  {
    let secret = [UInt8](repeating: fill, count: Cipher.keyLength)
    return try #require(ClusterKey(id: id, cipher: cipher, secret: secret))
  }

  private let statement = Array("who says what, where and when".utf8)

  @Test("A tag is that of RFC 7693's function, so that others can make it too")
  func knownAnswer() throws {
    // python3: key = blake2b(b'wackamole payload key 1\x01', key=bytes([7]*32), digest_size=32)
    //          blake2b(statement, key=key.digest(), digest_size=16)
    let keys = try #require(PayloadKeys([key(3, fill: 7)]))
    #expect(keys.keyID == 3)
    #expect(keys.tag(of: statement) == PayloadTag(0xbc4b_ef12_96b6_8e2e, 0xad2e_34a0_0165_ce85))
  }

  @Test("One changed bit of statement or tag, or another key of that number, is a forgery")
  func forged() throws {
    let keys = try #require(PayloadKeys([key(3, fill: 7)]))
    let tag = keys.tag(of: statement)
    #expect(keys.judge(tag, of: statement, by: 3) == .genuine)
    for bit in 0..<statement.count * 8 {
      var changed = statement
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(keys.judge(tag, of: changed, by: 3) == .forged, "bit \(bit)")
    }
    for bit in 0..<64 {
      let (high, low) = (tag.words[0], tag.words[1])
      for changed in [
        PayloadTag(high ^ 1 << UInt64(bit), low), PayloadTag(high, low ^ 1 << UInt64(bit)),
      ] {
        #expect(keys.judge(changed, of: statement, by: 3) == .forged, "bit \(bit)")
      }
    }
    #expect(keys.judge(tag, of: Array(statement.dropLast()), by: 3) == .forged)
    let others = [try key(3, fill: 8), try key(3, fill: 7, .aes256GCM)]
    for other in others {
      let keys = try #require(PayloadKeys([other]))
      #expect(keys.judge(tag, of: statement, by: 3) == .forged)
    }
    #expect(keys.tag(of: []) != keys.tag(of: [0]))
  }

  @Test("The first key makes tags, the second is accepted, a third number is unknown")
  func rotation() throws {
    let (old, new) = (try key(3, fill: 7), try key(4, fill: 8))
    let before = try #require(PayloadKeys([old, new]))
    let after = try #require(PayloadKeys([new, old]))
    let alone = try #require(PayloadKeys([new]))
    #expect(before.keyID == 3 && after.keyID == 4)
    #expect(before.judge(after.tag(of: statement), of: statement, by: 4) == .genuine)
    #expect(after.judge(before.tag(of: statement), of: statement, by: 3) == .genuine)
    #expect(after.judge(before.tag(of: statement), of: statement, by: 4) == .forged)
    #expect(alone.judge(before.tag(of: statement), of: statement, by: 3) == .unknownKey)
    #expect(alone.judge(before.tag(of: statement), of: statement, by: 0) == .unknownKey)
    #expect(before != after && before == PayloadKeys([old, new]))
  }

  @Test("Without a key there is none to make tags with")
  func noKey() throws {
    #expect(PayloadKeys([]) == nil)
    #expect(PayloadKeys([try key(1, fill: 1), try key(2, fill: 2), try key(3, fill: 3)]) == nil)
  }
}
