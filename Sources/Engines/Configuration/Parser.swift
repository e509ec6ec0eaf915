// SPDX-License-Identifier: Apache-2.0

import ConfigurationText

/// Reads `wackamole.conf` statement by statement; goes on after an error at the next statement.
struct Parser: Sendable, TokenReader {
  var tokens: [Token]
  var position = 0
  var collector: DiagnosticCollector
  var draft = Draft()
  let include: WackamoleConfiguration.Include?
  /// The files being read, from the outermost to the one that `tokens` are of.
  var files: [String]
  var bytesRead: Int

  init(text: [UInt8], file: String, include: WackamoleConfiguration.Include?) {
    var collector = DiagnosticCollector()
    tokens = Lexer.tokens(
      of: text,
      file: file,
      longest: WackamoleConfiguration.longestText,
      reportingTo: &collector
    )
    self.collector = collector
    self.include = include
    (files, bytesRead) = ([file], text.count)
  }

  /// Parses everything; called once.
  mutating func configuration(
    node: WackamoleConfiguration.NodeOverride?,
    spread: WackamoleConfiguration.SpreadOverride?
  ) throws(Diagnostics) -> WackamoleConfiguration {
    // An end at once, with something reported, is a file too long to be read.
    guard next.kind != .end || !collector.foundAny else { throw collector.diagnostics }
    while next.kind != .end { parseStatement() }
    if let spread { override(spread: spread) }
    guard let configuration = checked(node: node), !collector.foundAny else {
      throw collector.diagnostics
    }
    return configuration
  }
}

// MARK: - Statements

extension Parser {
  mutating func parseStatement() {
    let token = take()
    do throws(Diagnostic) {
      switch token.kind {
      case .word: try parseStatement(at: token)
      case .close:
        throw Diagnostic("} without a { before it", at: token.location, advice: "remove it")
      case .open, .equals, .string, .end:
        throw Diagnostic(
          "a statement begins with a word, not with \(token.shown)",
          at: token.location,
          advice: "write a statement as in wackamole.conf(5)"
        )
      }
    } catch {
      report(error)
      if token.kind != .close { skipToStatement(after: token) }
    }
  }

  private mutating func parseStatement(at token: Token) throws(Diagnostic) {
    guard let word = StatementWord(word: token.text) else { throw refusal(of: token) }
    switch word {
    case .spread: try parseSpread(at: token)
    case .engine: try parseEngine(at: token)
    case .group: try parseGroup(at: token)
    case .spreadRetryInterval:
      draft.spreadRetryInterval = try parseScalar(at: token, named: word.rawValue) {
        parser throws(Diagnostic) in
        try parser.takeInterval(atLeast: .milliseconds(1))
      }
    case .stateDirectory: try parseStateDirectory(at: token)
    case .backendLoss: try parseBackendLoss(at: token)
    case .unsealed: try parseUnsealed(at: token)
    case .controlGroup: try parseControlGroup(at: token)
    case .logFacility: try parseLogFacility(at: token)
    case .arpCache:
      draft.arpCache = try parseScalar(at: token, named: word.rawValue) {
        parser throws(Diagnostic) in
        try parser.takeInterval(atLeast: .seconds(1))
      }
    case .notify: try parseNotify(at: token)
    case .weight:
      draft.weight = try parseScalar(at: token, named: word.rawValue) {
        parser throws(Diagnostic) in
        UInt16(try parser.takeNumber(in: 1...WackamoleConfiguration.heaviest))
      }
    case .apart: try parseApart(at: token)
    case .check: try parseCheck(at: token)
    case .policy: try parsePolicy(at: token)
    case .quorum: try parseQuorum(at: token)
    case .runScript: try parseRunScript(at: token)
    case .include: try parseInclude(at: token)
    case .control:
      draft.control = try parseScalar(at: token, named: word.rawValue) {
        parser throws(Diagnostic) in
        try parser.takePath(longest: 107)
      }
    case .mature:
      draft.mature = try parseScalar(at: token, named: word.rawValue) {
        parser throws(Diagnostic) in
        try parser.takeInterval()
      }
    case .balance: try parseBalance(at: token)
    case .prefer: try parsePrefer(at: token)
    case .virtualInterfaces, .vifs, .vips: try parseVirtualInterfaces(at: token)
    case .guardian: try parseGuardian(at: token)
    case .lease: try parseLease(at: token)
    case .announce: try parseAnnounce(at: token)
    case .conflict: try parseConflict(at: token)
    case .process: try parseProcess(at: token)
    case .protocolVersion:
      draft.protocolVersion = try parseScalar(at: token, named: word.rawValue) {
        parser throws(Diagnostic) in
        UInt8(try parser.takeNumber(in: 1...Int(WackamoleConfiguration.newestProtocol)))
      }
    }
  }

