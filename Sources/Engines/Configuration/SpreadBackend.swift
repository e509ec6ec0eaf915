// SPDX-License-Identifier: Apache-2.0

package import Addresses
import ConfigurationText
package import GroupModel

/// A Spread daemon that carries the group messages, and what is done when it is lost.
package struct SpreadBackend: Sendable, Equatable {
  /// The longest pause between two attempts to reach the daemon, unless the first is longer.
  ///
  /// An attempt costs next to nothing, and a server that waits serves nobody.
  package static let longestPause: Duration = .seconds(5)

  package var daemon: SpreadAddress
  /// The name that the daemon must have, which is this machine's; `nil` where it may have any.
  package var node: NodeID?
  /// An absolute path; `nil` if nothing is to be kept.
  package var stateDirectory: String?
  /// The first pause between two attempts to reach the daemon; doubles up to ``longestPause``.
  package var retryInterval: Duration
  package var onLoss: Loss
  /// What the messages of the group are authenticated with.
  package var key: EngineConfiguration.Key = .none
  /// What is done without a tag although there is a key; as ``Unsealed/refuse`` without one.
  package var unsealed: Unsealed = .refuse

  /// The steps by which a cluster that runs gets its first key.
  package enum Unsealed: String, Sendable, Hashable, CaseIterable {
    /// What is sent has a tag, and what comes must have one.
    case refuse
    /// What is sent has a tag, and what comes without one is taken too.
    case accept
    /// What is sent has no tag, and what comes is taken with or without one.
    case send
  }

  /// What becomes of the addresses while there is no daemon.
  package enum Loss: String, Sendable, Hashable, CaseIterable {
    /// They are removed at once.
    case release
    /// They stay, although another server may hold them too.
    case keep
  }
}

extension WackamoleConfiguration {
  /// What carries the group messages, given outside the file.
  package enum SpreadOverride: Sendable, Equatable {
    case embedded
    case daemon(SpreadAddress)

    /// `embedded`, in any case, or where a Spread daemon is; `nil` for anything else.
    package init?(text: String) {
      if asciiLowercased(text) == "embedded" {
        self = .embedded
      } else if !text.isEmpty, let address = SpreadAddress(text: text) {
        self = .daemon(address)
      } else {
        return nil
      }
    }
  }
}

extension WackamoleConfiguration.Backend {
  /// Where the daemon keeps what outlives it; `nil` for nowhere.
  package var stateDirectory: String? {
    switch self {
    case .embedded(let engine): engine.stateDirectory
    case .spread(let spread): spread.stateDirectory
    }
  }

  /// This machine's name, if the configuration says it.
  package var node: NodeID? {
    switch self {
    case .embedded(let engine): engine.node
    case .spread(let spread): spread.node
    }
  }

  /// Where the other machines reach this one's engine; `nil` for a Spread daemon's.
  package var ownAddress: IPAddress? {
    switch self {
    case .embedded(let engine): engine.endpoint(of: engine.node)?.address
    case .spread: nil
    }
  }
}

// MARK: - Statements

extension Parser {
  mutating func parseSpread(at token: Token) throws(Diagnostic) {
    draft.spread = try parseScalar(at: token, named: StatementWord.spread.rawValue) {
      parser throws(Diagnostic) -> Located<SpreadAddress>? in
      let value = try parser.takeText("embedded, or where a Spread daemon is")
      if asciiLowercased(value.text) == "embedded" { return nil }
      guard let address = SpreadAddress(text: value.text) else {
        throw Diagnostic(
          "\(value.shown) is not where a Spread daemon can be",
          at: value.location,
          advice: "write embedded, PORT, PORT@HOST, or the path of its socket"
        )
      }
      return Located(value: address, location: value.location)
    }
  }

  mutating func parseStateDirectory(at token: Token) throws(Diagnostic) {
    draft.separateState = try parseScalar(at: token, named: StatementWord.stateDirectory.rawValue) {
      parser throws(Diagnostic) in try parser.takeStateDirectory()
    }
  }

  /// Takes what was given outside the file in place of `Spread`.
  mutating func override(spread place: WackamoleConfiguration.SpreadOverride) {
    switch place {
    case .embedded: draft.spread = .some(nil)
    case .daemon(let address):
      // Problems with it are told where the statement could stand.
      let location = draft.seen[StatementWord.spread.rawValue] ?? next.location
      draft.spread = Located(value: address, location: location)
    }
  }

  /// Reads the path of a folder, or `none`.
  mutating func takeStateDirectory() throws(Diagnostic) -> String? {
    if next.kind == .word, asciiLowercased(next.text) == "none" {
      _ = take()
      return nil
    }
    return try takePath(longest: 4_000)
  }

  mutating func parseBackendLoss(at token: Token) throws(Diagnostic) {
    draft.backendLoss = try parseChoice(at: token, named: .backendLoss, kind: "way to lose Spread")
  }
}

