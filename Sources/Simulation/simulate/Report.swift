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

  /// One line that `scripts/simulate --sum` adds to others: what ran, and all that was counted.
  func line(of layer: Counters.Layer, run: Run, took: Duration) -> String {
    let rows = counters.rows(of: layer)
    let fields: [(String, String)] = [
      ("layer", Self.quoted("\(layer)")), ("commit", Self.quoted(run.commit)),
      ("nodes", run.nodes.map { "\($0)" } ?? "null"), ("seed", "\(run.seed)"),
      ("seeds", "\(run.seeds)"), ("seconds", "\(Self.seconds(took))"),
      ("slowestSettling", "\(counters.slowestSettling)"),
      ("counters", Self.object(rows.map { ($0.name, "\($0.value)") })),
      ("minimums", Self.object(rows.map { ($0.name, "\($0.perThousand)") })),
      ("violations", "[" + failures.map(Self.quoted).joined(separator: ",") + "]"),
    ]
    return Self.object(fields)
  }

  private static func object(_ fields: [(String, String)]) -> String {
    "{" + fields.map { quoted($0.0) + ":" + $0.1 }.joined(separator: ",") + "}"
  }

  /// A JSON string (RFC 8259, section 7).
  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": quoted += "\\\(scalar)"
      case "\n": quoted += "\\n"
      case "\u{0}"..."\u{1F}": quoted += " "
      default: quoted.unicodeScalars.append(scalar)  // not ours: all of Unicode
      }
    }
    return quoted + "\""
  }

  private static func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
  }

  /// The counters, each with its minimum, and the pace.
  func text(of layer: Counters.Layer, took: Duration) -> String {
    let seconds = Self.seconds(took)
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

/// Which worlds a run was to go through, and of which program.
struct Run: Sendable {
  let seed: UInt64
  let seeds: UInt64
  let nodes: Int?
  let commit: String
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
