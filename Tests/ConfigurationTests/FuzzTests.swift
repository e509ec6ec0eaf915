// SPDX-License-Identifier: Apache-2.0

import Configuration
import ConfigurationText
import GroupModel
import Machine
import Testing

@Suite("Mutated configurations")
struct FuzzTests {
  /// Configurations that use every statement, to be mutated.
  private static let seeds = [
    smallest,
    """
    Engine { Node = a Key = none Peers { a:[2001:db8::1] b:[2001:db8::2] } Profile = wan
      TokenLoss = 2s TokenRetransmit = 400ms IdleHold = 100ms Beacon = 600ms Join = 100ms
      Consensus = 2500ms CommitLoss = 2s RingAnnouncement = 1s State = none Port = 1 }
    Balance { Interval = 4s AcquisitionsPerRound = All } Mature = 1h
    Prefer { eth0:[2001:db8::101]/128 } Prefer None # none
    VIFs { { eth0:[2001:db8::101]/64n48 eth1:10.0.0.1/24 } } VIPs { 'a' "b" }
    Notify { Arp-Cache eth0:10.0.0.0/24 Throttle 16 } RunDynamic a.so:f on up
    Control = '/x y' Group = "g" Spread = 4803@host Check "web" { Tcp = 80 }
    """,
    """
    Spread = 4803@[2001:db8::1] Engine { Node = a State = none Peers { a:10.0.0.1 } Port = 3 }
    SpreadRetryInterval = 3s BackendLoss = keep StateDirectory = /x Quorum = 2 strict Guardian = silent
    VIFs { eth0:10.0.0.101/32 eth0:[2001:db8::1]/64 } Lease = 4s
    """,
    smallest + """

      Weight = 3 Apart { 10.0.0.101 10.0.0.102/31 } LogFacility = local0 Policy = drop
      Quorum = majority strict ControlGroup = adm SpreadRetryInterval = 3s Arp-Cache = 4s
      Notify { Arp-Cache Ping eth0:10.0.0.0/24 Throttle 3 Ping } RunScript /x on up User a Timeout 3s
      Check "a" { Http = "http://127.0.0.1:80/x" Host = h Interval = 2s Rise = 3 For { 10.0.0.101 } }
      Check b { Command = "/x 'a b'" User = c } Check c { Tcp = [::1]:80 For = node } Include x
      """,
  ]

  @Test("Give settings or located diagnostics, and never crash", arguments: 0..<8)
  func mutations(_ shard: Int) {
    var random = SplitMix64(seed: 0x57_41_43_4B &+ UInt64(shard))
    for round in 0..<150 {
      var text = Array(Self.seeds[round % Self.seeds.count].utf8)
      for _ in 0...Int.random(in: 0..<6, using: &random) {
        Self.mutate(&text, using: &random)
      }
      Self.check(text)
    }
  }

  /// The pieces a mutation may insert.
  private static let pieces =
    [
      "{", "}", "=", "\"", "'", "#", "\n", "\r", "\t", "\u{0}", "\u{1B}[2J", "\u{FEFF}", "é", "::",
      "/",
      "n24", "999999999999999999999999", "-1", "[", "]", "[::1]", "eth0:", "ms", "h", "none", "All",
      "Engine", "Peers {", "VIFs {", "Prefer", "Balance", "Group =",
      "Check c {", "Command =", "Http =", "http://", "Notify", "Throttle", "on up", "strict",
      "Apart {", "Node =", "10.0.0.1", "a:",
    ].map { Array($0.utf8) } + [[0xFF], [0xC3], [0xF0, 0x9F, 0x98], [0xED, 0xA0, 0x80]]

  private static func mutate(_ text: inout [UInt8], using random: inout SplitMix64) {
    let place = Int.random(in: 0...text.count, using: &random)
    let end = min(text.count, place + Int.random(in: 0..<20, using: &random))
    switch Int.random(in: 0..<6, using: &random) {
    case 0: text.removeSubrange(place..<end)
    case 1:
      text.insert(contentsOf: text[place..<end], at: Int.random(in: 0...place, using: &random))
    case 2:
      guard place < text.count else { return }
      text[place] = UInt8.random(in: .min ... .max, using: &random)
    case 3: text.removeSubrange(place...)
    case 4:
      let words = text.split(separator: UInt8(ascii: " "))
      guard let word = words.randomElement(using: &random) else { return }
      text.replaceSubrange(place..<end, with: word)
    default:
      text.insert(contentsOf: pieces.randomElement(using: &random) ?? [], at: place)
    }
  }

  private static func check(_ text: [UInt8]) {
    do throws(Diagnostics) {
      let configuration = try WackamoleConfiguration.parse(
        text: text,
        file: "f"
      )
      #expect(!configuration.virtualInterfaces.isEmpty)
      guard case .embedded(let engine) = configuration.backend else { return }
      #expect(engine.roster.contains(engine.node))
      #expect(engine.timers.brokenInequalities(members: engine.peers.count).isEmpty)
    } catch {
      let lines = String(decoding: text, as: UTF8.self).unicodeScalars
        .split(separator: "\n", omittingEmptySubsequences: false)
      #expect(!error.list.isEmpty && error.list.count <= Diagnostics.limit)
      for diagnostic in error.list {
        let place = diagnostic.location
        let located =
          (1...lines.count).contains(place.line)
          && (1...lines[place.line - 1].count + 1).contains(place.column)
        #expect(located, "\(diagnostic) lies outside of \(String(decoding: text, as: UTF8.self))")
        #expect(!diagnostic.description.contains("\n") && !diagnostic.advice.isEmpty)
      }
    }
  }
}
