// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText
import Health

extension Parser {
  mutating func parseCheck(at token: Token) throws(Diagnostic) {
    markSeen(StatementWord.check.rawValue, at: token.location)
    guard draft.checks.count < WackamoleConfiguration.mostChecks else {
      throw Diagnostic(
        "there are more than \(WackamoleConfiguration.mostChecks) checks",
        at: token.location,
        advice: "let one command check several things"
      )
    }
    let name = try takeText("the name of the check")
    let isPrintable = name.text.unicodeScalars.allSatisfy { $0 >= " " && $0 != "\u{7F}" }
    guard isPrintable, (1...31).contains(name.text.utf8.count), visible(name.text) == name.text
    else {
      throw Diagnostic(
        "\(name.shown) is not the name of a check",
        at: name.location,
        advice: "use 1 to 31 bytes of printable text"
      )
    }
    let title = "Check \"\(name.text)\""
    var check = CheckDraft(name: Located(value: name.text, location: name.location))
    if let other = draft.checks.first(where: { $0.name.value == name.text }) {
      report(
        Diagnostic(
          "\(title) is given twice: first in \(other.name.location.seen(from: name.location))",
          at: name.location,
          advice: "give one of the two another name"
        )
      )
      check.isDoubtful = true
    }
    let before = collector.count
    let block = try takeOpening(of: title)
    var seen: [CheckWord: SourceLocation] = [:]
    let empty = parseParameters(CheckWord.self, of: block) {
      parser,
      word,
      element throws(Diagnostic) in
      if let first = seen[word] {
        throw Diagnostic(
          "\(word.rawValue) of \(title) is given twice: first in \(first.seen(from: element.location))",
          at: element.location,
          advice: "remove one of the two"
        )
      }
      seen[word] = element.location
      try parser.parseParameter(word, of: &check, at: element)
    }
    if empty { report(emptiness(of: block, advice: "add Command, Tcp or Http")) }
    check.isDoubtful = check.isDoubtful || collector.count > before
    draft.checks.append(check)
  }

  private mutating func parseParameter(
    _ word: CheckWord,
    of check: inout CheckDraft,
    at token: Token
  ) throws(Diagnostic) {
    if word == .subject, next.kind == .open { return try parseSubjects(of: &check) }
    try takeEquals(after: token)
    switch word {
    case .command:
      let value = try takeText("a command line")
      check.probes.append(
        Located(value: .command(try Self.commandLine(value)), location: value.location)
      )
    case .tcp:
      let value = try takeText("ADDRESS:PORT")
      let (endpoint, rest) = try AddressText.endpoint(value.text, at: value.location)
      guard rest.isEmpty, let port = endpoint.port else {
        throw Diagnostic(
          "\(value.shown) is not an address and a port",
          at: value.location,
          advice: "write it as in 127.0.0.1:80 or [::1]:80"
        )
      }
      let target = Endpoint(address: endpoint.address, port: port)
      check.probes.append(Located(value: .tcp(target), location: value.location))
    case .http:
      let value = try takeText("a URL")
      check.probes.append(
        Located(value: .http(try Self.request(value)), location: value.location)
      )
    case .host:
      let value = try takeText("the name of a host")
      guard Self.isPlain(value.text), !value.text.isEmpty, value.text.utf8.count <= 255 else {
        throw Diagnostic(
          "\(value.shown) is not the name of a host",
          at: value.location,
          advice: "write a name as in www.example.org"
        )
      }
      check.host = Located(value: value.text, location: value.location)
    case .user: check.user = try takeAccount("the name or number of a user")
    case .interval: check.interval = try takeInterval(atLeast: .milliseconds(10))
    case .timeout: check.timeout = try takeInterval(atLeast: .milliseconds(1))
    case .rise: check.rise = try takeNumber(in: 1...100)
    case .fall: check.fall = try takeNumber(in: 1...100)
    case .subject:
      if next.kind == .word, asciiLowercased(next.text) == "node" {
        _ = take()
      } else {
        check.selections.append(try selection(take()))
      }
    }
  }

