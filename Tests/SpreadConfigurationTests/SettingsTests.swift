// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText
import GroupModel
import SpreadConfiguration
import Testing

@Suite("What a good spread.conf says")
struct SettingsTests {
  @Test("Every statement of Spread 4 in its own spacing")
  func spreadStatements() throws {
    let configuration = try parse(genuine)
    #expect(configuration.segments.map(\.address) == [try address("10.0.0.255")])
    #expect(configuration.daemons.map(\.node) == ["web1", "web2", "web3"])
    let endpoints = configuration.daemons.map(\.endpoint.description)
    #expect(endpoints == ["10.0.0.1:4913", "10.0.0.2:4913", "10.0.0.3:4913"])
    #expect(configuration.daemons[0].clientAddresses == nil)
    let clients = [try address("192.168.7.2"), try address("127.0.0.1")]
    #expect(configuration.daemons[1].clientAddresses == clients)
    #expect(configuration.log.priority == .warning)
    #expect(configuration.log.file == "/var/log/spread_%h.log")
    #expect(configuration.log.timeFormat == "[%a %d %b %Y %H:%M:%S]")
    #expect(configuration.log.preciseTime)
    #expect(configuration.process.portReuse == .auto)
    #expect(configuration.process.runtimeDirectory == "/run/spread4")
    #expect(configuration.process.user == "nobody" && configuration.process.group == "nogroup")
    #expect(configuration.sessions.queueMessages == 5_000)
    #expect(configuration.sessions.allowedMethods == [.null, .ip])
    #expect(configuration.sessions.requiredMethods == [.ip])
    let ring = configuration.ring
    #expect(ring.window == 160 && ring.personalWindow == 20)
    #expect(ring.accelerated && ring.acceleratedWindow == 15)
    #expect(ring.timers.tokenLoss == .seconds(5) && ring.timers.announcement == .seconds(45))
    #expect(ring.multicast == nil && ring.key == .none && ring.mtu == 1_500)
  }

