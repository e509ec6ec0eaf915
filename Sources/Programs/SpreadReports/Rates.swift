// SPDX-License-Identifier: Apache-2.0

package import Machine
import TextLayout

/// How fast the counters of a daemon grow.
package struct Rates: Sendable {
  package private(set) var last: DaemonReport?
  private var lastAt: Instant?
  private var totals: [String: Int64] = [:]
  private(set) var now: [String: Int64] = [:]
  private(set) var peak: [String: Int64] = [:]
  /// Messages ordered in each interval, the latest last.
  private(set) var history: [Int64] = []

  package init() {}

  package mutating func add(_ report: DaemonReport, at time: Instant) {
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
  package var line: String {
    guard let last else { return "" }
    return "\(last.node) \(last.phase) \(last.present)/\(last.configured.count) daemons, "
      + "\(grouped(now["messages_ordered"] ?? 0)) messages/s, "
      + "\(grouped(now["delivered"] ?? 0)) deliveries/s, rotation \(last.rotation)"
  }
}
