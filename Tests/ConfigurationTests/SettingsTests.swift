// SPDX-License-Identifier: Apache-2.0

import Addresses
import Configuration
import GroupModel
import Testing

@Suite("Settings of wackamole.conf")
struct SettingsTests {
  @Test("The smallest configuration gives every setting its value")
  func smallestConfiguration() throws {
    let configuration = try parse(smallest)
    let engine = configuration.engine
    #expect(engine.node == "web1")
    #expect(engine.peers.map(\.node) == ["web1", "web2", "web3"])
    #expect(engine.roster == ["web1", "web2", "web3"])
    #expect(engine.endpoint(of: "web2")?.description == "10.0.0.2:4813")
    #expect(engine.endpoint(of: "web4") == nil)
    #expect(engine.key == .none)
    #expect(engine.timers == .lan)
    #expect(engine.stateDirectory == "/var/lib/wackamole")
    #expect(configuration.group == "wack1")
    #expect(configuration.control == "/run/wackamole/control")
    #expect(configuration.mature == .seconds(5))
    #expect(configuration.balance == .init(interval: .seconds(10), acquisitionsPerRound: nil))
    #expect(configuration.preferred.isEmpty)
    #expect(configuration.networkHints.isEmpty)
    #expect(
      configuration.virtualInterfaces.map { $0.addresses.map(\.description) } == [
        ["eth0:10.0.0.101/32"], ["eth0:10.0.0.102/32"],
        ["eth0:10.0.0.103/32", "eth1:192.168.1.1/32"],
      ]
    )
  }
}
