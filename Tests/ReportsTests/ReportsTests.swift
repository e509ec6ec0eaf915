// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import FailoverWire
import GroupModel
import Health
import Machine
import Testing
import TextLayout

@testable import Failover
@testable import Reports

private func prefix(_ text: String, _ length: Int) throws -> IPPrefix {
  let address = try #require(IPAddress(text: text))
  return try #require(IPPrefix(address: address, length: length))
}

private func vif(_ addresses: (String, String, Int)...) throws -> VirtualInterface {
  let list = try addresses.map { interface, address, length in
    let name = try #require(InterfaceName(interface))
    return InterfaceAddress(interface: name, prefix: try prefix(address, length))
  }
  return try #require(VirtualInterface(addresses: list))
}

/// A lease that runs out, and claims of two strangers.
private func strangers(_ leased: VIFID) throws -> StatusReport.Standing {
  var standing = StatusReport.Standing()
  standing.leases[leased] = .milliseconds(9_449)
  standing.conflicts = [
    .init(
      address: try #require(IPAddress(text: "10.0.0.101")),
      hardware: try #require(MACAddress(octets: [2, 0, 0, 0, 0, 5]))
    ),
    .init(
      address: try #require(IPAddress(text: "2001:db8::1")),
      hardware: try #require(MACAddress(octets: [2, 0, 0, 0, 0, 6]))
    ),
  ]
  return standing
}

/// A cluster of two, of which web2 is drained; the third server is away.
private func sample() throws -> StatusReport {
  let now = Instant.boot + .seconds(10_000)
  let vifs = [
    try vif(("eth0", "10.0.0.101", 24)),
    try vif(("eth0", "10.0.0.102", 32), ("eth1", "2001:db8::1", 128)),
    try vif(("bond12", "10.0.0.103", 8)),
  ]
  let process = try #require(InlineName("wackamole".utf8))
  let web1 = MemberID(node: "web1", process: process)
  let web2 = MemberID(node: "web2", process: process)
  var status = FailoverEngine(.init(node: "web1", group: "wack1", vifs: vifs), isDrained: false)
    .status
  status.me = web1
  status.phase = .running
  status.view = ViewID(epoch: 7, origin: 0, index: 1)
  status.members = [web1, web2].map { member in
    .init(
      member: member,
      weight: 1,
      mature: true,
      drained: member == web2,
      load: member == web1 ? 1 : 0,
      known: true,
      failing: [],
      leaving: false,
      isSilent: false,
      version: 2,
      differences: []
    )
  }
  for (index, holder) in [web1, web2, nil].enumerated() {
    status.vifs[index].holder = holder
    status.vifs[index].state = [.held, .elsewhere, .uncovered][index]
    status.vifs[index].since = Instant.boot + .seconds([9_990, 2_000, 9_999][index])
    status.vifs[index].reason = ["balance", "its holder is gone", "no member is eligible"][index]
    status.vifs[index].readiness = [.ready, .noCarrier, .noCarrier][index]
  }
  return StatusReport(
    status: status,
    now: now,
    checks: [
      .init(
        name: "web",
        subject: .node,
        state: .failed,
        reason: "status 503",
        since: Instant.boot + .seconds(9_700)
      )
    ],
    engine: .init(
      phase: "operational",
      configured: ["web1", "web2", "web3"],
      ring: .init(
        rotation: .microseconds(412),
        longestRotation: .milliseconds(12),
        retransmissions: 3,
        stalls: 0,
        votedOut: 0
      ),
      counters: .object([.init("tokens", .integer(5))]),
      session: .null
    ),
    standing: try strangers(vifs[0].id)
  )
}

@Suite("What tools show")
struct ReportsTests {
  @Test("The table fits a terminal of 80 columns, and loses nothing by it")
  func width() throws {
    let report = try sample()
    let lines = report.text(width: 80).split(separator: "\n").map(String.init)
    #expect(lines.allSatisfy { $0.count <= 80 && !$0.hasSuffix(" ") }, "\(lines)")
    let words = { (text: String) in Set(text.split { " \n".contains($0) }.map(String.init)) }
    #expect(words(report.text(width: 80)) == words(report.text(width: nil)))
  }

