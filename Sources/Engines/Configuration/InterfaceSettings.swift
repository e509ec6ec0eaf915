// SPDX-License-Identifier: Apache-2.0

import ConfigurationText
import GroupModel

/// How a node holds its addresses, and how it lets go of them when it dies.
package struct InterfaceSettings: Sendable, Equatable {
  /// Whether the guardian tells the other servers that the daemon is dead.
  package var sendsObituary: Bool
  /// For how long the kernel keeps an address that is not renewed, in whole seconds; `nil` for ever.
  package var lease: Duration?
  package var announce = Announce()
  package var conflict = Conflict.defend
  package var process = Process()

  package init(sendsObituary: Bool, lease: Duration?) {
    (self.sendsObituary, self.lease) = (sendsObituary, lease)
  }

  /// How neighbours are told where an address is.
  package struct Announce: Sendable, Equatable {
    /// When, counted from when the address stands; in ascending order, never empty.
    package var times: [Duration] = [
      .zero, .milliseconds(100), .milliseconds(500), .seconds(1), .seconds(2),
    ]
    /// The time between two announcements after that; `nil` for none.
    package var refresh: Duration?
    /// The most frames per second in the long run, and at once.
    package var rate = 1_000
    package var burst = 128
  }

  /// What is done about a stranger that claims an address which this node holds.
  package enum Conflict: String, Sendable, Equatable, CaseIterable {
    case ignore
    case report
    case defend
  }

  /// How the daemon runs.
  package struct Process: Sendable, Equatable {
    /// The real-time priority (SCHED_RR), 1 to 99; `nil` for none.
    package var realTime: Int?
    /// Whether its memory is kept from being swapped out.
    package var lockMemory = false

    package init() {}
  }
}

extension InterfaceSettings.Conflict: Vocabulary {}

/// The parameters of `Announce`.
package enum AnnounceWord: String, Vocabulary {
  case times = "Times"
  case refresh = "Refresh"
  case rate = "Rate"
  case burst = "Burst"
}

/// The parameters of `Process`.
package enum ProcessWord: String, Vocabulary {
  case realTime = "RealTime"
  case lockMemory = "LockMemory"
}

enum SwitchWord: String, Vocabulary {
  case on
  case off
}

/// What `Guardian` can be.
enum GuardianWord: String, Vocabulary {
  case obituary
  case silent
}

/// What the statements on interfaces said; `nil` for what they did not.
struct InterfacesDraft: Sendable {
  var guardian: GuardianWord?
  /// The inner level is `nil` for `off`.
  var lease: Located<Duration?>?
  var announce = InterfaceSettings.Announce()
  var conflict: InterfaceSettings.Conflict?
  var process = InterfaceSettings.Process()
}

extension EngineConfiguration.Profile {
  /// The lease of addresses unless one is configured.
  package var lease: Duration {
    switch self {
    case .lan, .wan: .seconds(10)
    case .fast: .seconds(3)
    }
  }
}

extension EngineConfiguration {
  /// The shortest lease that does not end before the ring can be formed anew.
  package var shortestLease: Duration { timers.tokenLoss + timers.consensus + .seconds(1) }
}

extension Parser {
  /// The settings of interfaces; what was not said follows from the backend's.
  mutating func checkedInterfaces(
    _ backend: WackamoleConfiguration.Backend
  ) -> InterfaceSettings {
    var settings: InterfaceSettings
    switch backend {
    case .embedded(let engine): settings = checkedInterfaces(engine)
    case .spread:
      // An obituary goes over the ring, which is others' here; they see the end of the session.
      let lease = draft.interfaces.lease.map(\.value) ?? EngineConfiguration.Profile.lan.lease
      settings = InterfaceSettings(sendsObituary: false, lease: lease)
    }
    settings.announce = draft.interfaces.announce
    settings.conflict = draft.interfaces.conflict ?? .defend
    settings.process = draft.interfaces.process
    return settings
  }

  private mutating func checkedInterfaces(_ engine: EngineConfiguration) -> InterfaceSettings {
    // Whoever can forge an obituary can end a member: by default only where nobody can.
    let byDefault: GuardianWord = engine.key == .none ? .silent : .obituary
    let guardian = draft.interfaces.guardian ?? byDefault
    let lease = draft.interfaces.lease.map(\.value) ?? engine.profile.lease
    let least = engine.shortestLease
    if let lease, lease < least, let place = draft.interfaces.lease?.location {
      report(
        Diagnostic(
          "the lease ends before the ring can be formed anew: TokenLoss + Consensus + 1s is "
            + "\(Self.milliseconds(least)), and lease > that does not hold",
          at: place,
          advice: "write a longer lease, or off"
        )
      )
    }
    return InterfaceSettings(sendsObituary: guardian == .obituary, lease: lease)
  }

  private static func milliseconds(_ duration: Duration) -> String {
    let (seconds, attoseconds) = duration.components
    return "\(seconds * 1_000 + attoseconds / 1_000_000_000_000_000)ms"
  }

  mutating func parseLease(at token: Token) throws(Diagnostic) {
    draft.interfaces.lease = try parseScalar(at: token, named: "Lease") {
      parser throws(Diagnostic) in
      let place = parser.next.location
      if parser.next.kind == .word, asciiLowercased(parser.next.text) == "off" {
        _ = parser.take()
        return Located(value: nil, location: place)
      }
      let lease = try parser.takeInterval(atLeast: .milliseconds(1))
      guard lease >= .seconds(2), lease.components.attoseconds == 0 else {
        throw Diagnostic(
          "a lease has whole seconds, at least 2: the kernel counts in these",
          at: place,
          advice: "write 10s, for example, or off"
        )
      }
      return Located(value: lease, location: place)
    }
  }
}

