// SPDX-License-Identifier: Apache-2.0

import Addresses
import Health
import Machine
import RunnerWire
import Testing

@testable import Checking

/// Checks that are run by hand.
private struct Bench {
  var engine = CheckingEngine()
  var now = Instant.boot + .seconds(100)
  var started: [(run: CheckingEngine.Run, probe: Check.Probe, at: Instant)] = []
  var stopped: [CheckingEngine.Run] = []
  var reports: [CheckReport] = []

  mutating func feed(_ event: CheckingEngine.Event) {
    var effects = EffectQueue<CheckingEngine.Effect>()
    engine.handle(event, at: now, into: &effects)
    take(effects)
  }

  /// Lets the time pass, deadline by deadline.
  mutating func pass(_ duration: Duration) {
    let end = now + duration
    while let deadline = engine.nextDeadline, deadline <= end {
      now = max(now, deadline)
      var effects = EffectQueue<CheckingEngine.Effect>()
      engine.advance(to: now, into: &effects)
      take(effects)
    }
    now = end
  }

  mutating func answer(_ good: Bool, _ text: String = "x") {
    guard let run = started.last?.run else { return }
    feed(.finished(run, good: good, text))
  }

  private mutating func take(_ effects: EffectQueue<CheckingEngine.Effect>) {
    for effect in effects.effects {
      switch effect {
      case .start(let run, let probe): started.append((run, probe, now))
      case .stop(let run): stopped.append(run)
      case .report(let report): reports.append(report)
      }
    }
  }
}

private let endpoint = Endpoint(address: .v4(IPv4Address(0x7F00_0001)), port: 80)
private let timing = Check.Timing(
  interval: .seconds(2),
  timeout: .seconds(1),
  rise: 3,
  fall: 2
)

private func setup(
  _ name: String = "web",
  port: UInt16 = 80,
  timing: Check.Timing = timing,
  state: CheckState = .unknown
) -> RunnerMessage.Setup {
  let endpoint = Endpoint(address: endpoint.address, port: port)
  return .init(check: Check(name: name, probe: .tcp(endpoint), timing: timing), state: state)
}

@Suite("Health checks in time")
struct CheckingEngineTests {
  @Test("The first run begins at once, and its end decides", arguments: [true, false])
  func first(_ good: Bool) {
    var bench = Bench()
    bench.feed(.setUp([setup()]))
    #expect(bench.started.map(\.at) == [bench.now])
    #expect(bench.reports.isEmpty)
    bench.answer(good, "as it is")
    let state: CheckState = good ? .passed : .failed
    #expect(bench.reports == [CheckReport(name: "web", state: state, reason: "as it is")])
  }

  @Test("A passed check fails after Fall bad runs in a row, not before")
  func fall() {
    var bench = Bench()
    bench.feed(.setUp([setup()]))
    bench.answer(true)
    for good in [false, true, false] {
      bench.pass(.seconds(2))
      bench.answer(good)
    }
    #expect(bench.reports.count == 1, "the bad runs did not follow each other")
    bench.pass(.seconds(2))
    bench.answer(false, "refused")
    #expect(bench.reports.last == CheckReport(name: "web", state: .failed, reason: "refused"))
  }

  @Test("A failed check passes after Rise good runs in a row, not before")
  func rise() {
    var bench = Bench()
    bench.feed(.setUp([setup()]))
    bench.answer(false)
    for good in [true, true, false, true, true] {
      bench.pass(.seconds(2))
      bench.answer(good)
    }
    #expect(bench.reports.count == 1)
    bench.pass(.seconds(2))
    bench.answer(true)
    #expect(bench.reports.map(\.state) == [.failed, .passed])
  }

  @Test("Runs begin an interval apart, whatever they take")
  func interval() {
    var bench = Bench()
    let begin = bench.now
    bench.feed(.setUp([setup()]))
    for _ in 0..<3 {
      bench.pass(.milliseconds(900))
      bench.answer(true)
      bench.pass(.milliseconds(1_100))
    }
    #expect(bench.started.map { $0.at - begin } == [.zero, .seconds(2), .seconds(4), .seconds(6)])
  }

  @Test("A run that does not end in time is stopped and has failed; what it says later is nothing")
  func timeout() {
    var bench = Bench()
    bench.feed(.setUp([setup()]))
    bench.pass(.milliseconds(999))
    #expect(bench.stopped.isEmpty)
    bench.pass(.milliseconds(1))
    #expect(bench.stopped == [bench.started[0].run])
    #expect(bench.reports.map(\.reason) == ["no answer in time"])
    bench.answer(true)
    #expect(bench.reports.count == 1)
  }

