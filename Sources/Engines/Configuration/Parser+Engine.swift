// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText
import GroupModel

extension Parser {
  mutating func parseEngine(at token: Token) throws(Diagnostic) {
    markSeen("Engine", at: token.location)
    let block = try takeOpening(of: "Engine")
    parseParameters(EngineWord.self, of: block) { parser, word, element throws(Diagnostic) in
      try parser.parseEngineParameter(word, at: element)
    }
  }

  private mutating func parseEngineParameter(
    _ word: EngineWord,
    at token: Token
  ) throws(Diagnostic) {
    let name = word.rawValue
    switch word {
    case .node:
      draft.node = try parseScalar(at: token, named: name) { parser throws(Diagnostic) in
        let value = try parser.takeText("this machine's name in Peers")
        return Located(value: try Self.node(value.text, at: value), location: value.location)
      }
    case .peers: try parsePeers(at: token)
    case .port:
      draft.port = try parseScalar(at: token, named: name) { parser throws(Diagnostic) in
        UInt16(try parser.takeNumber(in: 1...65_535))
      }
    case .multicast: try parseMulticast(at: token)
    case .mtu:
      draft.mtu = try parseScalar(at: token, named: name) { parser throws(Diagnostic) in
        Int(try parser.takeNumber(in: 1_280...9_216))
      }
    case .key: try parseKey(at: token)
    case .profile: try parseProfile(at: token)
    case .state:
      draft.stateDirectory = try parseScalar(at: token, named: name) { parser throws(Diagnostic) in
        try parser.takeStateDirectory()
      }
    case .tokenLoss, .tokenRetransmit, .idleHold, .beacon, .join, .consensus, .commitLoss,
      .ringAnnouncement:
      let timer = try parseScalar(at: token, named: name) { parser throws(Diagnostic) in
        try parser.takeInterval(atLeast: .milliseconds(1))
      }
      draft.timers.append((word, Located(value: timer, location: token.location)))
    }
  }

  private mutating func parseMulticast(at token: Token) throws(Diagnostic) {
    let name = EngineWord.multicast.rawValue
    draft.multicast =
      try parseScalar(at: token, named: name) { parser throws(Diagnostic) in
        let value = try parser.takeText("the address of a multicast group, or none")
        if asciiLowercased(value.text) == "none" { return Located?.none }
        let bare =
          value.text.hasPrefix("[") && value.text.hasSuffix("]")
          ? value.text.dropFirst().dropLast() : value.text[...]
        guard let address = IPAddress(text: bare), address.isMulticast else {
          throw Diagnostic(
            "\(value.shown) is not the address of a multicast group",
            at: value.location,
            advice: "write one such as 239.192.7.1 or ff15::7, or none"
          )
        }
        return Located(value: address, location: value.location)
      } ?? nil
  }

  private mutating func parseKey(at token: Token) throws(Diagnostic) {
    draft.key = try parseScalar(at: token, named: EngineWord.key.rawValue) {
      parser throws(Diagnostic) in
      if asciiLowercased(parser.next.text) == "none" {
        _ = parser.take()
        return EngineConfiguration.Key.none
      }
      return .file(try parser.takePath(longest: 4_000))
    }
  }

  private mutating func parseProfile(at token: Token) throws(Diagnostic) {
    draft.profile = try parseScalar(at: token, named: EngineWord.profile.rawValue) {
      parser throws(Diagnostic) in
      let value = try parser.takeText("a profile")
      guard let profile = EngineConfiguration.Profile(rawValue: asciiLowercased(value.text)) else {
        let known = EngineConfiguration.Profile.allCases.map(\.rawValue)
        throw parser.unknown(value, as: "profile", among: known)
      }
      return Located(value: profile, location: value.location)
    }
  }

  private mutating func parsePeers(at token: Token) throws(Diagnostic) {
    markSeen("Peers", at: token.location)
    draft.peersAreDoubtful = draft.peersAreDoubtful || next.kind != .open
    let block = try takeOpening(of: "Peers")
    var isFull = false
    while let element = takeElement(of: block) {
      do throws(Diagnostic) {
        let peer = try Self.peer(element)
        guard draft.peers.count < EngineConfiguration.mostPeers else {
          // Once says it for all that follow.
          if isFull { continue }
          isFull = true
          throw Diagnostic(
            "there are more than \(EngineConfiguration.mostPeers) peers",
            at: element.location,
            advice: "divide them among several clusters"
          )
        }
        draft.peers.append(Located(value: peer, location: element.location))
      } catch {
        draft.peersAreDoubtful = true
        report(error)
      }
    }
  }

  /// Takes `name:address`, where an IPv6 address stands in brackets.
  private static func peer(_ token: Token) throws(Diagnostic) -> EngineConfiguration.Peer {
    let example = "write NAME:ADDRESS, as in web1:10.0.0.1 or web1:[2001:db8::1]"
    guard token.kind == .word, let colon = token.text.firstIndex(of: ":") else {
      throw Diagnostic("\(token.shown) is not a peer", at: token.location, advice: example)
    }
    let name = String(token.text[..<colon])
    let rest = String(token.text[token.text.index(after: colon)...])
    let place = token.location.advanced(by: name.unicodeScalars.count + 1)
    let node = try node(name, at: token)
    let (address, tail) = try AddressText.split(rest, at: place)
    guard tail.isEmpty else {
      throw Diagnostic(
        "'\(visible(tail))' follows the address of peer \(name)",
        at: place,
        advice: example + "; all members use the one Port, and no prefix length"
      )
    }
    return EngineConfiguration.Peer(node: node, address: address)
  }

  static func node(_ name: String, at token: Token) throws(Diagnostic) -> NodeID {
    guard let node = NodeID(text: name) else {
      throw Diagnostic(
        "'\(visible(name))' is not the name of a node",
        at: token.location,
        advice: "use 1 to 31 letters, digits, and the characters - _ ."
      )
    }
    return node
  }
}
