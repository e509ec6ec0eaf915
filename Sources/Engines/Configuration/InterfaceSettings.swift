// SPDX-License-Identifier: Apache-2.0

import ConfigurationText
import GroupModel

/// How a node holds its addresses, and how it lets go of them when it dies.
package struct InterfaceSettings: Sendable, Equatable {
  /// Whether the guardian tells the other servers that the daemon is dead.
  package var sendsObituary: Bool
  /// For how long the kernel keeps an address that is not renewed, in whole seconds; `nil` for ever.
  package var lease: Duration?

  package init(sendsObituary: Bool, lease: Duration?) {
    (self.sendsObituary, self.lease) = (sendsObituary, lease)
  }
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

extension Parser {
  /// The settings of interfaces; what was not said follows from the engine's.
  mutating func checkedInterfaces(_ engine: EngineConfiguration) -> InterfaceSettings {
    // Whoever can forge an obituary can end a member: by default only where nobody can.
    let byDefault: GuardianWord = engine.key == .none ? .silent : .obituary
    let guardian = draft.interfaces.guardian ?? byDefault
    let lease = draft.interfaces.lease.map(\.value) ?? engine.profile.lease
    let least = engine.timers.tokenLoss + engine.timers.consensus + .seconds(1)
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