  @Test("Runs of one check never overlap")
  func overlap() {
    var bench = Bench()
    var slow = timing
    (slow.interval, slow.timeout) = (.seconds(1), .seconds(10))
    bench.feed(.setUp([setup(timing: slow)]))
    bench.pass(.milliseconds(3_500))
    // The engine is woken for another reason meanwhile.
    bench.feed(.setUp([setup(timing: slow)]))
    #expect(bench.started.count == 1)
    bench.answer(true)
    #expect(bench.started.count == 2, "the next one is overdue")
  }

  @Test("A late loop makes up for no runs")
  func late() {
    var bench = Bench()
    bench.feed(.setUp([setup()]))
    bench.answer(true)
    bench.now = bench.now + .seconds(60)
    var effects = EffectQueue<CheckingEngine.Effect>()
    bench.engine.advance(to: bench.now, into: &effects)
    #expect(effects.effects.count == 1)
    #expect(bench.engine.nextDeadline == bench.now + .seconds(1), "its time-out")
  }

  @Test("Set up again: what asks the same goes on, what is gone stops, what is new begins")
  func setUpAgain() {
    var bench = Bench()
    bench.feed(.setUp([setup("a", port: 80), setup("b", port: 81), setup("c", port: 82)]))
    let runs = bench.started.map(\.run)
    bench.feed(.finished(runs[0], good: true, "x"))
    var faster = timing
    faster.fall = 1
    bench.feed(
      .setUp([
        setup("d", port: 84), setup("a", port: 80, timing: faster),
        setup("c", port: 83, state: .passed),
      ])
    )
    #expect(Set(bench.stopped) == [runs[1], runs[2]])
    #expect(bench.started.count == 5, "a, with its answer, does not begin anew")
    bench.pass(.seconds(2))
    let a = bench.started.last { $0.probe == .tcp(endpoint) }
    #expect(a.map { $0.at - (Instant.boot + .seconds(100)) } == .seconds(2))
    if let a { bench.feed(.finished(a.run, good: false, "y")) }
    #expect(bench.reports.contains(CheckReport(name: "a", state: .failed, reason: "y")))
  }

  @Test("A check that was known before keeps its state until runs turn it")
  func restored() {
    var bench = Bench()
    bench.feed(.setUp([setup(state: .passed)]))
    bench.answer(false)
    #expect(bench.reports.isEmpty)
    bench.pass(.seconds(2))
    bench.answer(false)
    #expect(bench.reports.map(\.state) == [.failed])
  }
}

@Suite("The beginning of an answer of HTTP")
struct HTTPExchangeTests {
  private func verdict(_ text: String) -> HTTPExchange.Verdict {
    var whole = HTTPExchange()
    let verdict = whole.take(text.utf8)
    // Byte by byte it is the same.
    var pieces = HTTPExchange()
    var last = HTTPExchange.Verdict.incomplete
    for byte in text.utf8 where last == .incomplete { last = pieces.take([byte]) }
    #expect(last == verdict)
    return verdict
  }

  @Test("The status is the second word of the first line")
  func status() {
    #expect(verdict("HTTP/1.1 200 OK\r\nX: y\r\n") == .status(200))
    #expect(verdict("HTTP/1.0 503\n") == .status(503))
    #expect(verdict("HTTP/1.1 204 \r\n") == .status(204))
  }

  @Test(
    "Anything else is no answer",
    arguments: [
      "SSH-2.0-OpenSSH\r\n", "RTSP/1.1 200 OK\r\n", "HTTP/2 200\r\n", "HTTP/1.1 20\r\n",
      "HTTP/1.1 2000\r\n", "\r\n",
      "HTTP/1.1200 OK\r\n", "HTTP/1.x 200 OK\r\n", "HTTP/1.1 2x0 OK\r\n",
      String(repeating: "x", count: 2_000),
    ]
  )
  func malformed(_ text: String) {
    #expect(verdict(text) == .malformed)
  }

  @Test("An answer that has not come is not judged")
  func incomplete() {
    #expect(verdict("HTTP/1.1 200 OK") == .incomplete)
    #expect(verdict("") == .incomplete)
  }

  @Test("The request is what a server expects")
  func request() {
    let request = Check.Request(endpoint: endpoint, target: "/a?b", host: "www.example.org")
    let text = String(decoding: HTTPExchange.request(request), as: UTF8.self)
    #expect(text.hasPrefix("GET /a?b HTTP/1.1\r\nHost: www.example.org\r\n"))
    #expect(text.hasSuffix("\r\nConnection: close\r\n\r\n"))
  }
}
