// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText

/// Statements of a few words that shape who holds what, and who may ask.
extension Parser {
  mutating func parseControlGroup(at token: Token) throws(Diagnostic) {
    draft.controlGroup = try parseScalar(at: token, named: StatementWord.controlGroup.rawValue) {
      parser throws(Diagnostic) in
      try parser.takeAccount("the name or number of a group").value
    }
  }

  /// Reads the name or number of a user or group.
  mutating func takeAccount(_ meaning: String) throws(Diagnostic) -> Located<String> {
    let token = try takeText(meaning)
    let allowed = token.text.utf8.allSatisfy {
      (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: "/")
    }
    guard allowed, (1...32).contains(token.text.utf8.count), !token.text.hasPrefix("-") else {
      throw Diagnostic(
        "\(token.shown) is not \(meaning)",
        at: token.location,
        advice: "use 1 to 32 printable ASCII characters, as getent shows it"
      )
    }
    return Located(value: token.text, location: token.location)
  }

  mutating func parseLogFacility(at token: Token) throws(Diagnostic) {
    draft.logFacility = try parseChoice(at: token, named: .logFacility, kind: "log facility")
  }

  mutating func parsePolicy(at token: Token) throws(Diagnostic) {
    draft.policy = try parseChoice(at: token, named: .policy, kind: "policy")
  }

  /// Reads `= WORD` with one of the words of `Choice`, in any case.
  mutating func parseChoice<Choice: CaseIterable & RawRepresentable<String> & Sendable>(
    at token: Token,
    named name: StatementWord,
    kind: String
  ) throws(Diagnostic) -> Choice {
    try parseScalar(at: token, named: name.rawValue) { parser throws(Diagnostic) in
      let value = try parser.takeText("a \(kind)")
      guard let choice = Choice(rawValue: asciiLowercased(value.text)) else {
        throw parser.unknown(value, as: kind, among: Choice.allCases.map(\.rawValue))
      }
      return choice
    }
  }

  // MARK: - Quorum

  mutating func parseQuorum(at token: Token) throws(Diagnostic) {
    draft.quorum = try parseScalar(at: token, named: StatementWord.quorum.rawValue) {
      parser throws(Diagnostic) in
      let value = try parser.takeWord("none, majority or a number")
      let isStrict =
        parser.next.kind == .word && asciiLowercased(parser.next.text) == "strict"
        && !parser.next.startsLine
      if isStrict { _ = parser.take() }
      let quorum: WackamoleConfiguration.Quorum
      switch asciiLowercased(value.text) {
      case "none":
        guard !isStrict else {
          throw Diagnostic(
            "a quorum of none cannot be strict",
            at: value.location,
            advice: "remove strict, or write majority strict"
          )
        }
        quorum = .none
      case "majority": quorum = .majority(strict: isStrict)
      default:  // not ours: text
        guard let count = wholeNumber(value.text),
          (1...EngineConfiguration.mostPeers).contains(count)
        else {
          throw Diagnostic(
            "\(value.shown) is not a quorum",
            at: value.location,
            advice: "write none, majority, or a number from 1 to \(EngineConfiguration.mostPeers)"
          )
        }
        quorum = .members(count, strict: isStrict)
      }
      return Located(value: quorum, location: value.location)
    }
  }

  mutating func checkQuorum() {
    guard let quorum = draft.quorum else { return }
    let strict: Bool
    switch quorum.value {
    case .none: return
    case .majority(let isStrict): strict = isStrict
    case .members(let count, let isStrict):
      strict = isStrict
      if count > draft.peers.count, !draft.peersAreDoubtful, !draft.peers.isEmpty {
        report(
          Diagnostic(
            "a quorum of \(count) is never reached with \(draft.peers.count) peers",
            at: quorum.location,
            advice: "write a number up to \(draft.peers.count), or majority"
          )
        )
      }
    }
    if strict, let lease = draft.interfaces.lease, lease.value == nil {
      report(
        Diagnostic(
          "a strict quorum waits for the leases of others, and Lease is off in "
            + lease.location.seen(from: quorum.location),
          at: quorum.location,
          advice: "remove strict, or set a Lease"
        )
      )
    }
  }

  // MARK: - Apart

  mutating func parseApart(at token: Token) throws(Diagnostic) {
    markSeen(StatementWord.apart.rawValue, at: token.location)
    let block = try takeOpening(of: token.text)
    var set = ApartDraft(location: token.location)
    var empty = true
    while let element = takeElement(of: block) {
      empty = false
      do throws(Diagnostic) {
        set.selections.append(try selection(element))
      } catch {
        set.isDoubtful = true
        report(error)
      }
    }
    if empty {
      set.isDoubtful = true
      report(emptiness(of: block, advice: "add the first addresses of two VIFs or more"))
    }
    draft.apart.append(set)
  }

  /// The sets of VIFs to keep apart, each in ascending order.
  mutating func checkedApart(among all: [VirtualInterface]) -> [[VIFID]] {
    draft.apart.compactMap { set in
      let before = collector.count
      var chosen = Set<VIFID>()
      for wanted in set.selections {
        chosen.formUnion(select(wanted, among: all, failing: "names no VIF to keep apart"))
      }
      if chosen.count < 2, !set.isDoubtful, !draft.addressesAreDoubtful, collector.count == before {
        report(
          Diagnostic(
            "one VIF alone cannot be kept apart",
            at: set.location,
            advice: "add another, or remove the statement"
          )
        )
      }
      return chosen.count < 2 ? nil : chosen.sorted()
    }
  }
}
