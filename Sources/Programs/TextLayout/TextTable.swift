// SPDX-License-Identifier: Apache-2.0

/// A table for people: columns padded to their widest cell, the last one broken at the width.
package struct TextTable {
  private var rows: [[String]]
  private let rightAligned: Set<Int>

  /// Numbers are best aligned to the right, in any columns.
  package init(header: [String], rightAligned: Set<Int> = []) {
    (rows, self.rightAligned) = ([header], rightAligned)
  }

  package var isEmpty: Bool { rows.count == 1 }

  package mutating func add(_ row: [String]) { rows.append(row) }

  /// The lines, none with blanks at its end.
  ///
  /// Where `width` is given, the last column is broken between words so that lines fit; a word that
  /// is too long stands on a line of its own. Columns for which there is no room go below the first
  /// ones, set in a little, in the header as in every row.
  package func lines(width: Int?) -> [String] {
    let widths = (0..<(rows.map(\.count).max() ?? 0)).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    let parts = Self.parts(of: widths, within: width)
    return rows.flatMap { row in
      parts.filter {
        $0.lowerBound == 0 || row[min($0.lowerBound, row.count)...].contains { !$0.isEmpty }
      }
      .flatMap { lines(of: row, in: $0, widths, width) }
    }
  }

  /// Columns that stand side by side.
  private static func parts(of widths: [Int], within width: Int?) -> [Range<Int>] {
    guard let width else { return [widths.indices] }
    var parts: [Range<Int>] = []
    var (first, used) = (0, 0)
    for (column, needed) in widths.enumerated() {
      // The last one can be broken.
      let least = column == widths.count - 1 ? min(needed, leastRoom) : needed
      if column > first, used + least > width {
        parts.append(first..<column)
        (first, used) = (column, indent)
      }
      used += needed + 2
    }
    return parts + [first..<widths.count]
  }

  private func lines(
    of row: [String],
    in part: Range<Int>,
    _ widths: [Int],
    _ width: Int?
  ) -> [String] {
    var front = part.lowerBound == 0 ? "" : String(repeating: " ", count: Self.indent)
    for column in part.dropLast() where column < row.count {
      front += padded(row[column], to: widths[column], in: column) + "  "
    }
    guard let last = part.last, last < row.count else { return [Self.trimmed(front)] }
    let isBroken = last == widths.count - 1 && !rightAligned.contains(last)
    let room = width.map { max(Self.leastRoom, $0 - front.count) }
    let pieces =
      isBroken ? Self.broken(row[last], at: room) : [padded(row[last], to: widths[last], in: last)]
    return pieces.enumerated().map { index, piece in
      Self.trimmed((index == 0 ? front : String(repeating: " ", count: front.count)) + piece)
    }
  }

  /// How far columns that stand below others are set in.
  private static let indent = 4
  /// The least room that the last column is broken to.
  private static let leastRoom = 16

  private func padded(_ cell: String, to width: Int, in column: Int) -> String {
    let blanks = String(repeating: " ", count: max(0, width - cell.count))
    return rightAligned.contains(column) ? blanks + cell : cell + blanks
  }

  private static func trimmed(_ line: String) -> String {
    String(line.reversed().drop { $0 == " " }.reversed())
  }

  /// The text in lines of at most `room` characters.
  package static func broken(_ text: String, at room: Int?) -> [String] {
    guard let room, text.count > room else { return [text] }
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      if !line.isEmpty, line.count + 1 + word.count > room {
        lines.append(line)
        line = ""
      }
      line += (line.isEmpty ? "" : " ") + word
    }
    return lines + [line]
  }
}
