// SPDX-License-Identifier: Apache-2.0

import Addresses
import ArgumentParser
import Configuration
import DaemonKit
import EmbeddedRing
import GroupModel

/// One ring member that sends and receives benchmark messages; `scripts/bench` runs several.
@main
struct RingBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ringbench",
    abstract: "Run one ring member that is told on its standard input what to send.",
    discussion:
      "It writes one JSON object a line: views, and what it measured. scripts/bench runs it."
  )

  @Option(help: "This member's name.")
  var node: String

  @Option(help: "All members, as NAME=ADDRESS.")
  var member: [String]

  @Option(help: "The UDP port of every member.")
  var port: UInt16 = 4_813

  @Option(help: "The timers: lan, fast or wan.")
  var profile = "lan"

  @Option(help: "The key file; unsealed without.")
  var key: String?

  @Option(help: "The group of IP multicast, as ADDRESS%INTERFACE; unicast without.")
  var multicast: String?

  func run() throws {
    let members = try member.map { text in
      let parts = text.split(separator: "=", maxSplits: 1)
      guard parts.count == 2, let node = NodeID(text: String(parts[0])),
        let address = IPAddress(text: parts[1])
      else { throw ValidationError("'\(text)' is not NAME=ADDRESS") }
      return PacketLink.Member(node: node, endpoint: Endpoint(address: address, port: port))
    }
    guard let me = NodeID(text: node) else { throw ValidationError("'\(node)' is no name") }
    let keys = try key.map { path in
      try KeyFile.parse(
        text: try SmallFile.readSecret(path, limit: KeyFile.longestText),
        file: path
      ).keys
    }
    try Member(me: me, members: members, timers: try timers(), group: try group(), keys: keys).run()
  }

  private func group() throws -> PacketLink.Group? {
    guard let multicast else { return nil }
    let parts = multicast.split(separator: "%")
    guard parts.count == 2, let address = IPAddress(text: parts[0]),
      let interface = InterfaceName(parts[1])
    else { throw ValidationError("'\(multicast)' is not ADDRESS%INTERFACE") }
    return PacketLink.Group(address: address, interface: interface, isLocal: false)
  }

  private func timers() throws -> RingTimers {
    switch profile {
    case "lan": .lan
    case "fast": .fast
    case "wan": .wan
    default: throw ValidationError("'\(profile)' is not a profile; use lan, fast or wan")
    }
  }
}