extension Parser {
  mutating func parseGuardian(at token: Token) throws(Diagnostic) {
    draft.interfaces.guardian = try parseScalar(at: token, named: "Guardian") {
      parser throws(Diagnostic) in try parser.takeChoice(GuardianWord.self, of: "Guardian")
    }
  }

  mutating func parseConflict(at token: Token) throws(Diagnostic) {
    draft.interfaces.conflict = try parseScalar(at: token, named: "Conflict") {
      parser throws(Diagnostic) in
      try parser.takeChoice(InterfaceSettings.Conflict.self, of: "Conflict")
    }
  }

  mutating func parseAnnounce(at token: Token) throws(Diagnostic) {
    try parseParameters(AnnounceWord.self, of: "Announce", at: token) {
      parser,
      word,
      place throws(Diagnostic) in
      switch word {
      case .times: try parser.parseAnnounceTimes(at: place)
      case .refresh:
        parser.draft.interfaces.announce.refresh = try parser.parseScalar(
          at: place,
          named: "Announce Refresh"
        ) { parser throws(Diagnostic) in
          try parser.takeOr("off") { parser throws(Diagnostic) in
            try parser.takeInterval(atLeast: .seconds(1))
          }
        }
      case .rate:
        parser.draft.interfaces.announce.rate = try parser.parseScalar(
          at: place,
          named: "Announce Rate"
        ) { parser throws(Diagnostic) in try parser.takeNumber(in: 1...100_000) }
      case .burst:
        parser.draft.interfaces.announce.burst = try parser.parseScalar(
          at: place,
          named: "Announce Burst"
        ) { parser throws(Diagnostic) in try parser.takeNumber(in: 1...10_000) }
      }
    }
  }

  private mutating func parseAnnounceTimes(at token: Token) throws(Diagnostic) {
    guard markSeen("Announce Times", at: token.location) else {
      throw Diagnostic("Times is given twice", at: token.location, advice: "remove one of the two")
    }
    let block = try takeOpening(of: "Times")
    let advice = "write Times { 0ms 100ms 500ms 1s 2s }, for example"
    var times: [Duration] = []
    while next.kind == .word, !beginsStatement(at: position) {
      let place = next.location
      do throws(Diagnostic) {
        let time = try takeInterval()
        guard times.last.map({ $0 < time }) ?? true, times.count < 100 else {
          let problem = "the times of Announce must ascend, and be at most 100"
          throw Diagnostic(problem, at: place, advice: advice)
        }
        times.append(time)
      } catch {
        // What follows is read all the same, so that the braces are.
        report(error)
      }
    }
    guard takeElement(of: block) == nil else {
      throw Diagnostic("Times has intervals only", at: block.opening, advice: advice)
    }
    guard !times.isEmpty else { throw emptiness(of: block, advice: "add an interval such as 0ms") }
    draft.interfaces.announce.times = times
  }

  mutating func parseProcess(at token: Token) throws(Diagnostic) {
    try parseParameters(ProcessWord.self, of: "Process", at: token) {
      parser,
      word,
      place throws(Diagnostic) in
      switch word {
      case .realTime:
        parser.draft.interfaces.process.realTime = try parser.parseScalar(
          at: place,
          named: "Process RealTime"
        ) { parser throws(Diagnostic) in
          try parser.takeOr("off") { parser throws(Diagnostic) in
            try parser.takeNumber(in: 1...99)
          }
        }
      case .lockMemory:
        parser.draft.interfaces.process.lockMemory = try parser.parseScalar(
          at: place,
          named: "Process LockMemory"
        ) { parser throws(Diagnostic) in
          try parser.takeChoice(SwitchWord.self, of: "LockMemory") == .on
        }
      }
    }
  }

  /// Reads the parameters of a block, and goes on after an error at the next one.
  private mutating func parseParameters<Word: Vocabulary>(
    _ words: Word.Type,
    of name: String,
    at token: Token,
    _ body: (inout Self, Word, Token) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    markSeen(name, at: token.location)
    let block = try takeOpening(of: name)
    var empty = true
    while let element = takeElement(of: block) {
      empty = false
      recovering(at: element) { parser throws(Diagnostic) in
        guard element.kind == .word, let word = Word(word: element.text) else {
          let known = Word.allCases.map(\.rawValue)
          throw parser.unknown(element, as: "parameter of \(name)", among: known)
        }
        try body(&parser, word, element)
      }
    }
    if empty { report(emptiness(of: block, advice: "add a parameter, or remove it")) }
  }

  /// Reads a value, or `nil` where the word stands instead.
  private mutating func takeOr<Value>(
    _ word: String,
    _ value: (inout Self) throws(Diagnostic) -> Value
  ) throws(Diagnostic) -> Value? {
    if next.kind == .word, asciiLowercased(next.text) == word {
      _ = take()
      return nil
    }
    return try value(&self)
  }

  /// Reads one word out of a few.
  private mutating func takeChoice<Word: Vocabulary>(
    _ words: Word.Type,
    of statement: String
  ) throws(Diagnostic) -> Word {
    let known = Word.allCases.map(\.rawValue)
    let value = try takeText(known.joined(separator: " or "))
    guard let word = Word(word: value.text) else {
      throw unknown(value, as: "value of \(statement)", among: known)
    }
    return word
  }
}
