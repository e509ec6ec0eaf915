// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText
import GroupModel

// MARK: - What has no counterpart here

extension Parser {
  /// Statements of Spread 4 that have no effect there either, or none that could be wanted here.
  mutating func parseForeign(_ keyword: Keyword, at token: Token) throws(Diagnostic) {
    switch keyword {
    case .debugFlags:
      if next.kind == .equals { _ = take() }
      try parseDebugFlags(at: token)
    case .linkProtocol:
      try takeEquals(after: token)
      let value = try takeText("Hop or TcpHop")
      guard ["hop", "tcphop"].contains(asciiLowercased(value.text)) else {
        throw unknown(value, as: "link protocol", among: ["Hop", "TcpHop"])
      }
      let problem = "\(token.text) has no effect, as in Spread 4: daemons speak UDP"
      note(problem, at: token.location, advice: "remove it")
    case .routeMatrix:
      if next.kind == .equals { _ = take() }
      let opening = try takeOpening(of: token.text)
      while let element = takeElement(of: token.text, opened: opening) {
        guard element.kind == .word, wholeNumber(element.text) != nil else {
          throw Diagnostic(
            "\(element.shown) is not a number",
            at: element.location,
            advice: "write rows of numbers, or remove \(token.text), which has no effect"
          )
        }
      }
      note(
        "\(token.text) has no effect, as in Spread 4",
        at: token.location,
        advice: "remove it"
      )
    case .debugInitialSequence:
      throw Diagnostic(
        "\(token.text) is not possible: sequence numbers of 64 bits do not wrap",
        at: token.location,
        advice: "remove it"
      )
    case .dangerousMonitor:
      guard try takeSwitch(after: token) else { return }
      throw Diagnostic(
        "\(token.text) is not possible: the daemon has no monitor protocol to endanger it",
        at: token.location,
        advice: "remove it; spreadctl shows and spread.conf changes what the monitor did"
      )
    case .accessControlPolicy:
      try takeEquals(after: token)
      let value = try takeText("a policy")
      guard value.text == "PERMIT" else {
        throw unknown(value, as: "access control policy", among: ["PERMIT"])
      }
    default: break  // not ours: statements that work
    }
  }

  private mutating func parseDebugFlags(at token: Token) throws(Diagnostic) {
    let opening = try takeOpening(of: token.text)
    while let element = takeElement(of: token.text, opened: opening) {
      let name = element.text.hasPrefix("!") ? String(element.text.dropFirst()) : element.text
      guard element.kind == .word, DebugFlag(word: name) != nil else {
        report(unknown(element, as: "flag", among: DebugFlag.allCases.map(\.rawValue)))
        continue
      }
    }
    note(
      "\(token.text) has no effect: the log has priorities and no classes of events",
      at: token.location,
      advice: "set EventPriority instead"
    )
  }
}

// MARK: - Log and process

extension Parser {
  mutating func parseLog(_ keyword: Keyword, at token: Token) throws(Diagnostic) {
    switch keyword {
    case .eventPriority:
      try takeEquals(after: token)
      let value = try takeText("a priority")
      guard let priority = SpreadConfiguration.Priority(word: value.text) else {
        let known = SpreadConfiguration.Priority.allCases.map(\.rawValue)
        throw unknown(value, as: "priority", among: known)
      }
      draft.log.priority = priority
    case .eventLogFile:
      try takeEquals(after: token)
      draft.log.file = try takePath(longest: 4_000)
    case .eventTimeStamp:
      guard next.kind == .equals else {
        draft.log.timeFormat = "%m/%d/%y %H:%M:%S"
        return
      }
      _ = take()
      let format = try takeText("a format of strftime(3) in quotes")
      guard !format.text.isEmpty, format.text.utf8.count <= 39 else {
        throw Diagnostic(
          "the format has \(format.text.utf8.count) bytes, and 1 to 39 are possible",
          at: format.location,
          advice: "use another format, such as \"%F %T\""
        )
      }
      draft.log.timeFormat = format.text
    case .eventPreciseTimeStamp: draft.log.preciseTime = true
    default: break  // not ours: statements about other things
    }
  }

  mutating func parseProcess(_ keyword: Keyword, at token: Token) throws(Diagnostic) {
    try takeEquals(after: token)
    switch keyword {
    case .socketPortReuse:
      let value = try takeText("on, off, or auto")
      draft.portReuse = try choice(value, as: "choice")
    case .runtimeDirectory:
      draft.runtimeDirectory = try takePath(longest: 100)
      note(
        "\(token.text) holds the socket for local clients; the daemon is not locked into it",
        at: token.location,
        advice: "leave it as it is if that is wanted"
      )
    case .daemonUser: draft.user = try takeAccount("the name of a user")
    case .daemonGroup: draft.group = try takeAccount("the name of a group of users")
    case .control: draft.control = try takePath(longest: 107)
    default: break  // not ours: statements about other things
    }
  }

