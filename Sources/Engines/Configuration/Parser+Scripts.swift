// SPDX-License-Identifier: Apache-2.0

import ConfigurationText
import Health

extension Parser {
  /// Reads `RunScript PATH on up [User NAME] [Timeout INTERVAL]`.
  mutating func parseRunScript(at token: Token) throws(Diagnostic) {
    markSeen(StatementWord.runScript.rawValue, at: token.location)
    guard draft.scripts.count < WackamoleConfiguration.mostScripts else {
      throw Diagnostic(
        "there are more than \(WackamoleConfiguration.mostScripts) scripts",
        at: token.location,
        advice: "let one script do the work of several"
      )
    }
    if next.kind == .equals {
      throw Diagnostic(
        "RunScript takes no =",
        at: next.location,
        advice: "write RunScript PATH EVENT"
      )
    }
    let path = try takePath(longest: 4_000)
    guard !next.startsLine, next.kind == .word || next.kind == .string else {
      throw Diagnostic(
        "there is no event on which to run \(visible(path))",
        at: token.location,
        advice: "write it behind the path: \(Self.events)"
      )
    }
    let event = try takeEvent()
    var script = WackamoleConfiguration.Script(path: path, event: event)
    while let (word, _) = takeOption(.user, .timeout) {
      switch word {
      case .user: script.user = try takeAccount("the name or number of a user").value
      case .timeout: script.timeout = try takeInterval(atLeast: .milliseconds(1))
      case .throttle, .ping: break
      }
    }
    draft.scripts.append(script)
  }

  private static let events = WackamoleConfiguration.ScriptEvent.allCases.map(\.rawValue)
    .joined(separator: ", ")

  /// Reads an event: two words, or one text in quotes.
  private mutating func takeEvent() throws(Diagnostic) -> WackamoleConfiguration.ScriptEvent {
    let first = try takeText("an event")
    var text = asciiLowercased(first.text).split { $0 == " " || $0 == "\t" }.joined(separator: " ")
    if first.kind == .word, next.kind == .word { text += " " + asciiLowercased(take().text) }
    guard let event = WackamoleConfiguration.ScriptEvent(rawValue: text) else {
      throw Diagnostic(
        "'\(visible(text))' is not an event",
        at: first.location,
        advice: "write one of \(Self.events)"
      )
    }
    return event
  }

  // MARK: - Command lines

  /// The words of a command line: separated by blanks, quoted as a whole or in part.
  ///
  /// No shell takes part: nothing but quotes has a meaning, and there are no escapes.
  static func commandLine(_ token: Token) throws(Diagnostic) -> Check.Program {
    var words: [String] = []
    var word: String?
    var quote: Character?
    for character in token.text {
      switch (character, quote) {
      case (let same, let open?) where same == open: quote = nil
      case (let inside, _?): word = (word ?? "") + String(inside)
      case ("\"", nil), ("'", nil):
        quote = character
        word = word ?? ""
      case (" ", nil), ("\t", nil):
        if let complete = word { words.append(complete) }
        word = nil
      case (let other, nil): word = (word ?? "") + String(other)
      }
    }
    if let quote {
      throw Diagnostic(
        "the quotation \(quote) within the command line is not closed",
        at: token.location,
        advice: "close it"
      )
    }
    if let word { words.append(word) }
    guard let path = words.first, path.hasPrefix("/") else {
      throw Diagnostic(
        "\(token.shown) does not begin with an absolute path",
        at: token.location,
        advice: "write the program's path from / on: no shell looks for it"
      )
    }
    return Check.Program(path: path, arguments: Array(words.dropFirst()))
  }
}
