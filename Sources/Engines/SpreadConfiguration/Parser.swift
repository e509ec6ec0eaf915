// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText

/// Reads `spread.conf` statement by statement; goes on after an error at the next statement.
struct Parser: Sendable, TokenReader {
  let tokens: [Token]
  var position = 0
  private var collector = DiagnosticCollector()
  var draft = Draft()

  init(text: [UInt8], file: String) {
    tokens = Lexer.tokens(
      of: text,
      file: file,
      longest: SpreadConfiguration.longestText,
      reportingTo: &collector
    )
  }

  /// Parses everything; called once.
  mutating func configuration(
    resolve: (String) -> IPAddress?
  ) throws(Diagnostics) -> SpreadConfiguration {
    // An end at once, with something reported, is a file too long to be read.
    guard next.kind != .end || !collector.foundAny else { throw collector.diagnostics }
    while next.kind != .end { parseStatement() }
    guard let configuration = checked(resolve: resolve), !collector.foundAny else {
      throw collector.diagnostics
    }
    return configuration
  }

  mutating func report(_ diagnostic: Diagnostic) { collector.report(diagnostic) }

  /// Notes what becomes of a statement that does not work as in Spread 4.
  mutating func note(_ problem: String, at location: SourceLocation, advice: String) {
    guard draft.notices.count < Diagnostics.limit else { return }
    draft.notices.append(Diagnostic(problem, at: location, advice: advice))
  }
}

// MARK: - Statements

extension Parser {
  private mutating func parseStatement() {
    let token = take()
    do throws(Diagnostic) {
      switch token.kind {
      case .word:
        guard let keyword = Keyword(word: token.text) else {
          let known = Keyword.allCases.map(\.rawValue)
          throw unknown(token, as: "statement", among: known)
        }
        try parse(keyword, at: token)
      case .close:
        throw Diagnostic("} without a { before it", at: token.location, advice: "remove it")
      case .open, .equals, .string, .end:
        throw Diagnostic(
          "a statement begins with a word, not with \(token.shown)",
          at: token.location,
          advice: "write a statement as in spread.conf(5)"
        )
      }
    } catch {
      report(error)
      if token.kind != .close { skipToStatement(after: token) }
    }
  }

  private mutating func parse(_ keyword: Keyword, at token: Token) throws(Diagnostic) {
    switch keyword {
    case .segment, .allowedAuthMethods, .requiredAuthMethods, .clientListen, .unixSocket: break
    default:  // not ours: what adds up was sorted out above, of all else the last one counts
      if let first = draft.seen[keyword] {
        note(
          "\(keyword.rawValue) is given again: line \(first.line) has no effect",
          at: token.location,
          advice: "remove one of the two"
        )
      }
    }
    draft.seen[keyword] = token.location
    switch keyword {
    case .segment: try parseSegment(at: token)
    case .debugFlags, .linkProtocol, .routeMatrix, .debugInitialSequence, .dangerousMonitor,
      .accessControlPolicy:
      try parseForeign(keyword, at: token)
    case .eventPriority, .eventLogFile, .eventTimeStamp, .eventPreciseTimeStamp:
      try parseLog(keyword, at: token)
    case .socketPortReuse, .runtimeDirectory, .daemonUser, .daemonGroup, .control:
      try parseProcess(keyword, at: token)
    case .maxSessionMessages, .maxSessions, .maxSessionsPerAddress, .maxSessionBytes,
      .maxWaitingBytes, .maxSessionGroups, .maxMessageSize, .slowSession, .handshakeTimeout:
      try parseLimit(keyword, at: token)
    case .allowedAuthMethods, .requiredAuthMethods, .accessFile, .clientListen, .unixSocket,
      .unixSocketMode:
      try parseDoor(keyword, at: token)
    case .window, .personalWindow, .acceleratedRing, .acceleratedWindow, .mtu, .cluster, .key,
      .profile, .stateDirectory:
      try parseRing(keyword, at: token)
    case .tokenTimeout, .hurryTimeout, .aliveTimeout, .joinTimeout, .repTimeout, .segTimeout,
      .gatherTimeout, .formTimeout, .lookupTimeout:
      try takeEquals(after: token)
      let value = try takeNumber(in: 1...86_400_000)
      draft.milliseconds[keyword] = Located(value: value, location: token.location)
    case .tokenLoss, .tokenRetransmit, .idleHold, .beacon, .join, .consensus, .commitLoss,
      .ringAnnouncement:
      try takeEquals(after: token)
      let value = try takeInterval(atLeast: .milliseconds(1))
      draft.timers[keyword] = Located(value: value, location: token.location)
    }
    try expectEnd(of: keyword)
  }