  /// Why a word does not begin a statement here.
  private func refusal(of token: Token) -> Diagnostic {
    if let removed = RemovedStatementWord(word: token.text) {
      return Diagnostic(
        "\(removed.rawValue) is not supported: no code is loaded into the daemon",
        at: token.location,
        advice: "write RunScript PATH EVENT instead: it runs a program at the same events"
      )
    }
    let owners = Self.owners(of: token.text)
    if let owner = owners.first {
      return Diagnostic(
        "\(owner.word) is a parameter of \(owners.map(\.block).joined(separator: " and of "))",
        at: token.location,
        advice: "move it into \(owners.map { "\($0.block) { ... }" }.joined(separator: " or "))"
      )
    }
    return unknown(token, as: "statement", among: StatementWord.allCases.map(\.rawValue))
  }

  /// The blocks that have a parameter of this name, and how it is spelled.
  static func owners(of text: String) -> [(word: String, block: String)] {
    [
      EngineWord(word: text).map { ($0.rawValue, "Engine") },
      BalanceWord(word: text).map { ($0.rawValue, "Balance") },
      CheckWord(word: text).map { ($0.rawValue, "Check") },
    ]
    .compactMap { $0 }
  }

  private mutating func parseBalance(at token: Token) throws(Diagnostic) {
    markSeen("Balance", at: token.location)
    let block = try takeOpening(of: "Balance")
    let empty = parseParameters(BalanceWord.self, of: block) {
      parser,
      word,
      element throws(Diagnostic) in
      try parser.parseBalanceParameter(word, at: element)
    }
    if empty { report(emptiness(of: block, advice: "add Interval or AcquisitionsPerRound")) }
  }

  private mutating func parseBalanceParameter(
    _ word: BalanceWord,
    at token: Token
  ) throws(Diagnostic) {
    switch word {
    case .interval:
      draft.balance.interval = try parseScalar(at: token, named: "Balance Interval") {
        parser throws(Diagnostic) in
        try parser.takeInterval(atLeast: .milliseconds(1))
      }
    case .acquisitionsPerRound:
      draft.balance.acquisitionsPerRound = try parseScalar(
        at: token,
        named: "Balance AcquisitionsPerRound"
      ) { parser throws(Diagnostic) in
        if parser.next.kind == .word, asciiLowercased(parser.next.text) == "all" {
          _ = parser.take()
          return nil
        }
        return UInt16(try parser.takeNumber(in: 0...65_534, or: "All"))
      }
    }
  }
}

// MARK: - Tokens

/// A pair of braces being read.
struct Block {
  /// What the braces belong to, for messages.
  let name: String
  let opening: SourceLocation
  /// The opening brace is missing, which has been reported.
  var isAssumed = false
}

extension Parser {
  mutating func report(_ diagnostic: Diagnostic) { collector.report(diagnostic) }

  /// Runs `body` for the parameter that `token` begins; after an error goes on at the next one.
  mutating func recovering(
    at token: Token,
    _ body: (inout Self) throws(Diagnostic) -> Void
  ) {
    do throws(Diagnostic) {
      try body(&self)
    } catch {
      report(error)
      skipToStatement(after: token)
    }
  }

  /// Reads the parameters of a block up to its end; returns whether there were none.
  @discardableResult
  mutating func parseParameters<Word: Vocabulary>(
    _: Word.Type,
    of block: Block,
    parse: (inout Self, Word, Token) throws(Diagnostic) -> Void
  ) -> Bool {
    var empty = true
    while let element = takeElement(of: block) {
      empty = false
      recovering(at: element) { parser throws(Diagnostic) in
        guard element.kind == .word, let word = Word(word: element.text) else {
          let known = Word.allCases.map(\.rawValue)
          throw parser.unknown(element, as: "parameter of \(block.name)", among: known)
        }
        try parse(&parser, word, element)
      }
    }
    return empty
  }

  /// Notes that a statement was met; `false` if it was met before.
  @discardableResult
  mutating func markSeen(_ name: String, at location: SourceLocation) -> Bool {
    guard draft.seen[name] == nil else { return false }
    draft.seen[name] = location
    return true
  }

  /// Reads `= value` of a setting that may be given once.
  mutating func parseScalar<Value>(
    at token: Token,
    named name: String,
    _ value: (inout Self) throws(Diagnostic) -> Value
  ) throws(Diagnostic) -> Value {
    if let first = draft.seen[name] {
      report(
        Diagnostic(
          "\(name) is given twice: first in \(first.seen(from: token.location))",
          at: token.location,
          advice: "remove one of the two"
        )
      )
    }
    markSeen(name, at: token.location)
    try takeEquals(after: token)
    return try value(&self)
  }

