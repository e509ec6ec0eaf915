// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import FailoverWire
import Testing

/// What members tell each other of their links, there and back.
@Suite struct NeighborsReportTests {
  private static let client = MACAddress(0x0200_0000_0CCC)

  private static let report = NeighborsReport(
    hardware: [MACAddress(0x0200_0000_0A01)],
    hosts: [
      .init(Neighbor(.v4(IPv4Address(0x0A00_0009)), at: client), age: 0x0102),
      .init(Neighbor(.v6(IPv6Address(0x2001_0DB8 << 96 | 9)), at: client), age: 3),
    ]
  )

  @Test("The layout, byte by byte, and back")
  func layout() throws {
    let bytes = Self.report.encoded()
    let expected: [UInt8] =
      [2, 12, 1, 2, 0, 0, 0, 0x0A, 1, 0, 2]
      + [4, 10, 0, 0, 9, 2, 0, 0, 0, 0x0C, 0xCC, 1, 2]
      + [16, 0x20, 1, 0x0D, 0xB8] + Array(repeating: 0, count: 11) + [9]
      + [2, 0, 0, 0, 0x0C, 0xCC, 0, 3]
    #expect(bytes == expected)
    #expect(try NeighborsReport(decoding: bytes[...]) == Self.report)
    #expect(NeighborsReport.isFound(in: bytes[...]))
    #expect(!NeighborsReport.isFound(in: FailoverMessage.mature.encoded()[...]))
    #expect(!NeighborsReport.isFound(in: []))
  }

  @Test("Who does not know it ignores it, as a kind of a newer version")
  func unknown() {
    #expect(throws: WireError.unknown(field: "kind", value: 12)) {
      try FailoverMessage(decoding: Self.report.encoded()[...])
    }
  }

  @Test("Every cut, counts beyond the limits, groups and other families are refused")
  func hostile() {
    let bytes = Self.report.encoded()
    for length in 0..<bytes.count {
      #expect(throws: WireError.self) { try NeighborsReport(decoding: bytes[..<length]) }
    }
    for (place, value) in [(0, 0), (2, 255), (3, 1), (9, 255), (11, 6), (16, 0xFF)]
      as [(Int, UInt8)]
    {
      var changed = bytes
      changed[place] = value
      #expect(throws: WireError.self, "\(place)") { try NeighborsReport(decoding: changed[...]) }
    }
    #expect(throws: WireError.self) { try NeighborsReport(decoding: bytes[...] + [0]) }
    var later = bytes
    later[0] = 9
    #expect(throws: Never.self) { try NeighborsReport(decoding: later[...] + [0]) }
  }

  @Test("What is beyond the limits is left out")
  func limits() throws {
    var report = Self.report
    report.hardware = Array(repeating: Self.client, count: 100)
    report.hosts = Array(repeating: report.hosts[0], count: 1_000)
    let read = try NeighborsReport(decoding: report.encoded()[...])
    #expect(read.hardware.count == NeighborsReport.mostAddresses)
    #expect(read.hosts.count == NeighborsReport.mostHosts)
  }
}
