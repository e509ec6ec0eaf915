// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import LinkWire
import Testing

/// Both gratuitous forms byte by byte, and what is refused.
@Suite struct ARPPacketTests {
  private let hardware = MACAddress(0x0200_0000_0A01)
  private let address = IPv4Address(0x0A00_0065)

  private static let request: [UInt8] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02, 0x00, 0x00, 0x00, 0x0A, 0x01, 0x08, 0x06,
    0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01,
    0x02, 0x00, 0x00, 0x00, 0x0A, 0x01, 0x0A, 0x00, 0x00, 0x65,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0A, 0x00, 0x00, 0x65,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
  ]

  private static let reply: [UInt8] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02, 0x00, 0x00, 0x00, 0x0A, 0x01, 0x08, 0x06,
    0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x02,
    0x02, 0x00, 0x00, 0x00, 0x0A, 0x01, 0x0A, 0x00, 0x00, 0x65,
    0x02, 0x00, 0x00, 0x00, 0x0A, 0x01, 0x0A, 0x00, 0x00, 0x65,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
  ]

  @Test("A gratuitous request has the address as sender and target, and no target hardware")
  func request() throws {
    let packet = ARPPacket.gratuitousRequest(for: address, at: hardware)
    #expect(packet.framed().encoded() == Self.request)
    let frame = try EthernetFrame(decoding: Self.request[...])
    #expect(frame.destination == .broadcast)
    #expect(frame.source == hardware)
    #expect(frame.kind == .arp)
    #expect(try ARPPacket(decoding: frame.payload) == packet)
  }

  @Test("A gratuitous reply has the sender's hardware address as target too")
  func reply() throws {
    let packet = ARPPacket.gratuitousReply(for: address, at: hardware)
    #expect(packet.framed().encoded() == Self.reply)
    let frame = try EthernetFrame(decoding: Self.reply[...])
    #expect(try ARPPacket(decoding: frame.payload) == packet)
  }

  @Test("Every truncation is refused")
  func truncated() {
    for count in 0..<14 {
      #expect(throws: WireError.self) { try EthernetFrame(decoding: Self.reply[..<count]) }
    }
    for count in 14..<42 {
      #expect(throws: WireError.self) { try ARPPacket(decoding: Self.reply[14..<count]) }
    }
  }

  @Test(
    "A packet of another hardware, protocol, length or operation is refused",
    arguments: [14, 16, 18, 19, 20]
  )
  func foreign(offset: Int) {
    var bytes = Self.request
    bytes[offset] = 0x7F
    #expect(throws: WireError.self) { try ARPPacket(decoding: bytes[14...]) }
  }

  @Test("A tagged frame is refused by its kind")
  func tagged() {
    var bytes = Self.request
    (bytes[12], bytes[13]) = (0x81, 0x00)
    #expect(throws: WireError.unknown(field: "ethernet kind", value: 0x8100)) {
      try EthernetFrame(decoding: bytes[...])
    }
  }
}
