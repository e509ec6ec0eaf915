// SPDX-License-Identifier: Apache-2.0

import Bytes
import TextLayout

/// What the terminal shows of a daemon at work: never more columns or lines than it has.
package struct MonitorPage {
  private static let counters: [(title: String, name: String)] = [
    ("messages ordered", "messages_ordered"), ("delivered to clients", "delivered"),
    ("multicasts of clients", "multicasts"), ("packets sent", "packets_sent"),
    ("retransmissions", "retransmissions"), ("tokens", "tokens"),
    ("views to clients", "memberships"), ("dropped for slow clients", "dropped_for_slow_sessions"),
  ]
  private static let titleWidth = 26
  /// Below so many lines there is no room for the history and for empty lines.
  private static let roomyHeight = 22

  package let lines: [String]

  /// `problem` says why the daemon did not answer, if it did not.
  package init(_ rates: Rates, interval: Int, problem: String?, width: Int, height: Int) {
    guard let report = rates.last else {
      lines = []
      return
    }
    let isRoomy = height >= Self.roomyHeight
    let gap = isRoomy ? [""] : []
    var page = Self.head(report, interval: interval, problem: problem, width: width) + gap
    page += Self.table(rates, of: report, isStale: problem != nil, width: width) + gap
    if isRoomy { page += ["messages ordered  \(Self.bars(rates.history))", ""] }
    page.append(
      "groups \(grouped(report.json["groups"]?.integer ?? 0)), sessions \(report.sessionLine)"
    )
    page += Self.sessions(report, atMost: height - page.count)
    lines = page.prefix(height).map { String($0.prefix(width)) }
  }

  private static func head(
    _ report: DaemonReport,
    interval: Int,
    problem: String?,
    width: Int
  ) -> [String] {
    let phase = problem == nil ? report.phase : "no answer"
    var head = [
      between("spreadd \(report.node): \(phase)", "every \(interval) s, q quits", width),
      between(
        "ring \(report.ringID)",
        "\(report.present) of \(report.configured.count) daemons",
        width
      ), "rotation \(report.rotation)",
    ]
    if let problem { head.append(shortened("! \(problem)", to: width)) }
    if !report.absent.isEmpty {
      head.append("! absent: " + listed(report.absent, within: width - "! absent: ".count))
    }
    return head
  }

  private static func table(
    _ rates: Rates,
    of report: DaemonReport,
    isStale: Bool,
    width: Int
  ) -> [String] {
    let totals = Dictionary(report.counters.map { ($0.name, $0.value) }) { first, _ in first }
    var table = [columns(["", "A SECOND", "PEAK", "TOTAL"], width)]
    for (title, name) in counters {
      let rate = isStale ? "-" : grouped(rates.now[name] ?? 0)
      let peak = grouped(rates.peak[name] ?? 0)
      table.append(columns([title, rate, peak, grouped(totals[name] ?? 0)], width))
    }
    return table
  }

  /// The clients for which most waits; where there are more than fit, how many.
  private static func sessions(_ report: DaemonReport, atMost room: Int) -> [String] {
    let sessions = report.sessions
    guard !sessions.isEmpty, room >= 3 else { return [] }
    guard sessions.count > room - 1 else {
      return DaemonReport.table(of: sessions).lines(width: nil)
    }
    let shown = DaemonReport.table(of: sessions.prefix(room - 2)).lines(width: nil)
    let open = report.json["sessions"]?["open"]?.integer ?? 0
    return shown + ["and \(grouped(max(open, Int64(sessions.count)) - Int64(room - 2))) more"]
  }

  private static func between(_ left: String, _ right: String, _ width: Int) -> String {
    left + String(repeating: " ", count: max(2, width - left.count - right.count)) + right
  }

  private static func columns(_ cells: [String], _ width: Int) -> String {
    let cellWidth = max(10, (width - titleWidth) / 3)
    return cells.dropFirst().reduce(padded(cells.first ?? "", to: titleWidth)) { line, cell in
      line + String(repeating: " ", count: max(1, cellWidth - cell.count)) + cell
    }
  }

  private static func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
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
