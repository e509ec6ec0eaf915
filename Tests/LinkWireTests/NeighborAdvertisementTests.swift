// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import LinkWire
import Machine
import Testing

/// The unsolicited advertisement byte by byte, and the checks of RFC 4861 section 7.1.2.
@Suite struct NeighborAdvertisementTests {
  private static let hardware = MACAddress(0x0200_0000_0A01)
  private static let address = IPv6Address(0x2001_0DB8 << 96 | 1)

  /// From 2001:db8::1 to ff02::1; the checksum was computed by other means.
  private static let frame: [UInt8] = [
    0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x0A, 0x01, 0x86, 0xDD,
    0x60, 0x00, 0x00, 0x00, 0x00, 0x20, 0x3A, 0xFF,
    0x20, 0x01, 0x0D, 0xB8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,
    0xFF, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,
    0x88, 0x00, 0xEF, 0x2A, 0x20, 0x00, 0x00, 0x00,
    0x20, 0x01, 0x0D, 0xB8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,
    0x02, 0x01, 0x02, 0x00, 0x00, 0x00, 0x0A, 0x01,
  ]

  private static let unsolicited = NeighborAdvertisement(
    unsolicitedFor: address,
    at: hardware,
    router: false
  )

  @Test("An unsolicited advertisement goes to all nodes and overrides")
  func unsolicited() throws {
    #expect(Self.unsolicited.framed(from: Self.hardware).encoded() == Self.frame)
    let frame = try EthernetFrame(decoding: Self.frame[...])
    #expect(frame.kind == .ipv6)
    #expect(try NeighborAdvertisement(decoding: frame.payload) == Self.unsolicited)
  }

  @Test("A router says so, and its checksum follows")
  func router() throws {
    let packet = NeighborAdvertisement(
      unsolicitedFor: Self.address,
      at: Self.hardware,
      router: true
    )
    var expected = Self.frame
    expected[58] = 0xA0
    (expected[56], expected[57]) = (0x6F, 0x2A)
    #expect(packet.framed(from: Self.hardware).encoded() == expected)
    #expect(try NeighborAdvertisement(decoding: expected[14...]).router)
  }

  @Test("Any single flipped bit of the message is refused or changes no byte unseen")
  func flipped() {
    for bit in 0..<(32 * 8) {
      var bytes = Self.frame
      bytes[54 + bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(throws: WireError.self) { try NeighborAdvertisement(decoding: bytes[14...]) }
    }
  }

  @Test("One that crossed a router is refused")
  func hopLimit() {
    var bytes = Self.frame
    bytes[21] = 254
    #expect(throws: WireError.malformed(field: "hop limit")) {
      try NeighborAdvertisement(decoding: bytes[14...])
    }
  }

  @Test("Truncations and random bytes are refused without a trap")
  func hostile() {
    for count in 14..<Self.frame.count {
      #expect(throws: WireError.self) {
        try NeighborAdvertisement(decoding: Self.frame[14..<count])
      }
    }
    var random = SplitMix64(seed: 4)
    for _ in 0..<2_000 {
      var bytes = Self.frame
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
      }
      if let frame = try? EthernetFrame(decoding: bytes[...]) {
        _ = try? NeighborAdvertisement(decoding: frame.payload)
        _ = try? ARPPacket(decoding: frame.payload)
      }
    }
  }
}
