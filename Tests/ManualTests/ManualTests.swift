// SPDX-License-Identifier: Apache-2.0

import Configuration
import FailoverWire
import Foundation
import GroupModel
import Health
import SpreadConfiguration
import Testing

private let optionsPath = "Sources/Programs/wackamole/Options.swift"
private let toolPath = "Sources/Programs/wackatrl/Wackatrl.swift"

@Suite("Manual pages and examples")
struct ManualTests {
  private let page: Page

  init() throws { page = try Page("man/wackamole.conf.5") }

  /// Every word with which a statement or parameter begins.
  private static let known =
    StatementWord.allCases.map(\.rawValue) + RemovedStatementWord.allCases.map(\.rawValue)
    + EngineWord.allCases.map(\.rawValue)
    + BalanceWord.allCases.map(\.rawValue) + CheckWord.allCases.map(\.rawValue)
    + AnnounceWord.allCases.map(\.rawValue) + ProcessWord.allCases.map(\.rawValue)

  @Test("The manual names every statement the parser knows, and no other")
  func statements() {
    #expect(page.commands == Set(Self.known))
  }

  @Test("Every statement and parameter that can be used is described, with its = or {")
  func descriptions() {
    var described: [String: Bool] = [:]
    for item in page.items where item.arguments.first == "Ic" && item.arguments.count > 1 {
      if item.arguments.contains("Ta") { continue }
      described[item.arguments[1]] = item.arguments.dropFirst(2).first == "="
    }
    let usable =
      StatementWord.allCases.map(\.rawValue)
      + EngineWord.allCases.map(\.rawValue)
      + BalanceWord.allCases.map(\.rawValue) + CheckWord.allCases.map(\.rawValue)
      + AnnounceWord.allCases.map(\.rawValue) + ProcessWord.allCases.map(\.rawValue)
    #expect(Set(described.keys) == Set(usable))
    let blocks: Set = [
      "Engine", "Balance", "Prefer", "VirtualInterfaces", "VIFs", "VIPs", "Peers", "Apart",
      "Include", "Check", "RunScript", "For", "Announce",
      "Times", "Process", "Notify",
    ]
    #expect(Set(described.filter { !$0.value }.keys) == blocks)
  }

  @Test("The table of profiles in the manual is what the profiles are")
  func profiles() throws {
    let rows = page.items.map(\.arguments).filter { $0.contains("Ta") && $0.first == "Ic" }
    #expect(rows.count == 8)
    for (column, profile) in EngineConfiguration.Profile.allCases.enumerated() {
      // WORD Ta LAN Ta FAST Ta WAN
      let settings = rows.map { "\($0[1]) = \($0[3 + 2 * column])" }.joined(separator: " ")
      let configuration = try parse(minimal(engine: settings))
      #expect(configuration.timers == profile.timers, "\(profile)")
    }
  }

