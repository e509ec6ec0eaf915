// SPDX-License-Identifier: Apache-2.0

import Foundation

/// One recorded conversation between clients and daemons (see `Recorded/README.md`).
package struct Transcript: Sendable {
  package enum Side: Sendable, Hashable {
    case client
    case daemon
  }

  package enum Event: Sendable, Equatable {
    case open
    case bytes([UInt8])
    /// The end of one side's stream, orderly or not.
    case end
    /// A comment that names the unit which ends here, without the leading `# : `.
    case unit(String)
    /// A comment that says what happens next, without the leading `# step: `.
    case step(String)
  }

  package struct Line: Sendable, Equatable {
    package let side: Side
    /// The letter of the connection; empty for comments.
    package let connection: String
    package let event: Event
  }

  package let name: String
  package let lines: [Line]

  /// The names of all recordings, in order.
  package static let names: [String] = {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return files.filter { $0.hasSuffix(".txt") }.map { String($0.dropLast(4)) }.sorted()
  }()

  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Recorded")

  package init(_ name: String) throws {
    self.name = name
    let text = try String(contentsOf: Self.folder.appending(path: name + ".txt"), encoding: .utf8)
    var lines: [Line] = []
    for line in text.split(separator: "\n") {
      if let line = try Self.parse(line) { lines.append(line) }
    }
    self.lines = lines
  }

  /// What one side of a connection said, its whole stream.
  package func stream(of side: Side, _ connection: String) -> [UInt8] {
    lines.reduce(into: []) { stream, line in
      guard line.side == side, line.connection == connection, case .bytes(let bytes) = line.event
      else { return }
      stream += bytes
    }
  }

  /// The letters of the connections, in the order of opening.
  package var connections: [String] {
    lines.compactMap { $0.event == .open ? $0.connection : nil }
  }

  private static func parse(_ line: Substring) throws -> Line? {
    if line.hasPrefix("# : ") {
      return Line(side: .daemon, connection: "", event: .unit(String(line.dropFirst(4))))
    }
    if line.hasPrefix("# step: ") {
      return Line(side: .daemon, connection: "", event: .step(String(line.dropFirst(8))))
    }
    if line.hasPrefix("#") { return nil }
    let fields = line.split(separator: " ", maxSplits: 3)
    guard fields.count == 4, fields[0] == "C>D" || fields[0] == "D>C" else {
      throw Malformed(line: String(line))
    }
    return Line(
      side: fields[0] == "C>D" ? .client : .daemon,
      connection: String(fields[1]),
      event: try event(fields[3], in: line)
    )
  }

  private static func event(_ text: Substring, in line: Substring) throws -> Event {
    switch text {
    case "OPEN": return .open
    case "EOF", "RESET": return .end
    default: break
    }
    if text.hasPrefix("*") {
      let numbers = text.dropFirst().split(separator: "@").compactMap { Int($0) }
      guard numbers.count == 2 else { throw Malformed(line: String(line)) }
      return .bytes((numbers[1]..<numbers[1] + numbers[0]).map { UInt8($0 % 251) })
    }
    return .bytes(
      try text.split(separator: " ").map { byte throws in
        guard let value = UInt8(byte, radix: 16) else { throw Malformed(line: String(line)) }
        return value
      }
    )
  }

  /// A line that is neither comment nor bytes.
  package struct Malformed: Error {
    package let line: String
  }
}
