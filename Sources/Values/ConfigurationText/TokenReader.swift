// SPDX-License-Identifier: Apache-2.0

/// The longest interval that is accepted: 365 days.
private let longestInterval = Duration.seconds(365 * 86_400)

/// A parser that reads the tokens of a configuration file one after the other.
package protocol TokenReader {
  /// The tokens of the file; never empty, and the last one is the end.
  var tokens: [Token] { get }
  /// The index of the token that is read next.
  var position: Int { get set }

  mutating func report(_ diagnostic: Diagnostic)
}

extension TokenReader {
  /// The token that is read next.
  package var next: Token { tokens[position] }

  /// Reads a token; the end is read again and again.
  package mutating func take() -> Token {
    let token = tokens[position]
    if token.kind != .end { position += 1 }
    return token
  }

  /// That a word is none of those known, and which of them it may have been meant to be.
  package func unknown(_ token: Token, as kind: String, among known: [String]) -> Diagnostic {
    let advice =
      if let near = nearest(to: token.text, among: known) {
        "did you mean \(near)?"
      } else {
        "known are \(known.joined(separator: ", "))"
      }
    return Diagnostic("unknown \(kind) \(token.shown)", at: token.location, advice: advice)
  }

  /// Reads a word or quoted text; `meaning` says in messages what it should be.
  package mutating func takeText(_ meaning: String) throws(Diagnostic) -> Token {
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
  package mutating func takeWord(_ meaning: String) throws(Diagnostic) -> Token {
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
  package mutating func takeNumber(
    in range: ClosedRange<Int>,
    or alternative: String? = nil
  ) throws(Diagnostic) -> Int {
    let meaning = (alternative.map { "\($0) or " } ?? "") + "a number"
    let token = try takeWord(meaning)
    let value = wholeNumber(token.text)
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
  package mutating func takeInterval(atLeast least: Duration = .zero) throws(Diagnostic) -> Duration
  {
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
    guard let number = wholeNumber(String(digits)), let milliseconds else {
      throw Diagnostic(
        "\(token.shown) is not an interval",
        at: token.location,
        advice: "write a whole number and, without a blank, its unit ms, s, m, or h: 250ms, 5s, 2h"
      )
    }
    let (total, overflow) = number.multipliedReportingOverflow(by: milliseconds)
    guard !overflow, .milliseconds(total) <= longestInterval else {
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
  package mutating func takePath(longest: Int) throws(Diagnostic) -> String {
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
}

/// A number made of digits only; `nil` if there is none, or it is far too large.
package func wholeNumber(_ digits: String) -> Int? {
  guard (1...15).contains(digits.utf8.count),
    digits.utf8.allSatisfy({ (0x30...0x39).contains($0) })
  else { return nil }
  return Int(digits)
}