  @Test("Every statement of ours")
  func ownStatements() throws {
    let configuration = try parse(own)
    let ring = configuration.ring
    #expect(ring.multicast == (try address("ff15::7")))
    #expect(ring.cluster == "backstage" && ring.key == .file("/etc/spread/ring key"))
    #expect(ring.stateDirectory == "/srv/spread" && ring.mtu == 9_000)
    let timers = RingTimers(
      tokenLoss: .milliseconds(60),
      tokenRetransmit: .milliseconds(10),
      idleHold: .milliseconds(4),
      beacon: .milliseconds(15),
      join: .milliseconds(5),
      consensus: .milliseconds(80),
      commitLoss: .milliseconds(70),
      announcement: .milliseconds(200)
    )
    #expect(ring.timers == timers)
    let sessions = configuration.sessions
    #expect(
      sessions.listeners == [
        .init(), .init(port: 4_000), .init(address: try address("::1"), port: 4_803),
        .init(address: try address("127.0.0.1")),
      ]
    )
    #expect(sessions.unixSockets == ["/run/a", "/run/b"] && sessions.unixSocketMode == 0o660)
    #expect(sessions.limit == 900 && sessions.limitPerAddress == 30)
    #expect(sessions.queueBytes == 4 << 20 && sessions.longestMessage == 1 << 20)
    #expect(sessions.groups == 50 && sessions.waitingBytes == 2 << 30)
    #expect(sessions.slowSession == .dropOldest && sessions.handshakeTimeout == .seconds(3))
    #expect(sessions.accessFile == "/etc/a")
    #expect(configuration.process.control == "/run/spread/c")
    #expect(configuration.notices.isEmpty)
  }

  @Test("The samples hold every statement but the one that is only ever refused")
  func completeness() {
    let words = Set((genuine + own).split { !$0.isLetter && $0 != "_" }.map(String.init))
    let absent = Keyword.allCases.filter { !words.contains($0.rawValue) }
    #expect(absent == [.debugInitialSequence])
  }

  @Test("Spacing, quotes and case of words do not matter")
  func spacing() throws {
    let tight = genuine.replacing(" = ", with: "=").replacing(" {", with: "{")
    let wide = genuine.replacing(" = ", with: " =\t").replacing("\n", with: " \r\n")
    let first = try parse(genuine)
    for text in [tight, wide, genuine.replacing("MaxSession", with: "maxsession")] {
      var other = try parse(text)
      other.notices = first.notices
      #expect(other == first)
    }
    // Whoever is alone has nothing to multicast.
    #expect(try parse(smallest).notices.isEmpty)
    let quoted = try parse("Spread_Segment 127.0.0.255:4803 { 'localhost' 127.0.0.1 }")
    #expect(try parse(smallest) == quoted)
  }

  @Test("The smallest file has the defaults")
  func defaults() throws {
    let configuration = try parse(smallest)
    #expect(configuration.daemons.map(\.endpoint.description) == ["127.0.0.1:4803"])
    #expect(configuration.ring.timers == .lan && configuration.ring.accelerated)
    #expect(configuration.ring.stateDirectory == "/var/lib/spread")
    let sessions = configuration.sessions
    #expect(sessions.queueMessages == 1_000 && sessions.longestMessage == 147_456)
    #expect(sessions.allowedMethods == [.null] && sessions.requiredMethods.isEmpty)
    #expect(sessions.slowSession == .disconnect && sessions.listeners == nil)
    #expect(sessions.unixSockets == nil && sessions.unixSocketMode == 0o666)
    #expect(configuration.process.user == nil && configuration.log.file == nil)
  }

  @Test("Daemons keep the order of the file, over segments with ports of their own")
  func segments() throws {
    let text = """
      Key = none
      Spread_Segment 10.1.0.255:4000 { z 10.1.0.1  a 10.1.0.2 }
      Spread_Segment unicast:5000 { m 10.1.7.1 }
      """
    let configuration = try parse(text)
    #expect(configuration.daemons.map(\.node) == ["z", "a", "m"])
    #expect(configuration.daemons.map(\.endpoint.port) == [4_000, 4_000, 5_000])
    #expect(configuration.daemons.map(\.segment) == [0, 0, 1])
    #expect(configuration.segments.map(\.address) == [try address("10.1.0.255"), nil])
    #expect(configuration.roster == ["a", "m", "z"])
    #expect(configuration.ring.timers == .lan)
    let far = try parse(text.replacing("10.1.7.1", with: "10.2.7.1"))
    #expect(far.ring.timers == .wan)
    #expect(configuration.daemon(at: [try address("10.1.7.1")])?.node == "m")
    #expect(configuration.daemon(at: [try address("10.9.9.9")]) == nil)
  }

  @Test("A name without an address is looked up")
  func lookUp() throws {
    let found = try address("10.0.0.9")
    let configuration = try parse("Spread_Segment 10.0.0.255 { web1 { C 10.0.0.9 D 10.0.0.9 } }") {
      $0 == "web1" ? found : nil
    }
    #expect(configuration.daemons.map(\.endpoint.address) == [found])
    let missing = problems(in: "Spread_Segment 10.0.0.255 { web1 }")
    #expect(missing.count == 1 && missing[0].hasPrefix("1:29: web1 has no address"))
  }

  @Test("Methods are those listed; NULL is off once a list is given")
  func methods() throws {
    let only = try parse(smallest + "\nAllowedAuthMethods = IP")
    #expect(only.sessions.allowedMethods == [.ip])
    let both = try parse(smallest + "\nAllowedAuthMethods = \"IP\"\nAllowedAuthMethods = NULL")
    #expect(both.sessions.allowedMethods == [.null, .ip])
    let none = problems(in: smallest + "\nRequiredAuthMethods = \"IP\"")
    #expect(none.count == 1 && none[0].contains("no client could connect"))
  }

  @Test("none switches listeners and sockets off")
  func nothing() throws {
    let text = "\nClientListen = none\nUnixSocket = none\nStateDir = none\n"
    let configuration = try parse(smallest + text)
    #expect(configuration.sessions.listeners == [] && configuration.sessions.unixSockets == [])
    #expect(configuration.ring.stateDirectory == nil)
    #expect(problems(in: smallest + "\nUnixSocket = none\nUnixSocket = /a").count == 1)
    #expect(problems(in: smallest + "\nClientListen = any\nClientListen = none").count == 1)
  }

  @Test("The nine time-outs of Spread become time-outs that this ring can keep")
  func translation() throws {
    let names = Keyword.membershipTimeouts.map(\.rawValue)
    func text(_ values: [Int]) -> String {
      zip(names, values).map { "\($0) = \($1)" }.joined(separator: "\n") + "\n" + smallest
    }
    // The defaults of Spread 4 on local and on wide networks.
    for values in [
      [1_250, 500, 250, 250, 625, 500, 1_250, 1_250, 30_000],
      [5_000, 1_500, 250, 250, 1_250, 500, 2_500, 2_500, 45_000],
    ] {
      let configuration = try parse(text(values))
      let timers = configuration.ring.timers
      #expect(timers.brokenInequalities(members: 128).isEmpty)
      #expect(timers.tokenLoss == .milliseconds(values[0]))
      #expect(timers.commitLoss == .milliseconds(values[7]))
      #expect(timers.announcement == .milliseconds(values[8]))
      let noted = configuration.notices.filter { $0.problem.contains("Timeout") }
      #expect(noted.contains { $0.problem.hasPrefix("RepTimeout has no effect") })
      #expect(noted.contains { $0.problem.hasPrefix("HurryTimeout is taken as") })
    }
    let tooShort = problems(in: text([2, 1, 1, 1, 1, 1, 1, 1, 1]))
    #expect(!tooShort.isEmpty && tooShort.allSatisfy { $0.contains("lengthen TokenTimeout") })
    let mixed = problems(
      in: text([1_250, 500, 250, 250, 625, 500, 1_250, 1_250, 1]) + "\nBeacon = 1ms"
    )
    #expect(mixed.count == 1 && mixed[0].contains("contradicts TokenTimeout"))
  }

  @Test("What has no effect is said, each at its place")
  func notices() throws {
    let configuration = try parse(
      """
      Spread_Segment 127.0.0.255:4803 {
        a 127.0.0.1:5 { D M 127.0.0.1 C D 127.0.0.2:6 } b 127.0.0.9
      }
      DebugFlags = { ALL !MEMORY }
      Window = 100
      Window = 200
      LinkProtocol = TcpHop
      RouteMatrix { 0 }
      RuntimeDir = /run/x
      """
    )
    let places = configuration.notices.map { "\($0.location.line):\($0.location.column)" }
    #expect(
      places == ["1:16", "2:5", "2:19", "2:33", "2:37", "4:1", "6:1", "7:1", "8:1", "9:1"]
    )
    #expect(configuration.ring.window == 200)
  }

  @Test("The access list admits whom it names")
  func accessList() throws {
    let text = "# rules\nunix\nlocal # loopback\n10.0.0.0/8\n192.168.1.7\n[2001:db8::]/32\n"
    let list = try AccessList.parse(text: Array(text.utf8), file: "a")
    for admitted in [
      "127.9.9.9", "::1", "10.255.0.1", "192.168.1.7", "2001:db8::5", "::ffff:10.0.0.1",
    ] {
      #expect(list.admits(try address(admitted)), "\(admitted)")
    }
    for refused in ["11.0.0.1", "192.168.1.8", "2001:db9::1", "::ffff:11.0.0.1"] {
      #expect(!list.admits(try address(refused)), "\(refused)")
    }
    #expect(list.admits(nil) && !AccessList().admits(nil))
    for bad in ["10.0.0.0/33", "10.0.0", "unix local", "'unix x'", "any", "10.0.0.0/", "/8", "{"] {
      #expect(throws: Diagnostics.self) {
        try AccessList.parse(text: Array(bad.utf8), file: "a")
      }
    }
  }
}