  /// Only a statement, or what is wrong in a way of its own, may follow a whole statement.
  private func expectEnd(of keyword: Keyword) throws(Diagnostic) {
    switch next.kind {
    case .word where next.startsLine || Keyword(word: next.text) != nil: return
    case .end, .close: return
    case .word, .string, .open, .equals:
      throw Diagnostic(
        "\(next.shown) follows the statement \(keyword.rawValue)",
        at: next.location,
        advice: "begin another statement on a line of its own, or remove it"
      )
    }
  }
}

// MARK: - Tokens

extension Parser {
  mutating func takeEquals(after token: Token) throws(Diagnostic) {
    guard next.kind == .equals else {
      throw Diagnostic(
        "expected = after \(token.text), found \(next.shown)",
        at: next.location,
        advice: "write \(token.text) = VALUE"
      )
    }
    _ = take()
  }

  mutating func takeOpening(of name: String) throws(Diagnostic) -> SourceLocation {
    guard next.kind == .open else {
      throw Diagnostic(
        "expected { after \(name), found \(next.shown)",
        at: next.location,
        advice: "write \(name) { ... }"
      )
    }
    return take().location
  }

  /// Reads the next token within braces; `nil` once they are closed.
  ///
  /// Braces that are not closed before the next statement, or at all, are reported and taken as
  /// closed.
  mutating func takeElement(of name: String, opened opening: SourceLocation) -> Token? {
    let token = next
    let isUnclosed =
      switch token.kind {
      case .end: true
      case .word: beginsStatement(at: position)
      case .string, .open, .close, .equals: false
      }
    guard !isUnclosed else {
      report(
        Diagnostic(
          "the { of \(name) is not closed before \(token.shown)",
          at: opening,
          advice: "add a } where \(name) ends"
        )
      )
      return nil
    }
    _ = take()
    return token.kind == .close ? nil : token
  }

  /// Reads a word or quoted text; a word goes on over `=`, as Spread 4 reads it.
  mutating func takeWhole(_ meaning: String) throws(Diagnostic) -> Token {
    let first = try takeText(meaning)
    guard first.kind == .word else { return first }
    var text = first.text
    while next.kind == .word || next.kind == .equals,
      next.location == first.location.advanced(by: text.unicodeScalars.count)
    {
      text += take().text
    }
    return Token(word: text, at: first)
  }

  /// Whether a statement stands there: a keyword that `=` follows, or the address of a segment and
  /// its brace.
  private func beginsStatement(at position: Int) -> Bool {
    guard tokens[position].kind == .word, let keyword = Keyword(word: tokens[position].text) else {
      return false
    }
    let followers = tokens[(position + 1)...].prefix(2).map(\.kind)
    return followers.first == .equals || keyword == .segment && followers.last == .open
  }

  /// Moves to where the next statement probably begins, past whole pairs of braces.
  ///
  /// `token` was read last.
  private mutating func skipToStatement(after token: Token) {
    var depth = token.kind == .open ? 1 : 0
    while next.kind != .end {
      if beginsStatement(at: position) { return }
      switch next.kind {
      case .open: depth += 1
      case .close: depth = max(0, depth - 1)
      case .word where depth == 0 && next.startsLine: return
      case .word, .string, .equals, .end: break
      }
      _ = take()
    }
  }
}
