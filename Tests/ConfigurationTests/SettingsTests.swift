// SPDX-License-Identifier: Apache-2.0

import Addresses
import Configuration
import ConfigurationText
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

  @Test("A protocol is one that this program has")
  func protocolVersion() throws {
    #expect(try parse(smallest).protocolVersion == WackamoleConfiguration.newestProtocol)
    #expect(try parse(smallest + "\nProtocol = 1").protocolVersion == 1)
    for wrong in ["0", "3", "new", "-1", "257"] {
      #expect(throws: Diagnostics.self) { try parse(smallest + "\nProtocol = \(wrong)") }
    }
  }

  @Test("A multicast group of the peers' family is taken, in brackets or not")
  func multicast() throws {
    func group(_ text: String, peer: String) throws -> String? {
      let engine = "Engine { Node = a Key = none Peers { a:\(peer) } Multicast = \(text) }"
      return try parse(engine + " VIFs { eth0:10.0.0.101/32 }").engine.multicast?.description
    }
    #expect(try group("239.192.7.1", peer: "10.0.0.1") == "239.192.7.1")
    #expect(try group("[ff15::7]", peer: "[2001:db8::1]") == "ff15::7")
    #expect(try group("none", peer: "10.0.0.1") == nil)
    #expect(throws: Diagnostics.self) { try group("10.0.0.7", peer: "10.0.0.1") }
    #expect(throws: Diagnostics.self) { try group("ff15::7", peer: "10.0.0.1") }
  }

  @Test("Datagrams leave room for the headers of the peers' family, in packets as long as allowed")
  func mtu() throws {
    func longest(_ text: String, peer: String) throws -> Int {
      let engine = "Engine { Node = a Key = none Peers { a:\(peer) } \(text) }"
      return try parse(engine + " VIFs { eth0:10.0.0.101/32 }").engine.longestDatagram
    }
    #expect(try longest("", peer: "10.0.0.1") == 1_472)
    #expect(try longest("", peer: "[2001:db8::1]") == 1_452)
    #expect(try longest("MTU = 9000", peer: "10.0.0.1") == 8_972)
    #expect(try longest("mtu = 1280", peer: "[2001:db8::1]") == 1_232)
    for wrong in ["1279", "9217", "none", "-1"] {
      #expect(throws: Diagnostics.self) { try longest("MTU = \(wrong)", peer: "10.0.0.1") }
    }
  }

  @Test("Everything that may be left out has its default")
  func defaults() throws {
    let configuration = try parse(
      "Engine { Node = a Key = none Peers { a:10.0.0.1 } } VIFs { eth0:10.0.0.101/32 }"
    )
    #expect(configuration.engine.port == 4813)
    #expect(configuration.engine.multicast == nil)
    #expect(configuration.engine.profile == .lan)
    #expect(configuration.engine.timers == .lan)
    #expect(configuration.engine.stateDirectory == "/var/lib/wackamole")
    #expect(configuration.group == "wack1")
    #expect(configuration.control == "/run/wackamole/control")
    #expect(configuration.mature == .seconds(5))
    #expect(configuration.balance == .init(interval: .seconds(10), acquisitionsPerRound: nil))
    #expect(configuration.preferred.isEmpty)
  }

  @Test("Blanks, quotes, comments, case and line ends make no difference")
  func spelling() throws {
    let text = """
      \u{FEFF}SPREAD=Embedded engine{node="web1"peers{web1:10.0.0.1 web2:10.0.0.2
      web3:10.0.0.3}PORT=4813 key='none'PROFILE=LAN state="/var/lib/wackamole"}#x
      Group=wack1#y\r
      control='/run/wackamole/control'
      vips{eth0:10.0.0.101/32 eth0:10.0.0.102/32{eth0:10.0.0.103/32 eth1:192.168.1.1/32}}
      """
    #expect(try parse(text) == parse(smallest))
  }

  @Test("Statements may come in any order and lists may be given in parts")
  func order() throws {
    let text = """
      VIPs { eth0:10.0.0.101/32 }
      Prefer 10.0.0.101/32
      Control = "/run/a b#c"
      Vifs { eth0:10.0.0.102/32 }
      Balance { Interval = 3s }
      Engine { Peers { web2:10.0.0.2 } Key = none }
      Prefer { eth9:10.0.0.103/32 }
      VirtualInterfaces { { eth0:10.0.0.103/32 eth1:192.168.1.1/32 } }
      Balance { AcquisitionsPerRound = 1 }
      Engine { Node = web1 Peers { web1:10.0.0.1 } }
      """
    let configuration = try parse(text)
    #expect(configuration.control == "/run/a b#c")
    #expect(configuration.engine.peers.map(\.node) == ["web1", "web2"])
    #expect(configuration.virtualInterfaces.map(\.id.description).count == 3)
    #expect(configuration.preferred.map(\.description) == ["10.0.0.101", "10.0.0.103"])
    #expect(configuration.balance == .init(interval: .seconds(3), acquisitionsPerRound: 1))
  }

  @Test(
    "Intervals",
    arguments: [
      ("0s", Duration.zero), ("250ms", .milliseconds(250)), ("5s", .seconds(5)),
      ("5S", .seconds(5)), ("2m", .seconds(120)), ("2M", .seconds(120)), ("1h", .seconds(3_600)),
      ("1H", .seconds(3_600)), ("7MS", .milliseconds(7)), ("8760h", .seconds(31_536_000)),
    ]
  )
  func intervals(_ text: String, _ duration: Duration) throws {
    #expect(try parse(smallest + "\nMature = \(text)").mature == duration)
  }

  @Test(
    "Acquisitions per round",
    arguments: [("All", UInt16?.none), ("all", nil), ("0", 0), ("7", 7)]
  )
  func acquisitions(_ text: String, _ number: UInt16?) throws {
    let configuration = try parse(smallest + "\nBalance { AcquisitionsPerRound = \(text) }")
    #expect(configuration.balance.acquisitionsPerRound == number)
  }

  @Test("IPv6 stands in brackets, after interfaces and after names")
  func ipv6() throws {
    let text = """
      Engine { Node = a Key = none Peers { a:[2001:db8::1] b:[2001:DB8:0:0::2] } }
      VIFs {
          eth0:[2001:db8::101]/128
          { eth0:[2001:db8::102]/64n48 eth1:10.0.0.1/24n16 eth1:[fe80::1]/64 eth0:[fe80::1]/64 }
      }
      Prefer [2001:db8::101]/128
      """
    let configuration = try parse(text)
    #expect(
      configuration.virtualInterfaces.map { $0.addresses.map(\.description) } == [
        ["eth0:[2001:db8::101]/128"],
        [
          "eth0:[2001:db8::102]/64", "eth1:10.0.0.1/24", "eth1:[fe80::1]/64",
          "eth0:[fe80::1]/64",
        ],
      ]
    )
    #expect(configuration.engine.endpoint(of: "b")?.description == "[2001:db8::2]:4813")
    #expect(configuration.preferred.map(\.description) == ["2001:db8::101"])
    #expect(
      configuration.networkHints.map { "\($0.address) n\($0.length)" }
        == ["eth0:[2001:db8::102]/64 n48", "eth1:10.0.0.1/24 n16"]
    )
  }

  @Test(
    "Preferences name primaries, or networks of them",
    arguments: [
      ("Prefer None", []),
      ("Prefer eth0:10.0.0.102/32", ["10.0.0.102"]),
      ("Prefer 10.0.0.102", ["10.0.0.102"]),
      ("Prefer { eth0:10.0.0.103/32 10.0.0.101 }", ["10.0.0.101", "10.0.0.103"]),
      ("Prefer 10.0.0.200/30 Prefer 10.0.0.101", nil),
      ("Prefer 10.0.0.99/30", nil),
      ("Prefer 10.0.0.102/31", ["10.0.0.102", "10.0.0.103"]),
      ("Prefer 10.3.4.5/8", ["10.0.0.101", "10.0.0.102", "10.0.0.103"]),
      ("Prefer 1.2.3.4/0", ["10.0.0.101", "10.0.0.102", "10.0.0.103"]),
      ("prefer 10.0.0.102 PREFER 10.0.0.102", ["10.0.0.102"]),
    ] as [(String, [String]?)]
  )
  func preferences(_ text: String, _ expected: [String]?) {
    let preferred = try? parse(smallest + "\n" + text).preferred.map(\.description)
    #expect(preferred == expected)
  }

  @Test("Every time-out of the ring can be set")
  func timers() throws {
    let text = """
      Engine { Profile = wan TokenLoss = 1s TokenRetransmit = 200ms IdleHold = 50ms Beacon = 300ms
        Join = 20ms Consensus = 1200ms CommitLoss = 999ms RingAnnouncement = 2s }
      """
    let wan = smallest.replacing("Profile = lan", with: "")
    let engine = try parse(wan + "\n" + text).engine
    #expect(engine.profile == .wan)
    #expect(
      engine.timers
        == RingTimers(
          tokenLoss: .seconds(1),
          tokenRetransmit: .milliseconds(200),
          idleHold: .milliseconds(50),
          beacon: .milliseconds(300),
          join: .milliseconds(20),
          consensus: .milliseconds(1_200),
          commitLoss: .milliseconds(999),
          announcement: .seconds(2)
        )
    )
  }

  @Test("A profile sets the time-outs", arguments: EngineConfiguration.Profile.allCases)
  func profiles(_ profile: EngineConfiguration.Profile) throws {
    let text = smallest.replacing("Profile = lan", with: "profile = \(profile.rawValue)")
    #expect(try parse(text).engine.timers == profile.timers)
    #expect(try parse(text).engine.profile == profile)
  }

  @Test("State = none keeps nothing")
  func noState() throws {
    let text = smallest.replacing("State = /var/lib/wackamole", with: "State = None")
    #expect(try parse(text).engine.stateDirectory == nil)
  }

  @Test("A name given outside the file wins over Node, which may then be missing")
  func overrides() throws {
    let other = WackamoleConfiguration.NodeOverride(name: "web3", origin: "--node")
    #expect(try parse(smallest, node: other).engine.node == "web3")
    let without = smallest.replacing("Node = web1 ", with: " ")
    #expect(try parse(without, node: other).engine.node == "web3")
  }

  @Test("A ring may have one member, and engines may meet on loopback addresses")
  func odd() throws {
    let text = smallest.replacing(
      "web1:10.0.0.1 web2:10.0.0.2 web3:10.0.0.3",
      with: "web1:127.0.0.1"
    )
    #expect(try parse(text).engine.roster == ["web1"])
  }
}
