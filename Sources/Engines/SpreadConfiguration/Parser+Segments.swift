// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText
import GroupModel

extension Parser {
  mutating func parseSegment(at token: Token) throws(Diagnostic) {
    let word = try takeWord("the address of the segment")
    var segment = Draft.Segment(port: SpreadConfiguration.defaultPort)
    if let port = try Self.unicast(word) {
      segment.port = port ?? segment.port
    } else {
      let (address, port) = try Self.endpoint(word)
      segment.address = Located(value: address, location: word.location)
      segment.port = port ?? segment.port
    }
    guard draft.segments.count < SpreadConfiguration.mostSegments else {
      throw Diagnostic(
        "there are more than \(SpreadConfiguration.mostSegments) segments",
        at: token.location,
        advice: "put the daemons of one network into one segment"
      )
    }
    draft.segments.append(segment)
    let index = draft.segments.count - 1
    let before = draft.daemons.count
    let opening = try takeOpening(of: "\(token.text) \(word.text)")
    while let element = takeElement(of: token.text, opened: opening) {
      do throws(Diagnostic) {
        let daemon = try daemon(element, segment: index, port: segment.port)
        guard draft.daemons.count < SpreadConfiguration.mostDaemons else {
          throw Diagnostic(
            "there are more than \(SpreadConfiguration.mostDaemons) daemons",
            at: element.location,
            advice: "divide them among several clusters"
          )
        }
        draft.daemons.append(daemon)
      } catch {
        draft.daemonsAreDoubtful = true
        report(error)
        skipToDaemon(after: element)
      }
    }
    if draft.daemons.count == before, !draft.daemonsAreDoubtful {
      let advice = "add a line NAME ADDRESS for each daemon"
      report(Diagnostic("the segment has no daemon", at: opening, advice: advice))
    }
  }

  /// The port of `unicast[:PORT]`, `.some(nil)` without one; `nil` if that is not what it says.
  private static func unicast(_ token: Token) throws(Diagnostic) -> UInt16?? {
    let lowered = asciiLowercased(token.text)
    if lowered == "unicast" { return .some(nil) }
    guard lowered.hasPrefix("unicast:") else { return nil }
    return .some(try port(String(token.text.dropFirst("unicast:".count)), at: token.location))
  }

  /// Takes `NAME [ADDRESS] [{ INTERFACE... }]`.
  private mutating func daemon(
    _ element: Token,
    segment: Int,
    port: UInt16
  ) throws(Diagnostic) -> Draft.Daemon {
    let name = try Self.name(element)
    var daemon = Draft.Daemon(
      name: Located(value: name, location: element.location),
      segment: segment
    )
    if next.kind == .word, Self.looksLikeAddress(next.text) {
      let word = take()
      let (address, own) = try Self.endpoint(word)
      daemon.address = Located(value: address, location: word.location)
      noteUnused(port: own, of: word, segment: port)
    }
    if next.kind == .open { daemon.interfaces = try interfaces(of: name, port: port) }
    return daemon
  }

  private static func name(_ token: Token) throws(Diagnostic) -> NodeID {
    switch token.kind {
    case .word where looksLikeAddress(token.text):
      throw Diagnostic(
        "the address \(token.shown) has no name before it",
        at: token.location,
        advice: "write NAME ADDRESS, as in web1 10.0.0.1"
      )
    case .word, .string: break
    case .open, .close, .equals, .end:
      throw Diagnostic(
        "expected the name of a daemon, found \(token.shown)",
        at: token.location,
        advice: "write NAME ADDRESS, as in web1 10.0.0.1"
      )
    }
    let longest = SpreadConfiguration.longestName
    guard token.text.utf8.count <= longest else {
      throw Diagnostic(
        "the name \(token.shown) has \(token.text.utf8.count) bytes, and \(longest) are possible",
        at: token.location,
        advice: "use a shorter name: clients see it in every private name"
      )
    }
    guard let name = NodeID(text: token.text) else {
      throw Diagnostic(
        "\(token.shown) is not the name of a daemon",
        at: token.location,
        advice: "use 1 to \(longest) letters, digits, and the characters - _ ."
      )
    }
    return name
  }

