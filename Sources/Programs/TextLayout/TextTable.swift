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
  /// is too long stands on a line of its own.
  package func lines(width: Int?) -> [String] {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    let offset = widths.dropLast().reduce(0) { $0 + $1 + 2 }
    return rows.flatMap { row -> [String] in
      let front = zip(row.dropLast(), widths).enumerated().map { column, cell in
        padded(cell.0, to: cell.1, in: column) + "  "
      }
      .joined()
      let room = width.map { max(16, $0 - offset) }
      let isRight = rightAligned.contains(count - 1)
      let last = row.last ?? ""
      let pieces =
        isRight
        ? [padded(last, to: widths.last ?? 0, in: count - 1)]
        : Self.broken(last, at: room)
      return pieces.enumerated().map { index, piece in
        let start = index == 0 ? front : String(repeating: " ", count: offset)
        return Self.trimmed(start + piece)
      }
    }
  }

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
