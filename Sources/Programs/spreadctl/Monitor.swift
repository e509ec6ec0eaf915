// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Bytes
import DaemonKit
import Glibc
import Machine
import Reactor

/// Shows a daemon at work.
struct Monitor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show a daemon at work, in the terminal.",
    discussion: """
      q ends it. Where standard output is no terminal, and with --json, one line is printed for \
      each interval.
      """
  )

  @OptionGroup var options: ControlOptions

  @Option(name: .shortAndLong, help: "Seconds between two looks, 1 to 3600.")
  var interval = 1

  @Option(help: "End after so many looks.")
  var count: Int?

  func validate() throws {
    guard (1...3_600).contains(interval) else { throw ValidationError("--interval is 1 to 3600") }
    if let count, count < 1 { throw ValidationError("--count must be 1 or more") }
  }

  func run() throws {
    let isLive = !options.json && isatty(STDOUT_FILENO) == 1
    var rates = Rates()
    rates.add(DaemonReport(try options.ask("status")), at: BootClock.now)
    let loop = try EventLoop()
    let screen = isLive ? Screen() : nil
    defer { screen?.close() }
    let signals = try SignalWatcher([.terminate, .interrupt], on: loop) { _ in loop.stop() }
    var keys: EventLoop.Watch?
    if isLive, isatty(STDIN_FILENO) == 1 {
      keys = try loop.watch(fileDescriptor: STDIN_FILENO, for: .readable) { _ in
        // q, Q, or Ctrl-C where the terminal does not make a signal of it.
        if let key = Screen.key(), [0x71, 0x51, 0x03, 0x04].contains(key) { loop.stop() }
      }
    }
    var (next, looks) = (BootClock.now, 0)
    var problem: CommandFailure?
    loop.addAlarm(
      next: { next },
      fire: { now in
        next = now + .seconds(interval)
        looks += 1
        do throws(CommandFailure) {
          rates.add(DaemonReport(try options.ask("status")), at: now)
          problem = nil
        } catch {
          problem = error
        }
        if let screen {
          screen.draw(MonitorPage(rates, interval: interval, problem: problem?.text).lines)
        } else if let report = rates.last, problem == nil {
          Terminal.output(options.json ? report.json.compact : rates.line)
        } else {
          loop.stop()
        }
        if looks == count ?? .max { loop.stop() }
      }
    )
    try loop.run()
    if let keys { loop.remove(keys) }
    withExtendedLifetime(signals) {}
    if let problem {
      screen?.close()
      throw problem
    }
  }
}

/// How fast the counters of a daemon grow.
struct Rates {
  private(set) var last: DaemonReport?
  private var lastAt: Instant?
  private var totals: [String: Int64] = [:]
  private(set) var now: [String: Int64] = [:]
  private(set) var peak: [String: Int64] = [:]
  /// Messages ordered in each interval, the latest last.
  private(set) var history: [Int64] = []

  mutating func add(_ report: DaemonReport, at time: Instant) {
    let counters = Dictionary(report.counters.map { ($0.name, $0.value) }) { first, _ in first }
    if let lastAt, time > lastAt {
      let elapsed = max((time - lastAt) / .milliseconds(1), 1)
      for (name, value) in counters {
        // A daemon that was started anew counts from nothing.
        let grown = max(0, value - (totals[name] ?? 0))
        now[name] = Int64(Double(grown) * 1_000 / elapsed)
        peak[name] = max(peak[name] ?? 0, now[name] ?? 0)
      }
      history = Array((history + [now["messages_ordered"] ?? 0]).suffix(40))
    }
    (last, lastAt, totals) = (report, time, counters)
  }

  /// One line for logs and pipes.
  var line: String {
    guard let last else { return "" }
    return "\(last.node) \(last.phase) \(last.present)/\(last.configured.count) daemons, "
      + "\(grouped(now["messages_ordered"] ?? 0)) messages/s, "
      + "\(grouped(now["delivered"] ?? 0)) deliveries/s, rotation \(last.rotation)"
  }
}

