// SPDX-License-Identifier: Apache-2.0

import Bytes
import Machine
import Testing
import TextLayout

@testable import SpreadReports

/// A daemon's answer with everything as long as it can be.
private struct Answer {
  var daemons = 9
  var present = 1
  var sessions = 40
  var groups: Int64 = 1_234_567
  var counter: Int64 = 98_765_432_109

  private func text(_ text: String) -> JSONValue { .string(text) }

  private func name(_ number: Int) -> String {
    let digits = String(number)
    return String("frontend-server-000".dropLast(digits.count)) + digits
  }

  private var list: [JSONValue] {
    (0..<sessions).map { number in
      .object([
        .init("name", text("client\(1_000 + number)")),
        .init(
          "peer",
          text(number % 2 == 0 ? "user 0" : "2001:db8:1111:2222:3333:4444:5555:\(1_000 + number)")
        ),
        .init("queued_messages", .integer(number == 30 ? 1_000_000 : 0)),
        .init("queued_bytes", .integer(number == 30 ? 16_777_216 : 0)),
        .init("dropped", .integer(number == 31 ? 12_345_678 : 0)),
      ])
    }
  }

  private static let counterNames = [
    "messages_ordered", "delivered", "multicasts", "packets_sent", "retransmissions", "tokens",
    "memberships", "dropped_for_slow_sessions", "refused_authentication", "closed_handshake_time",
    "datagrams_dropped_of_a_member_that_nobody_has_ever_heard_of",
  ]

  var report: DaemonReport {
    let configured = (1...daemons).map { number -> JSONValue in
      .object([
        .init("node", text(name(number))),
        .init("address", text("[2001:db8:1111:2222:3333:4444:5555:6666]:4803")),
        .init("present", .bool(number <= present)),
      ])
    }
    return DaemonReport(
      .object([
        .init("node", text(name(1))), .init("version", text("0.1.0")),
        .init("uptime_seconds", .integer(9_000_000)),
        .init(
          "ring",
          .object([
            .init("id", text("18446744073709551615.\(name(1))")),
            .init("phase", text("operational")), .init("configured", .array(configured)),
            .init("rotation_microseconds", .integer(123_456)),
            .init("longest_rotation_microseconds", .integer(9_123_456)),
            .init("window", .integer(100_000)),
          ])
        ), .init("groups", .integer(groups)),
        .init(
          "sessions",
          .object([
            .init("open", .integer(Int64(sessions))), .init("handshakes", .integer(1_024)),
            .init("limit", .integer(1_000_000)), .init("list", .array(list)),
          ])
        ),
        .init(
          "counters",
          .object(Self.counterNames.map { .init($0, .integer(counter)) })
        ),
      ])
    )
  }
}

private func page(
  _ answer: Answer,
  problem: String? = nil,
  _ width: Int = 80,
  _ height: Int = 24
) -> [String] {
  var rates = Rates()
  rates.add(answer.report, at: .boot)
  for second in 1...60 {
    var later = answer
    later.counter += Int64(second * second) * 1_000
    rates.add(later.report, at: .boot + .seconds(second))
  }
  return MonitorPage(rates, interval: 3_600, problem: problem, width: width, height: height).lines
}

@Suite("What spreadctl shows of a daemon")
struct SpreadReportsTests {
  @Test("status has no line of more than 80 columns, whatever the names, and is in columns")
  func statusWidth() {
    for present in [1, 5, 9] {
      for all in [false, true] {
        let lines = Answer(present: present).report.text(all: all).split(separator: "\n")
        #expect(lines.filter { $0.count > 80 } == [])
      }
    }
  }

  @Test("status shows few sessions, those in trouble first, and says how many there are more")
  func fewSessions() throws {
    let lines = Answer().report.text(all: false).split(separator: "\n").map(String.init)
    let title = try #require(lines.firstIndex { $0.hasPrefix("SESSION") })
    #expect(lines[title + 1].hasPrefix("client1030"))
    #expect(lines[title + 2].hasPrefix("client1031"))
    #expect(lines[title + 3].hasPrefix("client1000"))
    #expect(lines[title + 21] == "and 20 more (--all)")
    let whole = Answer().report.text(all: true).split(separator: "\n")
    #expect(whole.count { $0.hasPrefix("client") } == 40)
  }

