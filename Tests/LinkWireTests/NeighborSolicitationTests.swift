// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import LinkWire
import Testing

/// Questions to one host, byte by byte; checksums were computed by other means.
@Suite struct NeighborSolicitationTests {
  private static let hardware = MACAddress(0x0200_0000_0A01)
  private static let host = MACAddress(0x0200_0000_0CCC)
  private static let address = IPv6Address(0x2001_0DB8 << 96 | 1)
  private static let target = IPv6Address(0x2001_0DB8 << 96 | 0x1_2345)

  /// From 2001:db8::1 to ff02::1:ff01:2345, for 2001:db8::1:2345.
  private static let frame: [UInt8] = [
    0x33, 0x33, 0xFF, 0x01, 0x23, 0x45, 0x02, 0x00, 0x00, 0x00, 0x0A, 0x01, 0x86, 0xDD, 0x60, 0x00,
    0x00, 0x00, 0x00, 0x20, 0x3A, 0xFF, 0x20, 0x01, 0x0D, 0xB8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0xFF, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x01, 0xFF, 0x01, 0x23, 0x45, 0x87, 0x00, 0xCB, 0x9E, 0x00, 0x00, 0x00, 0x00, 0x20, 0x01,
    0x0D, 0xB8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x23, 0x45, 0x01, 0x01,
    0x02, 0x00, 0x00, 0x00, 0x0A, 0x01,
  ]

  /// From 10.0.0.101 to 10.0.0.9.
  private static let echo: [UInt8] = [
    0x02, 0x00, 0x00, 0x00, 0x0C, 0xCC, 0x02, 0x00, 0x00, 0x00, 0x0A, 0x01, 0x08, 0x00, 0x45, 0x00,
    0x00, 0x1C, 0x00, 0x00, 0x40, 0x00, 0x40, 0x01, 0x26, 0x74, 0x0A, 0x00, 0x00, 0x65, 0x0A, 0x00,
    0x00, 0x09, 0x08, 0x00, 0xFA, 0x01, 0xFE, 0xFE, 0xFE, 0xFE, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
  ]

  /// From 2001:db8::1 to 2001:db8::9.
  private static let echoIPv6: [UInt8] = [
    0x02, 0x00, 0x00, 0x00, 0x0C, 0xCC, 0x02, 0x00, 0x00, 0x00, 0x0A, 0x01, 0x86, 0xDD, 0x60, 0x00,
    0x00, 0x00, 0x00, 0x08, 0x3A, 0xFF, 0x20, 0x01, 0x0D, 0xB8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x20, 0x01, 0x0D, 0xB8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x09, 0x80, 0x00, 0x26, 0x43, 0xFE, 0xFE, 0xFE, 0xFE,
  ]

  private static let question = NeighborSolicitation(for: target, from: address, at: hardware)

  @Test("A question goes to those whose address ends alike, and says where the asker is")
  func solicitation() throws {
    #expect(Self.question.framed(from: Self.hardware).encoded() == Self.frame)
    let frame = try EthernetFrame(decoding: Self.frame[...])
    #expect(try NeighborSolicitation(decoding: frame.payload) == Self.question)
    #expect(throws: WireError.self) { try NeighborAdvertisement(decoding: frame.payload) }
    let direct = Self.question.framed(to: Self.host, from: Self.hardware)
    #expect(direct.destination == Self.host && direct.payload == frame.payload)
  }

  @Test("A probe comes from nobody, and with an asker's place it is refused")
  func probe() throws {
    let probe = NeighborSolicitation(probing: Self.target)
    let payload = probe.framed(from: Self.hardware).payload
    #expect(try NeighborSolicitation(decoding: payload) == probe)
    #expect(probe.hardware == nil && probe.source.rawValue == 0)
    let lie = NeighborSolicitation(for: Self.target, from: IPv6Address(0), at: Self.hardware)
    #expect(throws: WireError.self) {
      try NeighborSolicitation(decoding: lie.framed(from: Self.hardware).payload)
    }
  }

  @Test("Any single flipped bit of the message is refused, and so is every cut")
  func broken() {
    for bit in 0..<(32 * 8) {
      var bytes = Self.frame
      bytes[54 + bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(throws: WireError.self) { try NeighborSolicitation(decoding: bytes[14...]) }
    }
    for length in 14..<Self.frame.count {
      #expect(throws: WireError.self) {
        try NeighborSolicitation(decoding: Self.frame[14..<length])
      }
    }
  }

  @Test("An echo request has right checksums in both families, and none across them")
  func echoes() throws {
    let (from, to) = (
      IPAddress.v4(IPv4Address(0x0A00_0065)), IPAddress.v4(IPv4Address(0x0A00_0009))
    )
    let echo = try #require(EchoRequest(from: from, to: to))
    #expect(echo.framed(to: Self.host, from: Self.hardware).encoded() == Self.echo)
    let other = IPAddress.v6(IPv6Address(0x2001_0DB8 << 96 | 9))
    let echo6 = try #require(EchoRequest(from: .v6(Self.address), to: other))
    #expect(echo6.framed(to: Self.host, from: Self.hardware).encoded() == Self.echoIPv6)
    #expect(EchoRequest(from: from, to: other) == nil)
  }
}