  private mutating func takeAccount(_ meaning: String) throws(Diagnostic) -> String {
    let value = try takeText(meaning)
    guard (1...32).contains(value.text.utf8.count), !value.text.contains(":") else {
      throw Diagnostic(
        "\(value.shown) is not \(meaning)",
        at: value.location,
        advice: "write 1 to 32 characters, as in /etc/passwd"
      )
    }
    return value.text
  }
}

// MARK: - Sessions

extension Parser {
  mutating func parseLimit(_ keyword: Keyword, at token: Token) throws(Diagnostic) {
    try takeEquals(after: token)
    switch keyword {
    case .maxSessionMessages:
      // 0 would end every session at its first delivery, as it does in Spread 4.
      draft.queueMessages = try takeNumber(in: 1...1_000_000)
    case .maxSessions: draft.maxSessions = try takeNumber(in: 1...65_536)
    case .maxSessionsPerAddress:
      draft.maxSessionsPerAddress = try takeUnless("none") { parser throws(Diagnostic) in
        try parser.takeNumber(in: 1...65_536, or: "none")
      }
    case .maxSessionBytes: draft.queueBytes = try takeBytes(in: (1 << 10)...(1 << 32))
    case .maxWaitingBytes: draft.waitingBytes = try takeBytes(in: (1 << 20)...(1 << 40))
    case .maxSessionGroups: draft.sessionGroups = try takeNumber(in: 1...1_000_000)
    case .maxMessageSize: draft.longestMessage = try takeBytes(in: (1 << 10)...(8 << 20))
    case .slowSession:
      draft.slowSession = try choice(try takeText("a policy"), as: "policy for slow sessions")
    case .handshakeTimeout:
      draft.handshakeTimeout = try takeInterval(atLeast: .milliseconds(100))
    default: break  // not ours: statements about other things
    }
  }

  mutating func parseDoor(_ keyword: Keyword, at token: Token) throws(Diagnostic) {
    try takeEquals(after: token)
    switch keyword {
    case .allowedAuthMethods:
      let methods = try takeMethods()
      for method in methods where draft.allowed?.contains(method.value) != true {
        draft.allowed = (draft.allowed ?? []) + [method.value]
      }
    case .requiredAuthMethods:
      let methods = try takeMethods()
      draft.allowed = draft.allowed ?? []
      for method in methods where !draft.required.contains(where: { $0.value == method.value }) {
        draft.required.append(method)
      }
    case .accessFile: draft.accessFile = try takePath(longest: 4_000)
    case .clientListen: try parseListener()
    case .unixSocket: try parseUnixSocket()
    case .unixSocketMode:
      let value = try takeWord("permissions such as 0666")
      guard let mode = UInt32(value.text, radix: 8), mode <= 0o777 else {
        throw Diagnostic(
          "\(value.shown) are not permissions",
          at: value.location,
          advice: "write an octal number such as 0666 or 0660"
        )
      }
      draft.unixSocketMode = mode
    default: break  // not ours: statements about other things
    }
  }

  /// Reads names of methods, separated by blanks within quotes.
  private mutating func takeMethods() throws(Diagnostic) -> [Located<
    SpreadConfiguration.AuthMethod
  >] {
    let value = try takeText("names of methods in quotes")
    var methods: [Located<SpreadConfiguration.AuthMethod>] = []
    for name in value.text.split(separator: " ") {
      guard let method = SpreadConfiguration.AuthMethod(rawValue: String(name)) else {
        let known = SpreadConfiguration.AuthMethod.allCases.map(\.rawValue)
        throw Diagnostic(
          "'\(visible(String(name)))' is not a method of authentication",
          at: value.location,
          advice: "use \(known.joined(separator: " or "))"
        )
      }
      methods.append(Located(value: method, location: value.location))
    }
    guard !methods.isEmpty else {
      throw Diagnostic(
        "there is no method in \(value.shown)",
        at: value.location,
        advice: "write a name such as NULL, or remove the statement"
      )
    }
    return methods
  }

  private mutating func parseListener() throws(Diagnostic) {
    let value = try takeWord("an address, any, or none")
    var listener = SpreadConfiguration.Listener()
    switch asciiLowercased(value.text) {
    case "none":
      try refuseMixture(draft.listeners?.isEmpty == false, at: value)
      draft.listeners = []
      return
    case "any": break
    case let text where text.hasPrefix("any:"):
      let place = value.location.advanced(by: "any:".count)
      listener.port = try Self.port(String(text.dropFirst("any:".count)), at: place)
    default: (listener.address, listener.port) = try Self.endpoint(value)  // not ours: text
    }
    try refuseMixture(draft.listeners?.isEmpty == true, at: value)
    guard draft.listeners?.contains(listener) != true else {
      throw Diagnostic("\(value.shown) is given twice", at: value.location, advice: "remove one")
    }
    draft.listeners = (draft.listeners ?? []) + [listener]
  }