  @Test("On a shared group: the key, what was dropped, and who is not listened to")
  func payloads() throws {
    let plain = try sample()
    var engine = plain.engine
    engine.payloads = .init(
      key: 7,
      sendsSealed: true,
      takesBare: false,
      dropped: [("forged", 0), ("unsealed", 3), ("other_view", 1)],
      ignored: ["#evil#web2 is not listened to: its message has no tag"]
    )
    var report = StatusReport(status: plain.status, now: plain.now, checks: [], engine: engine)
    #expect(report.text(width: nil).contains(", key 7, dropped: 3 unsealed, 1 other_view\n"))
    #expect(report.faults.last == "#evil#web2 is not listened to: its message has no tag")
    #expect(
      report.json["payloads"]?.compact
        == "{\"key\":7,\"sends_sealed\":true,\"takes_unsealed\":false,"
        + "\"dropped\":{\"forged\":0,\"unsealed\":3,\"other_view\":1}}"
    )
    engine.payloads = .init(
      key: nil,
      sendsSealed: false,
      takesBare: true,
      dropped: [("forged", 0)],
      ignored: []
    )
    report = StatusReport(status: plain.status, now: plain.now, checks: [], engine: engine)
    #expect(report.text(width: nil).contains(", no key\n") && report.faults == plain.faults)
  }

  @Test("Each VIF has a line with holder, state, age and reason, and one for each further address")
  func table() throws {
    let lines = try sample().text(width: nil).split(separator: "\n").map { line in
      line.split(separator: " ").joined(separator: " ")
    }
    for expected in [
      "web1: running, view \(ViewID(epoch: 7, origin: 0, index: 1)) of 2",
      "engine: operational, rotation 0.4 ms (longest 12.0 ms), 3 packets sent again",
      "missing: web3",
      "DEGRADED: nobody holds 10.0.0.103",
      "10.0.0.101/24 eth0 web1 held 10s balance",
      "10.0.0.102/32 eth0 web2 elsewhere 2h its holder is gone; not eligible here: no carrier",
      "+ 2001:db8::1/128 eth1",
      "ADDRESS LEASE LEFT CONFLICT",
      "10.0.0.101/24 9.4s 02:00:00:00:00:05",
      "2001:db8::1/128 - 02:00:00:00:00:06",
      "10.0.0.103/8 bond12 - uncovered 1s no member is eligible; not eligible here: no carrier",
      "web1 (here) mature 1 1 good",
      "web2 drained 0 1 good",
      "web failed 5m node status 503",
    ] {
      #expect(lines.contains(expected), "\(expected)\nis not in\n\(lines.joined(separator: "\n"))")
    }
  }

  @Test("A cluster in which all is well is not called degraded")
  func fine() throws {
    let report = try sample()
    #expect(!report.faults.isEmpty)
    var status = report.status
    status.vifs[2].state = .elsewhere
    let fine = StatusReport(status: status, now: report.now, checks: [], engine: report.engine)
    #expect(fine.faults.isEmpty, "a member that is away is no fault: others have its share")
    status.phase = .joining
    let out = StatusReport(status: status, now: report.now, checks: [], engine: report.engine)
    #expect(out.faults == ["this node is not in the group"])
  }

  @Test("The members of the JSON text that are documented")
  func json() throws {
    let text = try sample().json.compact
    for part in [
      "{\"version\":1,\"node\":\"web1\",\"state\":\"running\",\"view\":{\"id\":",
      "\"members\":[\"web1\",\"web2\"],\"missing\":[\"web3\"],\"quorum\":true",
      "{\"name\":\"10.0.0.102\",\"addresses\":[\"10.0.0.102/32\",\"2001:db8::1/128\"],"
        + "\"interface\":\"eth0,eth1\",\"holder\":\"web2\",\"state\":\"elsewhere\"",
      "\"lease_left_ms\":9449,\"conflicts\":[{\"address\":\"10.0.0.101\","
        + "\"hardware\":\"02:00:00:00:00:05\"}]}",
      "\"lease_left_ms\":null,\"conflicts\":[]}",
      "\"checks\":[{\"name\":\"web\",\"for\":[\"node\"],\"state\":\"failed\"",
      "\"degraded\":[\"nobody holds 10.0.0.103\"],\"ring\":{\"tokens\":5},\"spread\":null,\"payloads\":null}",
    ] {
      #expect(text.contains(part), "\(part)\nis not in\n\(text)")
    }
  }

  @Test("The lines of wackatrl -l are those that scripts read, with the masks as they are")
  func list() throws {
    let text = ListReport.text(try sample().status) { node in
      node == "web1" ? IPAddress(text: "10.0.0.1") : nil
    }
    #expect(
      text == """
        Owner: 10.0.0.1
        \t*    eth0:10.0.0.101/24
        Owner: web2
        \t*    eth0:10.0.0.102/32
        \t ->   eth1:[2001:db8::1]/128
        Owner: not acquired
        \t*   bond12:10.0.0.103/8
        """
    )
  }

  @Test("The history says who held what when, with the view")
  func history() throws {
    let status = try sample().status
    let view = ViewID(epoch: 7, origin: 0, index: 1)
    let change = FailoverEngine.Status.Change(
      view: view,
      vif: status.vifs[0].id,
      from: nil,
      to: status.me,
      reason: "nobody held it",
      at: Instant.boot + .seconds(9_940)
    )
    let report = HistoryReport(changes: [change], now: Instant.boot + .seconds(10_000))
    let lines = report.text(width: nil).split(separator: "\n")
    #expect(lines.count == 2 && lines[0].hasPrefix("AGO"))
    let words = lines[1].split(separator: " ").joined(separator: " ")
    #expect(words == "60s 10.0.0.101 - web1 \(view) nobody held it")
    #expect(report.text(width: 40).split(separator: "\n").allSatisfy { $0.count <= 40 })
    #expect(report.json.compact.contains("\"seconds_ago\":60,\"vif\":\"10.0.0.101\",\"from\":null"))
  }

  @Test(
    "Columns for which there is no room go below the first ones; what is empty there has no line"
  )
  func narrow() {
    var table = TextTable(header: ["VIF", "ON", "HOLDER", "SINCE", "WHY"])
    table.add(["2001:db8:1111:2222:3333:4444:5555:6666/128", "eth0", "web1", "3s", "web2 has left"])
    table.add([" + 10.0.0.1/32", "eth1", "", "", ""])
    #expect(
      table.lines(width: 60) == [
        "VIF                                         ON    HOLDER",
        "    SINCE  WHY",
        "2001:db8:1111:2222:3333:4444:5555:6666/128  eth0  web1",
        "    3s     web2 has left",
        " + 10.0.0.1/32                              eth1",
      ]
    )
    #expect(table.lines(width: 80).count == 3 && table.lines(width: nil).count == 3)
    #expect(table.lines(width: 20).allSatisfy { $0.count <= 42 })
  }

  @Test("Text is broken between words")
  func breaking() {
    #expect(TextTable.broken("one two three", at: 7) == ["one two", "three"])
    #expect(TextTable.broken("one two three", at: nil) == ["one two three"])
    #expect(TextTable.broken("a-long-word b", at: 4) == ["a-long-word", "b"])
  }
}
