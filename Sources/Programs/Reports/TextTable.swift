// SPDX-License-Identifier: Apache-2.0

/// A table for people: columns padded to their widest cell, the last one broken at the width.
package struct TextTable {
  private var rows: [[String]]

  package init(header: [String]) { rows = [header] }

  package var isEmpty: Bool { rows.count == 1 }

  package mutating func add(_ row: [String]) { rows.append(row) }

  /// The lines, none with blanks at its end.
  ///
  /// Where `width` is given, the last column is broken between words so that lines fit; a word that
  /// is too long stands on a line of its own.
  package func lines(width: Int?) -> [String] {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<max(0, count - 1)).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    let offset = widths.reduce(0) { $0 + $1 + 2 }
    return rows.flatMap { row -> [String] in
      let front = zip(row.dropLast(), widths).map { cell, width in
        cell + String(repeating: " ", count: width - cell.count + 2)
      }
      .joined()
      let room = width.map { max(16, $0 - offset) }
      let pieces = Self.broken(row.last ?? "", at: room)
      return pieces.enumerated().map { index, piece in
        let start = index == 0 ? front : String(repeating: " ", count: offset)
        return Self.trimmed(start + piece)
      }
    }
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