extension Parser {
  mutating func parseUnsealed(at token: Token) throws(Diagnostic) {
    draft.unsealed = try parseChoice(at: token, named: .unsealed, kind: "value of Unsealed")
  }

  /// Without a key nothing has a tag, whatever the statement says.
  private mutating func checkUnsealed() {
    guard let place = draft.seen[StatementWord.unsealed.rawValue] else { return }
    switch draft.key {
    case .file: break
    case nil where draft.seen[EngineWord.key.rawValue] != nil: break  // It could not be read.
    case nil, .some(.none):
      report(
        Diagnostic(
          "Unsealed says nothing without a Key: no message has a tag then",
          at: place,
          advice: "add Engine { Key = PATH }, a file that spreadctl keygen makes, or remove it"
        )
      )
    }
  }
}

// MARK: - What can be judged at the end

extension Parser {
  /// The backend, if it is known; reports what does not fit it.
  mutating func checkedBackend(
    node override: WackamoleConfiguration.NodeOverride?
  ) -> WackamoleConfiguration.Backend? {
    // What was not understood may have been either.
    if draft.seen[StatementWord.spread.rawValue] != nil, draft.spread == nil { return nil }
    guard let daemon = draft.spread ?? nil else {
      refuseStatements(
        [.spreadRetryInterval, .stateDirectory, .backendLoss, .unsealed],
        why: "has no effect on the embedded engine",
        advice: ["StateDirectory": "write State within Engine"]
      )
      return checkedEngine(node: override).map { .embedded($0) }
    }
    return checkedSpread(daemon, node: override).map { .spread($0) }
  }

  private mutating func checkedSpread(
    _ daemon: Located<SpreadAddress>,
    node override: WackamoleConfiguration.NodeOverride?
  ) -> SpreadBackend? {
    let why = "is for the embedded engine, and Spread = \(daemon.value) is another backend"
    refuseStatements([.guardian], why: why, advice: [:])
    for word in EngineWord.allCases where !Self.engineWordsForSpread.contains(word) {
      refuse(word.rawValue, why: why, advice: "remove it; the daemons' own file says it")
    }
    if draft.seen["State"] != nil, let place = draft.seen["StateDirectory"] {
      report(
        Diagnostic(
          "StateDirectory says again what State within Engine says",
          at: place,
          advice: "remove one of the two"
        )
      )
    }
    checkQuorum(on: daemon.value)
    checkManaged(besides: daemon)
    checkUnsealed()
    var node = draft.node?.value
    if let override {
      node = NodeID(text: override.name)
      if node == nil {
        report(
          Diagnostic(
            "'\(visible(override.name))', given by \(override.origin), is not the name of a daemon",
            at: daemon.location,
            advice: "give the name that the Spread daemon has in its own file, or none"
          )
        )
      }
    }
    return SpreadBackend(
      daemon: daemon.value,
      node: node,
      stateDirectory: draft.separateState ?? draft.stateDirectory ?? "/var/lib/wackamole",
      retryInterval: draft.spreadRetryInterval ?? .seconds(1),
      onLoss: draft.backendLoss ?? .release,
      key: draft.key ?? .none,
      unsealed: draft.unsealed ?? .refuse
    )
  }

  /// The parameters of `Engine` that mean something where the engine is another program's.
  private static let engineWordsForSpread: Set<EngineWord> = [.node, .state, .key]

  private mutating func refuseStatements(
    _ words: [StatementWord],
    why: String,
    advice: [String: String]
  ) {
    for word in words {
      refuse(word.rawValue, why: why, advice: advice[word.rawValue] ?? "remove it")
    }
  }

  private mutating func refuse(_ name: String, why: String, advice: String) {
    guard let place = draft.seen[name] else { return }
    report(Diagnostic("\(name) \(why)", at: place, advice: advice))
  }

  /// Nobody here knows how many servers there are when they are all present.
  private mutating func checkQuorum(on daemon: SpreadAddress) {
    guard let quorum = draft.quorum, case .majority = quorum.value else { return }
    report(
      Diagnostic(
        "a majority of what? Spread = \(daemon) does not say how many servers there are",
        at: quorum.location,
        advice: "write their number, for example 2 of 3"
      )
    )
  }

  /// The daemon's own address must not move away from under the session.
  private mutating func checkManaged(besides daemon: Located<SpreadAddress>) {
    guard case .remote(let host, _) = daemon.value, let address = IPAddress(text: host) else {
      return
    }
    for managed in draft.virtualInterfaces.joined()
    where managed.value.prefix.address == address {
      report(
        Diagnostic(
          "\(address) is the Spread daemon's address, set in "
            + "\(daemon.location.seen(from: managed.location)): it would move away from it",
          at: managed.location,
          advice: "manage another address, or reach the daemon by a stationary one"
        )
      )
    }
  }
}
