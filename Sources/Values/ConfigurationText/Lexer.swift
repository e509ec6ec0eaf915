// SPDX-License-Identifier: Apache-2.0

/// A word or sign of a configuration file.
package struct Token: Sendable, Equatable {
  package enum Kind: Sendable, Equatable {
    /// A run of characters without blanks.
    case word
    /// Text that stood in quotes.
    case string
    case open
    case close
    case equals
    /// The end of the file; the last token, and there only.
    case end
  }

  package let kind: Kind
  /// The characters, without quotes.
  package let text: String
  package let location: SourceLocation
  /// Nothing but blanks precedes the token on its line.
  package let startsLine: Bool

  /// A word that stands where another token stands.
  package init(word text: String, at token: Token) {
    self.init(
      kind: .word,
      text: text,
      location: token.location,
      startsLine: token.startsLine
    )
  }

  init(kind: Kind, text: String, location: SourceLocation, startsLine: Bool) {
    (self.kind, self.text, self.location) = (kind, text, location)
    self.startsLine = startsLine
  }

  /// The token as a message shows it: quoted, with blanks and invisible characters made visible.
  package var shown: String {
    switch kind {
    case .word, .string, .open, .close, .equals: "'\(visible(text))'"
    case .end: "the end of the file"
    }
  }
}

/// Text as a message shows it: on one line, of bounded length, nothing in it invisible.
package func visible(_ text: String, limit: Int = 64) -> String {
  var result = ""
  for (count, scalar) in text.unicodeScalars.enumerated() {
    guard count < limit else { return result + "..." }
    let shows =
      switch scalar.properties.generalCategory {
      case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
        .paragraphSeparator:
        false
      case .spaceSeparator: scalar == " "
      default: true  // not ours: the standard library's enum of Unicode categories
      }
    if shows {
      result.unicodeScalars.append(scalar)
    } else {
      result += "\\u{\(String(scalar.value, radix: 16))}"
    }
  }
  return result
}

/// Cuts the text of a configuration file into tokens.
///
/// `#` starts a comment, outside quotes. Braces and `=` are tokens wherever they stand outside
/// quotes. Quotes are `"` or `'`, hold no escapes, and end on their line. Bytes that are no text
/// are reported, once for each run of them, and left out.
package struct Lexer: Sendable {
  private let file: String
  private var bytes: IndexingIterator<[UInt8]>
  private var decoder = Unicode.UTF8.ForwardParser()
  /// The character the lexer stands before; `nil` at the end.
  private var current: Unicode.Scalar?
  private var line = 1
  private var column = 0
  private var startsLine = true
  private var tokens: [Token] = []

  /// The tokens of a file; of one of more than `longest` bytes, which is reported, the end alone.
  package static func tokens(
    of text: [UInt8],
    file: String,
    longest: Int,
    reportingTo collector: inout DiagnosticCollector
  ) -> [Token] {
    guard text.count <= longest else {
      let start = SourceLocation(file: file, line: 1, column: 1)
      collector.report(
        Diagnostic(
          "the file has \(text.count) bytes, and a configuration may have \(longest)",
          at: start,
          advice: "check that this is the right file"
        )
      )
      return [Token(kind: .end, text: "", location: start, startsLine: true)]
    }
    var lexer = Lexer(text: text, file: file)
    lexer.advance(reportingTo: &collector)
    while lexer.scan(reportingTo: &collector) {}
    return lexer.tokens
  }

  private init(text: [UInt8], file: String) {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    self.file = file
    bytes = (text.starts(with: mark) ? Array(text.dropFirst(mark.count)) : text).makeIterator()
  }

  private var location: SourceLocation {
    SourceLocation(file: file, line: line, column: column)
  }

  /// Appends the next token; `false` once the end was appended.
  private mutating func scan(reportingTo collector: inout DiagnosticCollector) -> Bool {
    skipBlanksAndComments(reportingTo: &collector)
    let start = location
    switch current {
    case nil:
      append(.end, "", at: start)
      return false
    case "{": appendSign(.open, "{", reportingTo: &collector)
    case "}": appendSign(.close, "}", reportingTo: &collector)
    case "=": appendSign(.equals, "=", reportingTo: &collector)
    case let quote? where quote == "\"" || quote == "'":
      scanString(closedBy: quote, reportingTo: &collector)
    case _?:
      let text = take(reportingTo: &collector) { !Self.endsWord($0) }
      append(.word, text, at: start)
    }
    return true
  }

  private mutating func skipBlanksAndComments(reportingTo collector: inout DiagnosticCollector) {
    while let scalar = current {
      if scalar == "\n" {
        startsLine = true
        advance(reportingTo: &collector)
      } else if Self.isBlank(scalar) {
        advance(reportingTo: &collector)
      } else if scalar == "#" {
        _ = take(reportingTo: &collector) { $0 != "\n" }
      } else {
        return
      }
    }
  }

  private mutating func scanString(
    closedBy quote: Unicode.Scalar,
    reportingTo collector: inout DiagnosticCollector
  ) {
    let start = location
    advance(reportingTo: &collector)
    let text = take(reportingTo: &collector) { $0 != quote && $0 != "\n" }
    if current == quote {
      advance(reportingTo: &collector)
    } else {
      collector.report(
        Diagnostic(
          "the quotation opened here is not closed on its line",
          at: start,
          advice: "add \(quote) where it ends"
        )
      )
    }
    append(.string, text, at: start)
  }

  private mutating func appendSign(
    _ kind: Token.Kind,
    _ text: String,
    reportingTo collector: inout DiagnosticCollector
  ) {
    append(kind, text, at: location)
    advance(reportingTo: &collector)
  }

  private mutating func append(_ kind: Token.Kind, _ text: String, at location: SourceLocation) {
    tokens.append(Token(kind: kind, text: text, location: location, startsLine: startsLine))
    startsLine = false
  }

  /// Moves past the characters that `belongs` accepts, and returns them.
  private mutating func take(
    reportingTo collector: inout DiagnosticCollector,
    while belongs: (Unicode.Scalar) -> Bool
  ) -> String {
    var text = String.UnicodeScalarView()
    while let scalar = current, belongs(scalar) {
      text.append(scalar)
      advance(reportingTo: &collector)
    }
    return String(text)
  }

  /// Moves to the next character of the text, reporting what is none.
  private mutating func advance(reportingTo collector: inout DiagnosticCollector) {
    if current == "\n" { (line, column) = (line + 1, 0) }
    var reported = false
    while true {
      column += 1
      let problem: String
      switch decoder.parseScalar(from: &bytes) {
      case .valid(let encoded):
        let scalar = Unicode.UTF8.decode(encoded)
        guard Self.isControl(scalar) else {
          current = scalar
          return
        }
        problem = "control character 0x\(String(scalar.value, radix: 16))"
      case .error: problem = "bytes that are not UTF-8"
      case .emptyInput:
        current = nil
        return
      }
      if !reported {
        collector.report(
          Diagnostic(
            "\(problem) in the text",
            at: location,
            advice: "remove it: a configuration is plain UTF-8 text"
          )
        )
        reported = true
      }
    }
  }

  private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
    scalar == " " || scalar == "\t" || scalar == "\r"
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar != "\n" && !isBlank(scalar) && scalar.properties.generalCategory == .control
  }

  private static func endsWord(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "\n", "#", "{", "}", "=", "\"", "'": true
    default: isBlank(scalar)  // not ours: characters
    }
  }
}
