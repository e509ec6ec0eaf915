// SPDX-License-Identifier: Apache-2.0

import Addresses
import Configuration
import ConfigurationText
import GroupModel
import Testing

private let vifs = "VIFs { eth0:10.0.0.101/32 }"

private func backend(
  _ text: String,
  node: WackamoleConfiguration.NodeOverride? = nil
) throws -> SpreadBackend {
  let configuration = try parse(text + "\n" + vifs, node: node)
  guard case .spread(let spread) = configuration.backend else { throw NoSpread() }
  return spread
}

private struct NoSpread: Error {}

@Suite("A Spread daemon as the backend, in wackamole.conf")
struct SpreadBackendTests {
  @Test("What may be left out has its default")
  func defaults() throws {
    let spread = try backend("Spread = 4803")
    #expect(spread.daemon == .local(port: 4_803))
    #expect(spread.node == nil)
    #expect(spread.stateDirectory == "/var/lib/wackamole")
    #expect(spread.retryInterval == .seconds(1))
    #expect(spread.onLoss == .release)
    let interfaces = try parse("Spread = 4803\n" + vifs).interfaces
    #expect(interfaces.lease == .seconds(10) && !interfaces.sendsObituary)
  }

  @Test(
    "Where the daemon is",
    arguments: [
      ("4803", .local(port: 4_803)), ("4804@spread1", .remote(host: "spread1", port: 4_804)),
      ("4803@[2001:db8::1]", .remote(host: "2001:db8::1", port: 4_803)),
      ("/run/spread/4803", .path("/run/spread/4803")),
      ("'/a folder/x'", .path("/a folder/x")),
    ] as [(String, SpreadAddress)]
  )
  func places(_ text: String, _ place: SpreadAddress) throws {
    #expect(try backend("Spread = \(text)").daemon == place)
  }

  @Test("Its statements, and an Engine block with what is not the ring's")
  func statements() throws {
    let text = """
      Spread = 4803@10.0.0.1 SpreadRetryInterval = 250ms BackendLoss = Keep Quorum = 2 strict
      Engine { Node = web1 State = /var/lib/w }
      """
    let spread = try backend(text)
    #expect(spread.node == "web1" && spread.stateDirectory == "/var/lib/w")
    #expect(spread.retryInterval == .milliseconds(250) && spread.onLoss == .keep)
    #expect(try backend("Spread = 4803 StateDirectory = /x/y").stateDirectory == "/x/y")
    #expect(try backend("Spread = 4803 StateDirectory = none").stateDirectory == nil)
    let named = WackamoleConfiguration.NodeOverride(name: "web2", origin: "--node")
    #expect(try backend(text, node: named).node == "web2")
    #expect(try parse(text + vifs).quorum == .members(2, strict: true))
  }

  @Test("The key of the group, and the steps to it")
  func key() throws {
    #expect(try backend("Spread = 4803").key == .none)
    #expect(try backend("Spread = 4803 Engine { Key = none }").key == .none)
    let keyed = try backend("Spread = 4803 Engine { Key = /etc/w.key }")
    #expect(keyed.key == .file("/etc/w.key") && keyed.unsealed == .refuse)
    for (word, step) in [("Refuse", .refuse), ("accept", .accept), ("send", .send)]
      as [(String, SpreadBackend.Unsealed)]
    {
      let text = "Spread = 4803 Engine { Key = /etc/w.key } Unsealed = \(word)"
      #expect(try backend(text).unsealed == step)
    }
    // The ring is the daemons': there is nobody to tell of a death, with a key or without.
    let interfaces = try parse("Spread = 4803 Engine { Key = /k }\n" + vifs).interfaces
    #expect(!interfaces.sendsObituary)
  }