/// What the terminal shows, at most 80 columns wide.
struct MonitorPage {
  private static let width = 80
  private static let shown: [(String, String)] = [
    ("messages ordered", "messages_ordered"), ("delivered to clients", "delivered"),
    ("multicasts of clients", "multicasts"), ("packets sent", "packets_sent"),
    ("retransmissions", "retransmissions"), ("tokens", "tokens"),
    ("views to clients", "memberships"), ("dropped for slow clients", "dropped_for_slow_sessions"),
  ]

  let lines: [String]

  init(_ rates: Rates, interval: Int, problem: String?) {
    guard let report = rates.last else {
      lines = []
      return
    }
    var page = [
      Self.between("spreadd \(report.node): \(report.phase)", "every \(interval) s, q quits"),
      Self.between(
        "ring \(report.ringID)",
        "\(report.present) of \(report.configured.count) daemons"
      ),
      "rotation \(report.rotation)",
    ]
    if let problem { page.append("! \(problem)") }
    let absent = report.configured.filter { $0["present"]?.bool != true }
      .compactMap { $0["node"]?.string }
    if !absent.isEmpty { page.append("! absent: \(absent.joined(separator: " "))") }
    page += ["", Self.columns("", "A SECOND", "PEAK", "TOTAL")]
    let totals = Dictionary(report.counters.map { ($0.name, $0.value) }) { first, _ in first }
    for (title, name) in Self.shown {
      let values = [rates.now[name], rates.peak[name], totals[name]].map { grouped($0 ?? 0) }
      page.append(Self.columns(title, values[0], values[1], values[2]))
    }
    page += [
      "", "messages ordered  \(Self.bars(rates.history))", "",
      "groups \(grouped(report.json["groups"]?.integer ?? 0)), sessions \(report.sessionLine)",
    ]
    let busiest = report.sessionTable(atMost: 8).lines
    if report.sessions.count > 0 { page += busiest }
    if report.sessions.count > 8 { page.append("and \(report.sessions.count - 8) more") }
    lines = page.map { String($0.prefix(Self.width)) }
  }

  private static func between(_ left: String, _ right: String) -> String {
    left + String(repeating: " ", count: max(2, width - left.count - right.count)) + right
  }

  private static func columns(_ title: String, _ cells: String...) -> String {
    cells.reduce(title.padded(to: 26)) { $0 + $1.padded(to: 18, right: true) }
  }

  /// One bar of eight heights for each value.
  private static func bars(_ values: [Int64]) -> String {
    let heights = Array("▁▂▃▄▅▆▇█")
    guard let most = values.max(), most > 0 else {
      return String(repeating: "▁", count: values.count)
    }
    return String(values.map { heights[Int($0 * 7 / most)] })
  }
}

extension String {
  fileprivate func padded(to width: Int, right: Bool = false) -> String {
    let blanks = String(repeating: " ", count: max(0, width - count))
    return right ? blanks + self : self + blanks
  }
}

/// The whole terminal, given back as it was.
final class Screen {
  private var before: termios?
  private var isOpen = true

  init() {
    var now = termios()
    if tcgetattr(STDIN_FILENO, &now) == 0 {
      before = now
      // Keys count at once, and are not shown; Ctrl-C still makes a signal.
      now.c_lflag &= ~tcflag_t(ICANON | ECHO)
      tcsetattr(STDIN_FILENO, TCSANOW, &now)
    }
    // The other screen, without a cursor.
    Terminal.output(bytes: "\u{1B}[?1049h\u{1B}[?25l".utf8)
  }

  deinit { close() }

  func close() {
    guard isOpen else { return }
    isOpen = false
    Terminal.output(bytes: "\u{1B}[?25h\u{1B}[?1049l".utf8)
    if var before { tcsetattr(STDIN_FILENO, TCSANOW, &before) }
  }

  /// Shows these lines, each cleared to its end, and nothing below them.
  func draw(_ lines: [String]) {
    let text = lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n")
    Terminal.output(bytes: "\u{1B}[H\(text)\u{1B}[J".utf8)
  }

  /// A key that was pressed; `nil` if there is none.
  static func key() -> UInt8? {
    var byte: UInt8 = 0
    return read(STDIN_FILENO, &byte, 1) == 1 ? byte : nil
  }
}
