// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The top of the source tree.
let tree = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

func text(of path: String) throws -> String {
  try String(contentsOf: tree.appending(path: path), encoding: .utf8)
}

/// A manual page in mdoc.
struct Page {
  let lines: [String]

  init(_ path: String) throws {
    lines = try text(of: path).split(separator: "\n", omittingEmptySubsequences: false)
      .map(String.init)
  }

  /// The words that follow the macro `Ic` anywhere, each once.
  var commands: Set<String> { Set(lines.flatMap { Self.words(after: "Ic", in: $0) }) }

  /// Where the description of each listed item begins: the item's arguments, and what follows.
  var items: [(arguments: [String], body: ArraySlice<String>)] {
    let starts = lines.indices.filter { lines[$0].hasPrefix(".It ") }
    return zip(starts, starts.dropFirst() + [lines.endIndex]).map { start, end in
      (lines[start].split(separator: " ").dropFirst().map(String.init), lines[start + 1..<end])
    }
  }

  /// The options that are described: `-c`, `--config`.
  var options: Set<String> {
    var found: Set<String> = []
    for item in items where item.arguments.first == "Fl" {
      for option in Self.words(after: "Fl", in: item.arguments.joined(separator: " ")) {
        found.insert("-" + option)
      }
    }
    return found
  }

  /// The literal displays, each as one text.
  var displays: [String] {
    var found: [String] = []
    var display: [String]?
    for line in lines {
      if line.hasPrefix(".Bd -literal") {
        display = []
      } else if line == ".Ed", let complete = display {
        found.append(complete.joined(separator: "\n"))
        display = nil
      } else {
        display?.append(line)
      }
    }
    return found
  }

  private static func words(after macro: String, in line: String) -> [String] {
    let parts = line.split(separator: " ").map(String.init)
    return zip(parts, parts.dropFirst()).filter { $0.0 == macro || $0.0 == ".\(macro)" }.map(\.1)
  }
}