  /// Takes `{ [C] [D] [M] ADDRESS[:PORT] ... }`; goes on after an error within the braces.
  private mutating func interfaces(
    of name: NodeID,
    port: UInt16
  ) throws(Diagnostic) -> [Draft.Interface] {
    let opening = try takeOpening(of: name.description)
    var found: [Draft.Interface] = []
    var letters: [Token] = []
    var isEmpty = true
    while let element = takeElement(of: name.description, opened: opening) {
      isEmpty = false
      if element.kind == .word, ["c", "d", "m"].contains(asciiLowercased(element.text)) {
        letters.append(element)
        continue
      }
      do throws(Diagnostic) {
        found.append(try interface(element, letters: letters, port: port))
      } catch {
        draft.daemonsAreDoubtful = true
        report(error)
      }
      letters = []
    }
    if let letter = letters.first {
      throw Diagnostic(
        "\(letter.shown) is followed by no address",
        at: letter.location,
        advice: "write C, D or M and an address, as in C 10.0.0.1"
      )
    }
    guard !isEmpty else {
      throw Diagnostic(
        "the interface block of \(name) is empty: nobody could reach it",
        at: opening,
        advice: "remove it, or add the addresses that are to be bound"
      )
    }
    return found
  }

  private mutating func interface(
    _ element: Token,
    letters: [Token],
    port: UInt16
  ) throws(Diagnostic) -> Draft.Interface {
    guard element.kind == .word else {
      throw Diagnostic(
        "expected an address, found \(element.shown)",
        at: element.location,
        advice: "write C, D or M and an address, as in C 10.0.0.1"
      )
    }
    let (address, own) = try Self.endpoint(element)
    noteUnused(port: own, of: element, segment: port)
    let text = asciiLowercased(letters.map(\.text).joined())
    return Draft.Interface(
      address: Located(value: address, location: letters.first?.location ?? element.location),
      client: text.contains("c"),
      daemon: text.contains("d"),
      monitor: text.contains("m")
    )
  }

  private mutating func noteUnused(port: UInt16?, of token: Token, segment: UInt16) {
    guard let port, port != segment else { return }
    note(
      "the port of \(token.shown) has no effect: a segment has one port, \(segment)",
      at: token.location,
      advice: "remove :\(port), or use ClientListen"
    )
  }

  /// Goes to the next line, or to the end of the segment.
  private mutating func skipToDaemon(after element: Token) {
    var depth = element.kind == .open ? 1 : 0
    while next.kind != .end {
      switch next.kind {
      case .open: depth += 1
      case .close where depth == 0: return
      case .close: depth -= 1
      case .word where depth == 0 && next.startsLine: return
      case .word, .string, .equals, .end: break
      }
      _ = take()
    }
  }
}

// MARK: - Addresses

extension Parser {
  /// Whether a word is to be an address and not a name: it begins like one.
  static func looksLikeAddress(_ text: String) -> Bool {
    text.hasPrefix("[")
      || text.contains(".")
        && text.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E || $0 == 0x3A }
  }

  /// Takes `ADDRESS[:PORT]`, where an IPv6 address stands in brackets.
  static func endpoint(_ token: Token) throws(Diagnostic) -> (IPAddress, UInt16?) {
    let text = token.text
    let end =
      text.hasPrefix("[")
      ? text.firstIndex(of: "]").map { text.index(after: $0) } : text.firstIndex(of: ":")
    let head = String(text[..<(end ?? text.endIndex)])
    let tail = text[(end ?? text.endIndex)...]
    let (address, rest) = try AddressText.split(head, at: token.location)
    guard rest.isEmpty, tail.isEmpty || tail.hasPrefix(":") else {
      throw Diagnostic(
        "\(token.shown) is not an address",
        at: token.location,
        advice: "write ADDRESS or ADDRESS:PORT, as in 10.0.0.1:4803 or [2001:db8::1]:4803"
      )
    }
    guard !tail.isEmpty else { return (address, nil) }
    let place = token.location.advanced(by: head.unicodeScalars.count + 1)
    return (address, try port(String(tail.dropFirst()), at: place))
  }

  static func port(_ text: String, at location: SourceLocation) throws(Diagnostic) -> UInt16 {
    guard let port = wholeNumber(text).flatMap({ UInt16(exactly: $0) }), port != 0 else {
      throw Diagnostic(
        "'\(visible(text))' is not a port",
        at: location,
        advice: "write a number from 1 to 65535"
      )
    }
    return port
  }
}