  @Test("A daemon alone has no rotation and no window")
  func alone() {
    let text = Answer(daemons: 1).report.text(all: false)
    #expect(text.contains("rotation  none, no other daemon is in the ring\n"))
    #expect(!text.contains("window"))
    #expect(Answer(present: 9).report.text(all: false).contains("; window 100000"))
  }

  @Test("status says which daemons are missing, and which one answers")
  func daemons() {
    let report = Answer(present: 8).report
    #expect(report.isDegraded && !Answer(present: 9).report.isDegraded)
    let lines = report.daemonTable.lines(width: nil)
    #expect(lines[1].hasSuffix("this one") && lines[2].hasSuffix("present"))
    #expect(lines[9].hasSuffix("absent"))
  }

  @Test(
    "monitor fits the terminal, from 40 to 200 columns and from 5 to 60 lines",
    arguments: [(80, 24), (40, 24), (80, 5), (60, 15), (120, 40), (200, 60), (80, 21), (80, 22)]
  )
  func monitorSize(width: Int, height: Int) {
    for answer in [
      Answer(), Answer(present: 9), Answer(daemons: 128, present: 2, sessions: 2_000),
      Answer(daemons: 1, sessions: 0),
    ] {
      for problem in [nil, "spreadd is not running: \(String(repeating: "long ", count: 40))"] {
        let lines = page(answer, problem: problem, width, height)
        #expect(lines.count <= height)
        #expect(lines.filter { $0.count > width } == [])
      }
    }
  }

  @Test("monitor in 80 columns and 24 lines shows what is missing, all counters and some sessions")
  func monitorContent() throws {
    let lines = page(Answer(daemons: 128, present: 2, sessions: 2_000))
    #expect(lines[0].hasSuffix("every 3600 s, q quits"))
    #expect(lines[1].hasSuffix("2 of 128 daemons"))
    #expect(lines[3].hasPrefix("! absent: frontend-server-003 frontend-server-004 "))
    #expect(lines[3].hasSuffix(" and 124 more"))
    #expect(lines.contains { $0.hasPrefix("dropped for slow clients") })
    let title = try #require(lines.firstIndex { $0.hasPrefix("SESSION") })
    #expect(lines[title + 1].hasPrefix("client1030"))
    #expect(lines.last == "and \(grouped(Int64(2_000 - (24 - title - 2)))) more")
  }

  @Test("monitor says that the daemon does not answer, and shows no rates")
  func noAnswer() {
    let lines = page(Answer(present: 9), problem: "spreadd is not running")
    #expect(lines[0].hasPrefix("spreadd frontend-server-001: no answer "))
    #expect(lines[3] == "! spreadd is not running")
    let ordered = lines.first { $0.hasPrefix("messages ordered ") }
    #expect(ordered?.split(separator: " ").dropFirst(2).first == "-")
  }

  @Test("Rates are of the interval, peaks of all, and a daemon started anew counts from nothing")
  func rates() {
    var (rates, answer) = (Rates(), Answer())
    answer.counter = 1_000
    rates.add(answer.report, at: .boot)
    #expect(rates.now["delivered"] == nil)
    answer.counter = 5_000
    rates.add(answer.report, at: .boot + .seconds(2))
    #expect(rates.now["delivered"] == 2_000)
    answer.counter = 10
    rates.add(answer.report, at: .boot + .seconds(4))
    #expect(rates.now["delivered"] == 0 && rates.peak["delivered"] == 2_000)
    #expect(rates.history == [2_000, 0])
  }

  @Test("Words are listed as far as they fit, with the number of the others")
  func listing() {
    #expect(listed(["a", "b"], within: 3) == "a b")
    #expect(listed(["alpha", "beta", "gamma"], within: 16) == "alpha beta gamma")
    #expect(listed(["alpha", "beta", "gamma"], within: 15) == "and 3 more")
    #expect(listed(["alpha", "beta", "gamma", "delta"], within: 16) == "alpha and 3 more")
    #expect(shortened("abcdef", to: 6) == "abcdef" && shortened("abcdefg", to: 6) == "abc...")
  }
}