  private mutating func parseUnixSocket() throws(Diagnostic) {
    if next.kind == .word, asciiLowercased(next.text) == "none" {
      let word = take()
      try refuseMixture(draft.unixSockets?.isEmpty == false, at: word)
      draft.unixSockets = []
      return
    }
    let place = next
    let path = try takePath(longest: 107)
    try refuseMixture(draft.unixSockets?.isEmpty == true, at: place)
    guard draft.unixSockets?.contains(path) != true else {
      throw Diagnostic("\(place.shown) is given twice", at: place.location, advice: "remove one")
    }
    draft.unixSockets = (draft.unixSockets ?? []) + [path]
  }

  private func refuseMixture(_ isMixture: Bool, at token: Token) throws(Diagnostic) {
    guard isMixture else { return }
    throw Diagnostic(
      "\(token.shown) contradicts an earlier statement: there is none, or there are some",
      at: token.location,
      advice: "remove one of the two"
    )
  }
}

// MARK: - Ring

extension Parser {
  mutating func parseRing(_ keyword: Keyword, at token: Token) throws(Diagnostic) {
    if keyword == .acceleratedRing {
      draft.accelerated = try takeSwitch(after: token)
      return
    }
    try takeEquals(after: token)
    switch keyword {
    case .window: draft.window = try takeLocatedNumber(in: 1...100_000)
    case .personalWindow: draft.personalWindow = try takeLocatedNumber(in: 1...100_000)
    case .acceleratedWindow: draft.acceleratedWindow = try takeLocatedNumber(in: 0...100_000)
    case .mtu: draft.mtu = try takeLocatedNumber(in: 1_280...9_216).value
    case .cluster:
      let value = try takeText("the name of the cluster")
      guard let name = GroupName(text: value.text) else {
        throw Diagnostic(
          "\(value.shown) is not the name of a cluster",
          at: value.location,
          advice: "use 1 to 31 printable ASCII characters other than blank, !, \", and #"
        )
      }
      draft.cluster = name.description
    case .key:
      draft.key =
        try takeUnless("none") { parser throws(Diagnostic) in
          .file(try parser.takePath(longest: 4_000))
        } ?? SpreadConfiguration.Key.none
    case .profile:
      let value = try takeText("a profile")
      draft.profile = Located(
        value: try choice(value, as: "profile"),
        location: value.location
      )
    case .stateDirectory:
      draft.stateDirectory = .some(
        try takeUnless("none") { parser throws(Diagnostic) in
          try parser.takePath(longest: 4_000)
        }
      )
    default: break  // not ours: statements about other things
    }
  }
}

// MARK: - Values

extension Parser {
  private mutating func takeLocatedNumber(
    in range: ClosedRange<Int>
  ) throws(Diagnostic) -> Located<Int> {
    let location = next.location
    return Located(value: try takeNumber(in: range), location: location)
  }

  /// Reads `= yes` or `= no` in one of their forms.
  mutating func takeSwitch(after token: Token) throws(Diagnostic) -> Bool {
    try takeEquals(after: token)
    let value = try takeWord("true or false")
    switch asciiLowercased(value.text) {
    case "true", "yes", "on": return true
    case "false", "no", "off": return false
    default:  // not ours: text
      throw Diagnostic(
        "\(value.shown) is neither true nor false",
        at: value.location,
        advice: "write true, yes, false, or no"
      )
    }
  }

  /// Reads a value, or `nil` for the word that stands for nothing.
  private mutating func takeUnless<Value>(
    _ word: String,
    _ value: (inout Self) throws(Diagnostic) -> Value
  ) throws(Diagnostic) -> Value? {
    if next.kind == .word, asciiLowercased(next.text) == word {
      _ = take()
      return nil
    }
    return try value(&self)
  }

  /// Reads a number of bytes, perhaps with K, M or G behind it.
  private mutating func takeBytes(in range: ClosedRange<Int>) throws(Diagnostic) -> Int {
    let token = try takeWord("a number of bytes such as 144K")
    let digits = token.text.prefix { ("0"..."9").contains($0) }
    let shift: Int? =
      switch asciiLowercased(String(token.text.dropFirst(digits.count))) {
      case "": 0
      case "k": 10
      case "m": 20
      case "g": 30
      default: nil  // not ours: text
      }
    guard let number = wholeNumber(String(digits)), number < 1 << 32, let shift else {
      throw Diagnostic(
        "\(token.shown) is not a number of bytes",
        at: token.location,
        advice: "write a whole number, perhaps with K, M or G behind it: 147456, 144K, 16M"
      )
    }
    guard range.contains(number << shift) else {
      throw Diagnostic(
        "\(token.shown) is out of range",
        at: token.location,
        advice: "write a number of bytes from \(range.lowerBound) to \(range.upperBound)"
      )
    }
    return number << shift
  }

  private func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ token: Token,
    as kind: String
  ) throws(Diagnostic) -> Choice {
    guard let choice = Choice(rawValue: asciiLowercased(token.text)) else {
      throw unknown(token, as: kind, among: Choice.allCases.map(\.rawValue))
    }
    return choice
  }
}