  /// Reads `=`, behind which a value stands, on whatever line.
  mutating func takeEquals(after token: Token) throws(Diagnostic) {
    guard next.kind == .equals else {
      throw Diagnostic(
        "expected = after \(token.text), found \(next.shown)",
        at: next.location,
        advice: "write \(token.text) = VALUE"
      )
    }
    let equals = take()
    // A value that could not be read has been reported.
    guard beginsStatement(at: position) || beginsParameter(at: position),
      !collector.foundAny(from: equals.location, to: next.location)
    else { return }
    throw Diagnostic(
      "the value of \(token.text) is missing: \(next.shown) begins what follows",
      at: equals.location,
      advice: "write \(token.text) = VALUE"
    )
  }

  /// Reads an opening brace; where a word stands instead, reports that and goes on behind it.
  mutating func takeOpening(of name: String) throws(Diagnostic) -> Block {
    guard next.kind != .open else { return Block(name: name, opening: take().location) }
    let missing = Diagnostic(
      "expected { after \(name), found \(next.shown)",
      at: next.location,
      advice: "write \(name) { ... }"
    )
    guard next.kind == .word, !beginsStatement(at: position) else { throw missing }
    report(missing)
    return Block(name: name, opening: next.location, isAssumed: true)
  }

  /// Reads the next token within braces; `nil` once they are closed.
  ///
  /// Braces that are not closed before the next statement, or at all, are reported and taken as
  /// closed.
  mutating func takeElement(of block: Block) -> Token? {
    let token = next
    switch token.kind {
    case .close:
      _ = take()
      return nil
    case .end:
      if block.isAssumed { return nil }
      report(
        Diagnostic(
          "the { of \(block.name) is not closed",
          at: block.opening,
          advice: "add a } where \(block.name) ends"
        )
      )
      return nil
    case .word where beginsStatement(at: position):
      if block.isAssumed { return nil }
      report(
        Diagnostic(
          "the { of \(block.name) in line \(block.opening.line) is not closed before "
            + "\(token.shown)",
          at: token.location,
          advice: "add a } where \(block.name) ends"
        )
      )
      return nil
    case .word, .string, .open, .equals:
      return take()
    }
  }

  func emptiness(of block: Block, advice: String) -> Diagnostic {
    Diagnostic("the braces of \(block.name) are empty", at: block.opening, advice: advice)
  }

  /// Whether a statement's first word stands there: one that begins its line, or that `=` or `{`
  /// follows.
  func beginsStatement(at position: Int) -> Bool {
    let text = tokens[position].text
    guard tokens[position].kind == .word,
      StatementWord(word: text) != nil || RemovedStatementWord(word: text) != nil
    else { return false }
    // Within Notify this word stands for what the servers know.
    if StatementWord(word: text) == .arpCache { return hasValue(at: position) }
    return tokens[position].startsLine || hasValue(at: position)
  }

  /// Whether a parameter of some block stands there, and is followed by `=` or `{`.
  private func beginsParameter(at position: Int) -> Bool {
    let text = tokens[position].text
    guard tokens[position].kind == .word,
      !Self.owners(of: text).isEmpty
    else { return false }
    return hasValue(at: position)
  }

  private func hasValue(at position: Int) -> Bool {
    guard let follower = tokens[position...].dropFirst().first?.kind else { return false }
    return follower == .equals || follower == .open
  }

  /// Moves to where the next statement or parameter probably begins, past whole pairs of braces.
  ///
  /// `token` was read last.
  mutating func skipToStatement(after token: Token) {
    var openings = token.kind == .open ? [token.location] : []
    while next.kind != .end {
      let token = next
      switch token.kind {
      case .open: openings.append(token.location)
      case .close:
        guard openings.popLast() != nil else { return }
      case .word where openings.isEmpty:
        if token.startsLine || beginsStatement(at: position) || beginsParameter(at: position) {
          return
        }
      case .string where openings.isEmpty:
        if token.startsLine { return }
      case .word:
        // Within braces only a statement that this version has says that they should have ended.
        guard token.startsLine, hasValue(at: position), StatementWord(word: token.text) != nil
        else { break }
        reportUnclosed(openings)
        return
      case .string, .equals, .end: break
      }
      _ = take()
    }
    reportUnclosed(openings)
  }

  private mutating func reportUnclosed(_ openings: [SourceLocation]) {
    guard let opening = openings.first else { return }
    report(Diagnostic("this { is not closed", at: opening, advice: "add a } where it ends"))
  }
}
