// SPDX-License-Identifier: Apache-2.0

import Addresses
import GroupModel
import Testing

@testable import Control

@Suite("The control socket's protocol")
struct ControlRequestTests {
  private static let vif = VIFID(primary: .v4(IPv4Address(0x0A00_0065)))
  private static let other = VIFID(primary: .v6(IPv6Address(0x2001_0DB8 << 96 | 1)))

  private static let requests: [ControlRequest] = [
    .status(.json), .status(.text(width: nil)), .status(.text(width: 80)), .list,
    .history(.json), .history(.text(width: 132)), .drain, .resume, .balance,
    .move(vif, to: "web1"), .move(other, to: "web1"), .prefer(vif, "web2"), .prefer(other, nil),
    .announce(vif), .reload,
  ]

  @Test("Every request comes back as it was", arguments: requests)
  func roundTrip(_ request: ControlRequest) throws {
    #expect(try ControlRequest(line: request.line) == request)
    #expect(!request.line.contains("\n") && request.line.hasPrefix("1 "))
  }

  @Test(
    "Other lines are refused",
    arguments: [
      "", " ", "1", "1 ", "1 stat", "1 status yaml", "1 status 0", "1 status 80 json", "1 move",
      "1 move 10.0.0.1", "1 move x web1", "1 move 10.0.0.1 a/b", "1 prefer", "1 list all",
      "1  list", "1 announce 10.0.0.1 now", "1 drain web1",
    ]
  )
  func malformed(_ line: String) {
    #expect(throws: ControlRequest.Malformed.self) { try ControlRequest(line: line) }
  }

  @Test("A tool of another version is told so", arguments: ["2 status", "status", "status json"])
  func version(_ line: String) {
    let error = #expect(throws: ControlRequest.Malformed.self) {
      try ControlRequest(line: line)
    }
    #expect(error?.text.contains("different installations") == true)
  }

  @Test(
    "A VIF may be named as it stands in the configuration",
    arguments: [
      ("10.0.0.101", vif), ("10.0.0.101/32", vif), ("eth0:10.0.0.101/24", vif),
      ("2001:db8::1", other), ("[2001:db8::1]", other), ("eth0:[2001:db8::1]/128", other),
    ]
  )
  func names(_ text: String, _ expected: VIFID) throws {
    #expect(try ControlRequest.vif(text) == expected)
  }

  @Test("Answers, and what is none")
  func replies() {
    for reply in [
      ControlReply(.fine, ""), ControlReply(.degraded, "a\nb\n"), ControlReply(.failed, "x"),
    ] {
      #expect(ControlReply(decoding: reply.encoded) == reply)
    }
    for text in ["", "1 fine", "2 fine\n", "1 good\n", "1\n", "fine 1\n", "error: x\n"] {
      #expect(ControlReply(decoding: text) == nil, "\(text)")
    }
  }
}