  @Test("The defaults in the manual are the defaults")
  func defaults() throws {
    let plain = try WackamoleConfiguration.parse(text: Array(minimal().utf8), file: "plain")
    let spread = "Spread = 4803 VIFs { eth0:10.0.0.101/32 }\n"
    let plainOnSpread = try WackamoleConfiguration.parse(text: Array(spread.utf8), file: "plain")
    var stated: [String] = []
    for item in page.items where item.arguments.count > 2 && item.arguments[2] == "=" {
      guard let line = item.body.firstIndex(where: { $0.contains("Default:") }) else { continue }
      let inline = item.body[line].split(separator: " ").map(String.init).drop { $0 != "Default:" }
        .dropFirst().first
      let macro = item.body.dropFirst(line + 1 - item.body.startIndex).first?
        .split(separator: " ").map(String.init).dropFirst().first
      let value = try #require(
        inline.map { $0.hasSuffix(".") ? String($0.dropLast()) : $0 } ?? macro
      )
      let name = item.arguments[1]
      stated.append(name)
      let setting = "\(name) = \(value)"
      if ["SpreadRetryInterval", "StateDirectory", "BackendLoss"].contains(name) {
        let text = spread + setting
        #expect(
          try WackamoleConfiguration.parse(text: Array(text.utf8), file: name) == plainOnSpread
        )
        continue
      }
      if name == "Unsealed" {
        let keyed = spread + "Engine { Key = /k }\n"
        #expect(
          try WackamoleConfiguration.parse(text: Array((keyed + setting).utf8), file: "plain")
            == WackamoleConfiguration.parse(text: Array(keyed.utf8), file: "plain")
        )
        continue
      }
      let text =
        if EngineWord.allCases.contains(where: { $0.rawValue == name }) {
          minimal(engine: setting)
        } else if BalanceWord.allCases.contains(where: { $0.rawValue == name }) {
          minimal() + "\nBalance { \(setting) }"
        } else if AnnounceWord.allCases.contains(where: { $0.rawValue == name }) {
          minimal() + "\nAnnounce { \(setting) }"
        } else if ProcessWord.allCases.contains(where: { $0.rawValue == name }) {
          minimal() + "\nProcess { \(setting) }"
        } else {
          minimal() + "\n" + setting
        }
      #expect(try WackamoleConfiguration.parse(text: Array(text.utf8), file: name) == plain)
    }
    #expect(
      stated == [
        "SpreadRetryInterval", "StateDirectory", "BackendLoss", "Unsealed", "Group", "Control",
        "LogFacility",
        "Mature", "Interval", "AcquisitionsPerRound", "Weight",
        "Lease", "Policy", "Quorum", "Refresh", "Rate", "Burst", "Conflict",
        "Arp-Cache", "RealTime",
        "LockMemory", "Protocol",
        "Port", "Multicast", "MTU", "Profile", "State",
      ]
    )
  }

  @Test("The newest protocol is that of the messages")
  func newestProtocol() {
    #expect(WackamoleConfiguration.newestProtocol == FailoverMessage.version)
  }

  @Test("The examples in the manual, the folder of examples and the README are good")
  func examples() throws {
    let folder = tree.appending(path: "examples")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path()).sorted()
    #expect(files.filter { $0.hasSuffix(".conf") }.count >= 4)
    var texts = try files.filter { !$0.hasPrefix("spread") }
      .map { ($0, try text(of: "examples/\($0)")) }
    texts += page.displays.map { ("the manual", $0) }
    let readme = try text(of: "README.md").components(separatedBy: "```")
    texts += readme.filter { $0.contains("Engine {") }.map { ("README", $0) }
    #expect(texts.count >= 3 + 4)
    for (name, text) in texts {
      let configuration = try Self.parse(text, file: name)
      guard let roster = configuration.roster else {
        // On a Spread daemon nobody is named.
        #expect(name == "on-spread.conf")
        continue
      }
      // The same file serves every peer.
      for node in roster.nodes {
        let override = WackamoleConfiguration.NodeOverride(
          name: node.description,
          origin: "--node"
        )
        let other = try Self.parse(text, file: name, node: override)
        #expect(other.roster == roster)
      }
    }
  }

  @Test(
    "wackamole(8) describes the options of the program, and no other",
    .enabled(if: FileManager.default.fileExists(atPath: tree.appending(path: optionsPath).path()))
  )
  func options() throws {
    let declared = try declaredOptions(in: optionsPath)
    #expect(declared.count > 4)
    #expect(try Page("man/wackamole.8").options == declared)
  }

  @Test(
    "wackatrl(8) describes the commands and options of the tool, and no other",
    .enabled(if: FileManager.default.fileExists(atPath: tree.appending(path: toolPath).path()))
  )
  func tool() throws {
    let page = try Page("man/wackatrl.8")
    #expect(page.options == (try declaredOptions(in: toolPath)))
    let source = try text(of: toolPath)
    let commands = source.matches(of: #/struct (\w+): Tool/#).map { $0.1.lowercased() }
      .filter { $0 != "wackatrl" }
    let described = page.items.filter { $0.arguments.first == "Cm" }.map { $0.arguments[1] }
    #expect(commands.count == 10 && Set(commands) == Set(described), "\(described)")
  }

  /// The options that a source file declares: `-c`, `--config`.
  private func declaredOptions(in path: String) throws -> Set<String> {
    let declaration = #/@(?:Option|Flag)\(\s*name: (\[[^\]]*\]|\.\w+)[^@]*?\bvar (\w+)/#
    var declared: Set = ["-h", "--help"]
    for match in try text(of: path).matches(of: declaration) {
      let (names, property) = (String(match.1), String(match.2))
      if names.contains(".long") { declared.insert("--\(property)") }
      if names.contains(".short"), let first = property.first { declared.insert("-\(first)") }
      for short in names.matches(of: #/customShort\("(\w)"\)/#) { declared.insert("-\(short.1)") }
      for long in names.matches(of: #/customLong\("([\w-]+)"\)/#) {
        declared.insert("--\(long.1)")
      }
    }
    return declared
  }

  @Test("The pages of programs have the sections that an operator looks for")
  func sections() throws {
    for (page, sections) in [
      ("man/wackamole.8", ["FILES", "SIGNALS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]),
      ("man/wackatrl.8", ["FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]),
      ("man/wackamole.conf.5", ["FILES", "EXAMPLES", "SEE ALSO"]),
    ] {
      let lines = try Page(page).lines
      for section in sections { #expect(lines.contains(".Sh \(section)"), "\(page): \(section)") }
    }
  }

  @Test("What the manual says of checks and scripts without a word for it is so")
  func prose() throws {
    let manual = page.lines.joined(separator: "\n")
    #expect(manual.contains("One second unless set.") && manual.contains("2 unless set."))
    #expect(manual.contains("may take 30 s, or"))
    let text = minimal() + "\nCheck c { Tcp = 127.0.0.1:1 } RunScript /x on up"
    let parsed = try WackamoleConfiguration.parse(text: Array(text.utf8), file: "prose")
    let timing = try #require(parsed.checks.first?.timing)
    #expect(timing.interval == .seconds(1) && timing.timeout == timing.interval)
    #expect(timing.rise == 2 && timing.fall == 2)
    #expect(parsed.scripts.first?.timeout == .seconds(30))
    for event in WackamoleConfiguration.ScriptEvent.allCases {
      #expect(manual.contains(".It Cm \(event.rawValue)\n"))
    }
    for facility in LogFacility.allCases where !facility.rawValue.hasPrefix("local") {
      #expect(manual.contains(".Cm \(facility.rawValue)"))
    }
  }

  @Test("The service runs the program as the manual describes it")
  func service() throws {
    let unit = try text(of: "systemd/wackamole.service")
    let start = try #require(unit.firstMatch(of: #/ExecStart=\S+/wackamole (.*)/#))
    let options = start.1.split(separator: " ").filter { $0.hasPrefix("-") }.map(String.init)
    #expect(try Page("man/wackamole.8").options.isSuperset(of: options))
    let manual = try text(of: "man/wackamole.8")
    for path in ["/etc/wackamole/wackamole.conf", "/etc/default/wackamole"] {
      #expect(unit.contains(path) && manual.contains(path))
    }
  }

  // MARK: - Configurations

  /// Parses an example; the files it includes are those of a machine, and empty here.
  private static func parse(
    _ text: String,
    file: String,
    node: WackamoleConfiguration.NodeOverride? = nil
  ) throws -> WackamoleConfiguration {
    try WackamoleConfiguration.parse(
      text: Array(text.utf8),
      file: file,
      node: node,
      include: { _, _ throws(WackamoleConfiguration.IncludeFailure) in [] }
    )
  }

  private func minimal(engine: String = "") -> String {
    "Engine { Node = a Key = none Peers { a:10.0.0.1 } \(engine) } VIFs { eth0:10.0.0.101/32 }"
  }

  private func parse(_ text: String) throws -> EngineConfiguration {
    let configuration = try WackamoleConfiguration.parse(text: Array(text.utf8), file: "manual")
    return try #require(configuration.engine)
  }
}

extension WackamoleConfiguration {
  fileprivate var engine: EngineConfiguration? {
    switch backend {
    case .embedded(let engine): engine
    case .spread: nil
    }
  }

  fileprivate var roster: Roster? { engine?.roster }
}
