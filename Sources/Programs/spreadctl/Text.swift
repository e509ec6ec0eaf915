// SPDX-License-Identifier: Apache-2.0

/// A table of words; columns are as wide as they need to be.
struct TextTable {
  private var rows: [[String]]
  private let rightAligned: Set<Int>

  init(_ titles: [String], rightAligned: Set<Int> = []) {
    (rows, self.rightAligned) = ([titles], rightAligned)
  }

  mutating func add(_ row: [String]) { rows.append(row) }

  /// The lines, without blanks at their ends.
  var lines: [String] {
    let widths = (rows.first ?? []).indices.map { column in
      rows.map { $0[column].count }.max() ?? 0
    }
    return rows.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        line +=
          (column > 0 ? "  " : "")
          + (rightAligned.contains(column) ? padding + cell : cell + padding)
      }
      while line.last == " " { line.removeLast() }
      return line
    }
  }

  var text: String { lines.joined(separator: "\n") }
}

/// A number with commas between groups of three digits.
func grouped(_ value: Int64) -> String {
  var digits = String(value.magnitude)
  var place = digits.count - 3
  while place > 0 {
    digits.insert(",", at: digits.index(digits.startIndex, offsetBy: place))
    place -= 3
  }
  return (value < 0 ? "-" : "") + digits
}

/// A time as people say it: `312 us`, `2.1 ms`, `1.4 s`.
func shortTime(microseconds: Int64) -> String {
  switch microseconds {
  case ..<1_000: "\(microseconds) us"
  case ..<1_000_000: "\(tenths(microseconds / 100)) ms"
  default: "\(tenths(microseconds / 100_000)) s"  // not ours: a number
  }
}

/// A number of tenths with its point.
func tenths(_ value: Int64) -> String { "\(grouped(value / 10)).\(abs(value % 10))" }