  @Test("What is given outside the file wins over Spread, and is judged as if it stood there")
  func override() throws {
    let named = try #require(WackamoleConfiguration.SpreadOverride(text: "4804@10.0.0.9"))
    for text in ["Spread = 4803\n", ""] {
      let configuration = try parse(text + vifs, spread: named)
      guard case .spread(let spread) = configuration.backend else { throw NoSpread() }
      #expect(spread.daemon == .remote(host: "10.0.0.9", port: 4_804))
    }
    let managed = try #require(WackamoleConfiguration.SpreadOverride(text: "4804@10.0.0.101"))
    let found = problems(in: vifs, spread: managed)
    #expect(found.count == 1 && found[0].contains("is the Spread daemon's address"), "\(found)")
    let own = try #require(WackamoleConfiguration.SpreadOverride(text: "Embedded"))
    #expect(problems(in: "Spread = 4803\n" + vifs, spread: own).contains { $0.contains("Engine") })
    for text in ["", "run/spread", "70000", "4803@"] {
      #expect(WackamoleConfiguration.SpreadOverride(text: text) == nil, "\(text)")
    }
  }

  @Test("What does not fit the backend is told with its place", arguments: faults)
  func fault(_ fault: Fault) { fault.check() }

  @Test("A name given outside that none can have")
  func badOverride() {
    let named = WackamoleConfiguration.NodeOverride(name: "a b", origin: "--node")
    let found = problems(in: "Spread = 4803\n" + vifs, node: named)
    #expect(found.count == 1 && found[0].contains("'a b', given by --node"), "\(found)")
  }
}

private let embedded =
  "Engine { Node = a Key = none Peers { a:10.0.0.1 b:10.0.0.2 } }\n" + vifs + "\n"
private let session = "Spread = 4803\n" + vifs + "\n"

private let faults: [Fault] = [
  Fault("retry 0", session + "SpreadRetryInterval = 0s", ("3:23", "too short")),
  Fault("retry embedded", embedded + "SpreadRetryInterval = 1s", ("3:1", "embedded engine")),
  Fault("state embedded", embedded + "StateDirectory = /x", ("3:1", "write State within Engine")),
  Fault("loss embedded", embedded + "BackendLoss = keep", ("3:1", "embedded engine")),
  Fault("loss of another kind", session + "BackendLoss = kep", ("3:15", "did you mean keep?")),
  Fault("state twice", session + "Engine { State = /x } StateDirectory = /y", ("3:23", "again")),
  Fault("guardian", session + "Guardian = silent", ("3:1", "is for the embedded engine")),
  Fault("majority", session + "Quorum = majority", ("3:10", "a majority of what?")),
  Fault(
    "peers",
    session + "Engine { Peers { a:10.0.0.1 } }",
    ("3:10", "Peers is for the embedded")
  ),
  Fault("port", session + "Engine { Port = 4813 }", ("3:10", "Port is for the embedded engine")),
  Fault("unsealed embedded", embedded + "Unsealed = send", ("3:1", "embedded engine")),
  Fault("unsealed, no key", session + "Unsealed = send", ("3:1", "says nothing without a Key")),
  Fault(
    "unsealed, none",
    session + "Engine { Key = none } Unsealed = refuse",
    ("3:23", "says nothing without a Key")
  ),
  Fault(
    "unsealed of another kind",
    session + "Engine { Key = /k } Unsealed = sent",
    ("3:32", "did you mean send?")
  ),
  Fault(
    "key of another kind",
    session + "Engine { Key = k } Unsealed = send",
    ("3:16", "absolute path")
  ),
  Fault("timer", session + "Engine { Beacon = 1s }", ("3:10", "Beacon is for the embedded engine")),
  Fault("profile", session + "Engine { Profile = wan }", ("3:10", "Profile is for the embedded")),
  Fault("bad port", vifs + "\nSpread = 70000", ("2:10", "not where a Spread daemon can be")),
  Fault("relative path", vifs + "\nSpread = run/spread", ("2:10", "the path of its socket")),
  Fault(
    "the daemon's own address",
    "Spread = 4803@10.0.0.101\n" + vifs,
    ("2:13", "is the Spread daemon's address")
  ),
]
