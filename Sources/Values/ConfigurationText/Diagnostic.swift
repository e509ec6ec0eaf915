// SPDX-License-Identifier: Apache-2.0

/// A place in a configuration file.
package struct SourceLocation: Sendable, Hashable, Comparable {
  /// The name of the file as the operator gave it.
  package let file: String
  /// Counted from 1.
  package let line: Int
  /// Counted from 1, in characters (Unicode scalars); a tab is one.
  package let column: Int

  package init(file: String, line: Int, column: Int) {
    (self.file, self.line, self.column) = (file, line, column)
  }

  /// Where it is, for a message about another place: the line, and the file where that differs.
  package func seen(from other: Self) -> String {
    file == other.file ? "line \(line)" : "line \(line) of \(file)"
  }

  /// The place `count` characters to the right.
  package func advanced(by count: Int) -> Self {
    Self(file: file, line: line, column: column + count)
  }

  package static func < (lhs: Self, rhs: Self) -> Bool {
    (lhs.file, lhs.line, lhs.column) < (rhs.file, rhs.line, rhs.column)
  }
}

extension SourceLocation: CustomStringConvertible {
  package var description: String { "\(file):\(line):\(column)" }
}

/// One thing that is wrong with a configuration.
package struct Diagnostic: Error, Sendable, Hashable {
  package let location: SourceLocation
  /// What is wrong, and why.
  package let problem: String
  /// What to do about it.
  package let advice: String

  package init(_ problem: String, at location: SourceLocation, advice: String) {
    (self.location, self.problem, self.advice) = (location, problem, advice)
  }
}

extension Diagnostic: CustomStringConvertible {
  package var description: String { "\(location): \(problem); \(advice)" }
}

/// Everything that is wrong with a configuration, in the order of the file.
package struct Diagnostics: Error, Sendable, Hashable {
  /// The most diagnostics that are kept; the rest is counted.
  package static let limit = 100

  /// One to ``limit``.
  package let list: [Diagnostic]
  /// How many more there were.
  package let omitted: Int
}

extension Diagnostics: CustomStringConvertible {
  /// One line for each diagnostic, without a line feed at the end.
  package var description: String {
    let lines = list.map(\.description)
    guard omitted > 0 else { return lines.joined(separator: "\n") }
    return (lines + ["and \(omitted) more"]).joined(separator: "\n")
  }
}

/// Gathers diagnostics up to the limit.
package struct DiagnosticCollector: Sendable {
  private var list: [Diagnostic] = []
  private var omitted = 0

  package init() {}

  package mutating func report(_ diagnostic: Diagnostic) {
    if list.count < Diagnostics.limit {
      list.append(diagnostic)
    } else {
      omitted += 1
    }
  }

  /// How many were reported.
  package var count: Int { list.count + omitted }

  /// Whether anything was reported.
  package var foundAny: Bool { !list.isEmpty }

  /// Whether something between two places of a file was reported.
  package func foundAny(from first: SourceLocation, to last: SourceLocation) -> Bool {
    list.contains { first <= $0.location && $0.location < last }
  }

  /// What was reported, in the order of the file.
  package var diagnostics: Diagnostics {
    Diagnostics(list: list.sorted { $0.location < $1.location }, omitted: omitted)
  }
}

/// A value and where it was written.
package struct Located<Value: Sendable & Equatable>: Sendable, Equatable {
  package let value: Value
  package let location: SourceLocation

  package init(value: Value, location: SourceLocation) {
    (self.value, self.location) = (value, location)
  }
}