  private mutating func parseSubjects(of check: inout CheckDraft) throws(Diagnostic) {
    let block = try takeOpening(of: CheckWord.subject.rawValue)
    var empty = true
    while let element = takeElement(of: block) {
      empty = false
      do throws(Diagnostic) {
        check.selections.append(try selection(element))
      } catch {
        report(error)
      }
    }
    if empty { report(emptiness(of: block, advice: "add the first address of a VIF")) }
  }

  // MARK: - URLs

  /// Printable ASCII without blanks: what can stand in a request as it is.
  private static func isPlain(_ text: String) -> Bool {
    text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
  }

  private static func request(_ token: Token) throws(Diagnostic) -> Check.Request {
    let scheme = "http://"
    guard asciiLowercased(token.text).hasPrefix(scheme) else {
      let isSecure = asciiLowercased(token.text).hasPrefix("https://")
      throw Diagnostic(
        isSecure
          ? "https is not spoken here" : "\(token.shown) is not a URL of http",
        at: token.location,
        advice: isSecure
          ? "write a Command that runs a client, such as curl"
          : "write it as in http://127.0.0.1:8080/health"
      )
    }
    let place = token.location.advanced(by: scheme.count)
    let text = String(token.text.dropFirst(scheme.count))
    let (endpoint, rest) = try AddressText.endpoint(text, at: place)
    let target = rest.isEmpty ? "/" : rest
    guard target.hasPrefix("/"), isPlain(target), !target.contains("#"),
      target.utf8.count <= 2_000
    else {
      throw Diagnostic(
        "'\(visible(rest))' cannot be asked for",
        at: place,
        advice: "write a path of at most 2000 printable ASCII characters that begins with /"
      )
    }
    let port = endpoint.port ?? 80
    let whole = Endpoint(address: endpoint.address, port: port)
    return Check.Request(endpoint: whole, target: target, host: whole.description)
  }

  // MARK: - Once the file is read

  /// The checks, with their defaults.
  mutating func checkedHealth(among all: [VirtualInterface]) -> [Check] {
    draft.checks.compactMap { written in
      var vifs = Set<VIFID>()
      for wanted in written.selections {
        vifs.formUnion(select(wanted, among: all, failing: "names no VIF to check for"))
      }
      guard !written.isDoubtful, let probe = checkedProbe(of: written) else { return nil }
      let standard = Check.Timing()
      let timing = Check.Timing(
        interval: written.interval ?? standard.interval,
        timeout: written.timeout,
        rise: written.rise ?? standard.rise,
        fall: written.fall ?? standard.fall
      )
      return Check(
        name: written.name.value,
        probe: probe,
        timing: timing,
        subject: vifs.isEmpty ? .node : .vifs(vifs.sorted())
      )
    }
  }

  private mutating func checkedProbe(of check: CheckDraft) -> Check.Probe? {
    let title = "Check \"\(check.name.value)\""
    guard let first = check.probes.first else {
      report(
        Diagnostic(
          "\(title) does not say what to check",
          at: check.name.location,
          advice: "add Command, Tcp or Http"
        )
      )
      return nil
    }
    if check.probes.count > 1 {
      report(
        Diagnostic(
          "\(title) checks more than one thing",
          at: check.probes[1].location,
          advice: "write one Check for each"
        )
      )
    }
    switch first.value {
    case .command(var program):
      if let host = check.host { reportStray("Host", at: host.location, belongs: "Http") }
      program.user = check.user?.value
      return .command(program)
    case .tcp:
      if let host = check.host { reportStray("Host", at: host.location, belongs: "Http") }
      if let user = check.user { reportStray("User", at: user.location, belongs: "Command") }
      return first.value
    case .http(var request):
      if let user = check.user { reportStray("User", at: user.location, belongs: "Command") }
      if let host = check.host { request.host = host.value }
      return .http(request)
    }
  }

  private mutating func reportStray(
    _ word: String,
    at location: SourceLocation,
    belongs other: String
  ) {
    report(
      Diagnostic("\(word) goes with \(other) only", at: location, advice: "remove it")
    )
  }
}
