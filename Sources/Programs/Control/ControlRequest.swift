// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import GroupModel

/// What an operator's tool asks of the running daemon: one line of words.
///
/// The first word is the version of the protocol; words hold no blanks.
package enum ControlRequest: Sendable, Equatable {
  /// The version spoken here.
  package static let version = "1"

  case status(Form)
  /// Who holds what, in the lines of the original's `wackatrl -l`.
  case list
  case history(Form)
  case drain
  case resume
  case balance
  case move(VIFID, to: NodeID)
  /// `nil` takes an earlier preference back.
  case prefer(VIFID, NodeID?)
  case announce(VIFID)
  case reload

  /// How an answer is written.
  package enum Form: Sendable, Equatable {
    case json
    /// For people; lines are broken at `width` columns, unless that is `nil`.
    case text(width: Int?)
  }

  /// Why a line is no request; the text is for the operator.
  package struct Malformed: Error, Equatable {
    package let text: String
  }

  // MARK: - The line

  package var line: String {
    let words: [String] =
      switch self {
      case .status(let form): ["status"] + form.words
      case .list: ["list"]
      case .history(let form): ["history"] + form.words
      case .drain: ["drain"]
      case .resume: ["resume"]
      case .balance: ["balance"]
      case .move(let vif, let node): ["move", vif.description, node.description]
      case .prefer(let vif, let node):
        ["prefer", vif.description] + (node.map { [$0.description] } ?? [])
      case .announce(let vif): ["announce", vif.description]
      case .reload: ["reload"]
      }
    return ([Self.version] + words).joined(separator: " ")
  }

  package init(line: String) throws(Malformed) {
    let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard words.first == Self.version else {
      throw Malformed(
        text: "this daemon speaks version \(Self.version) of the control protocol: "
          + "tool and daemon are of different installations"
      )
    }
    let rest = Array(words.dropFirst(2))
    switch (words.dropFirst().first ?? "", rest.count) {
    case ("status", _): self = .status(try Form(words: rest))
    case ("list", 0): self = .list
    case ("history", _): self = .history(try Form(words: rest))
    case ("drain", 0): self = .drain
    case ("resume", 0): self = .resume
    case ("balance", 0): self = .balance
    case ("move", 2): self = .move(try Self.vif(rest[0]), to: try Self.node(rest[1]))
    case ("prefer", 1): self = .prefer(try Self.vif(rest[0]), nil)
    case ("prefer", 2): self = .prefer(try Self.vif(rest[0]), try Self.node(rest[1]))
    case ("announce", 1): self = .announce(try Self.vif(rest[0]))
    case ("reload", 0): self = .reload
    default: throw Malformed(text: "unknown request")  // not ours: text
    }
  }

  /// The VIF of that first address; an interface, brackets and a mask may be there, and are ignored.
  package static func vif(_ text: String) throws(Malformed) -> VIFID {
    var rest = text[...]
    if let slash = rest.firstIndex(of: "/") { rest = rest[..<slash] }
    if let open = rest.firstIndex(of: "["), rest.hasSuffix("]") {
      rest = rest[rest.index(after: open)...].dropLast()
    } else if IPAddress(text: rest) == nil, let colon = rest.firstIndex(of: ":") {
      rest = rest[rest.index(after: colon)...]
    }
    guard let address = IPAddress(text: rest) else {
      throw Malformed(text: "'\(text)' is not an address: a VIF is called by its first one")
    }
    return VIFID(primary: address)
  }

  package static func node(_ text: String) throws(Malformed) -> NodeID {
    guard let node = NodeID(text: text) else {
      throw Malformed(text: "'\(text)' is not the name of a node")
    }
    return node
  }
}

extension ControlRequest.Form {
  fileprivate var words: [String] {
    switch self {
    case .json: ["json"]
    case .text(nil): []
    case .text(let width?): [String(width)]
    }
  }

  fileprivate init(words: [String]) throws(ControlRequest.Malformed) {
    switch (words.count, words.first) {
    case (0, _): self = .text(width: nil)
    case (1, "json"): self = .json
    case (1, let word?):
      guard let width = Int(word), (1...1_000).contains(width) else {
        throw .init(text: "'\(word)' is not a width")
      }
      self = .text(width: width)
    default: throw .init(text: "unknown request")  // not ours: text
    }
  }
}

/// What the daemon answers: a line with the version and the outcome, and then the text.
package struct ControlReply: Sendable, Equatable {
  package enum Outcome: String, Sendable, Equatable {
    case fine
    /// Asked and answered, but something is wrong that heals only by itself or by an operator.
    case degraded
    /// It was not done; the text says why.
    case failed
  }

  package var outcome: Outcome
  package var text: String

  package init(_ outcome: Outcome, _ text: String) { (self.outcome, self.text) = (outcome, text) }

  package var encoded: String { "\(ControlRequest.version) \(outcome.rawValue)\n\(text)" }

  /// Is `nil` for what is no answer of this version.
  package init?(decoding text: String) {
    guard let end = text.firstIndex(of: "\n") else { return nil }
    let words = text[..<end].split(separator: " ")
    guard words.count == 2, words[0] == ControlRequest.version,
      let outcome = Outcome(rawValue: String(words[1]))
    else { return nil }
    self.init(outcome, String(text[text.index(after: end)...]))
  }
}
