// SPDX-License-Identifier: Apache-2.0

import GroupModel

extension Parser {
  /// The longest interval that is accepted: 365 days.
  private static let longestInterval = Duration.seconds(365 * 86_400)

  /// Reads a word or quoted text; `meaning` says in messages what it should be.
  mutating func takeText(_ meaning: String) throws(Diagnostic) -> Token {
    switch next.kind {
    case .word, .string: return take()
    case .open, .close, .equals, .end:
      throw Diagnostic(
        "expected \(meaning), found \(next.shown)",
        at: next.location,
        advice: "write \(meaning) there"
      )
    }
  }

  /// Reads a word without quotes.
  mutating func takeWord(_ meaning: String) throws(Diagnostic) -> Token {
    guard next.kind == .word else {
      throw Diagnostic(
        "expected \(meaning), found \(next.shown)",
        at: next.location,
        advice: "write \(meaning) there, without quotes"
      )
    }
    return take()
  }

  /// Reads a whole number; `alternative` is a word that could stand there as well.
  mutating func takeNumber(
    in range: ClosedRange<Int>,
    or alternative: String? = nil
  ) throws(Diagnostic) -> Int {
    let meaning = (alternative.map { "\($0) or " } ?? "") + "a number"
    let token = try takeWord(meaning)
    let value = Self.number(token.text)
    guard let value, range.contains(value) else {
      throw Diagnostic(
        value == nil ? "\(token.shown) is not \(meaning)" : "\(token.shown) is out of range",
        at: token.location,
        advice: "write \(meaning) from \(range.lowerBound) to \(range.upperBound)"
      )
    }
    return value
  }

  /// Reads an interval: digits with `ms`, `s`, `m`, or `h`, without blanks between.
  mutating func takeInterval(atLeast least: Duration = .zero) throws(Diagnostic) -> Duration {
    let token = try takeWord("an interval such as 250ms or 5s")
    let digits = token.text.prefix { ("0"..."9").contains($0) }
    let unit = asciiLowercased(String(token.text.dropFirst(digits.count)))
    let milliseconds: Int? =
      switch unit {
      case "ms": 1
      case "s": 1_000
      case "m": 60_000
      case "h": 3_600_000
      default: nil  // not ours: text
      }
    guard let number = Self.number(String(digits)), let milliseconds else {
      throw Diagnostic(
        "\(token.shown) is not an interval",
        at: token.location,
        advice: "write a whole number and, without a blank, its unit ms, s, m, or h: 250ms, 5s, 2h"
      )
    }
    let (total, overflow) = number.multipliedReportingOverflow(by: milliseconds)
    guard !overflow, .milliseconds(total) <= Self.longestInterval else {
      throw Diagnostic(
        "the interval \(token.shown) is too long",
        at: token.location,
        advice: "write at most 8760h"
      )
    }
    guard .milliseconds(total) >= least else {
      throw Diagnostic(
        "the interval \(token.shown) is too short",
        at: token.location,
        advice: "write 1ms or more"
      )
    }
    return .milliseconds(total)
  }

  /// Reads an absolute path of at most `longest` bytes.
  mutating func takePath(longest: Int) throws(Diagnostic) -> String {
    let token = try takeText("an absolute path")
    guard token.text.hasPrefix("/") else {
      throw Diagnostic(
        "\(token.shown) is not an absolute path: the daemon works in /",
        at: token.location,
        advice: "write the path from / on"
      )
    }
    guard token.text.utf8.count <= longest else {
      throw Diagnostic(
        "the path has \(token.text.utf8.count) bytes, and \(longest) are possible",
        at: token.location,
        advice: "use a shorter path"
      )
    }
    return token.text
  }

  mutating func parseGroup(at token: Token) throws(Diagnostic) {
    draft.group = try parseScalar(at: token, named: "Group") { parser throws(Diagnostic) in
      let value = try parser.takeText("the name of a group")
      guard let group = GroupName(text: value.text) else {
        throw Diagnostic(
          "\(value.shown) is not the name of a group",
          at: value.location,
          advice: "use 1 to 31 printable ASCII characters other than blank, !, \", and #"
        )
      }
      return group
    }
  }

  /// A number made of digits only; `nil` if there is none, or it is far too large.
  static func number(_ digits: String) -> Int? {
    guard (1...15).contains(digits.utf8.count),
      digits.utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    return Int(digits)
  }
}
