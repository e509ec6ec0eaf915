// SPDX-License-Identifier: Apache-2.0

import Glibc
import Worlds

/// What came of several worlds.
struct Report: Sendable {
  private var counters = Counters()
  private(set) var failures: [String] = []

  mutating func add(_ outcome: Outcome, seed: UInt64, replay: String) {
    counters.add(outcome.counters)
    guard let violation = outcome.violation else { return }
    failures.append("seed \(seed): \(violation)\n  replay: \(replay)")
  }

  mutating func add(_ other: Self) {
    counters.add(other.counters)
    failures += other.failures
  }

  /// The counters, each with its minimum, and the pace.
  func text(of layer: Counters.Layer, took: Duration) -> String {
    let seconds = Double(took.components.seconds) + Double(took.components.attoseconds) / 1e18
    let pace = Double(counters.worlds) / max(seconds, 0.001)
    let rows = counters.rows(of: layer)
    let width = rows.map(\.name.count).max() ?? 0
    var lines = rows.map { row in
      let name = row.name + String(repeating: " ", count: width - row.name.count)
      let isLow = row.minimum > 0 && row.value < row.minimum
      return "\(name)  \(row.value)"
        + (row.minimum > 0 ? "  (at least \(row.minimum))" : "") + (isLow ? "  TOO FEW" : "")
    }
    lines.append("slowest settling: \(counters.slowestSettling) ms of virtual time")
    lines.append(
      "\(counters.worlds) worlds in \(Int(seconds * 10) / 10) s, \(Int(pace)) seeds per second, "
        + "\(failures.count) violations"
    )
    return lines.joined(separator: "\n")
  }
}

/// Writes lines to a file, which is replaced.
func write(_ lines: [String], to path: String) throws {
  guard let file = fopen(path, "w") else {
    throw FileError(text: "\(path) cannot be written: \(String(cString: strerror(errno)))")
  }
  defer { fclose(file) }
  for line in lines { fputs(line + "\n", file) }
}

/// Why a file could not be written.
struct FileError: Error, CustomStringConvertible {
  let text: String
  var description: String { text }
}
