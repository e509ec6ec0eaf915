// SPDX-License-Identifier: Apache-2.0

import Addresses
import Configuration
import ConfigurationText
import Health
import Testing

/// Parses `smallest` and more, with the statements whose effect is not built yet.
private func parsed(_ more: String) throws -> WackamoleConfiguration {
  try WackamoleConfiguration.parse(
    text: Array((smallest + "\n" + more).utf8),
    file: "w.conf"
  )
}

private func vif(_ text: String) throws -> VIFID {
  VIFID(primary: try #require(IPAddress(text: text)))
}

@Suite("Further statements of wackamole.conf")
struct StatementTests {
  @Test("What may be left out has its default")
  func defaults() throws {
    let plain = try parsed("")
    #expect(plain.controlGroup == nil)
    #expect(plain.logFacility == .daemon)
    #expect(plain.arpCache == .seconds(60))
    #expect(plain.notifications.isEmpty)
    #expect(plain.weight == 1)
    #expect(plain.apart.isEmpty)
    #expect(plain.checks.isEmpty)
    #expect(plain.policy == .keep)
    #expect(plain.quorum == .none)
    #expect(plain.scripts.isEmpty)
  }

  @Test("Scalars")
  func scalars() throws {
    let text = """
      ControlGroup = adm LogFacility = LOCAL3
      Arp-Cache = 90s Weight = 1000 Policy = Drop
      """
    let configuration = try parsed(text)
    #expect(configuration.controlGroup == "adm")
    #expect(configuration.logFacility == .local3 && LogFacility.local3.number == 19)
    #expect(configuration.arpCache == .seconds(90))
    #expect(configuration.weight == 1_000)
    #expect(configuration.policy == .drop)
  }

  @Test(
    "Quorums",
    arguments: [
      ("none", .none), ("2", .members(2, strict: false)), ("Majority", .majority(strict: false)),
      ("2 strict", .members(2, strict: true)), ("majority STRICT", .majority(strict: true)),
    ] as [(String, WackamoleConfiguration.Quorum)]
  )
  func quorums(_ text: String, _ quorum: WackamoleConfiguration.Quorum) throws {
    #expect(try parsed("Quorum = \(text)").quorum == quorum)
  }

  @Test("Sets to keep apart name VIFs, by networks too, and add up")
  func apart() throws {
    let text = """
      Apart { 10.0.0.102 eth0:10.0.0.101/32 }
      Apart { 10.0.0.102/31 }
      """
    let (a, b, c) = (try vif("10.0.0.101"), try vif("10.0.0.102"), try vif("10.0.0.103"))
    #expect(try parsed(text).apart == [[a, b], [b, c]])
  }

  @Test("Notify, as the original has it")
  func notify() throws {
    let text = """
      Notify None
      Notify {
          eth0:10.0.0.0/24 throttle 16
          eth1:192.168.0.1/32
          10.9.0.0/16 Throttle 5 Ping
          [2001:db8::1]/128
          arp-cache Ping
      }
      """
    let configuration = try parsed(text.replacing("Notify None", with: ""))
    func network(
      _ text: String,
      _ length: Int,
      _ interface: String? = nil,
      _ throttle: UInt16? = nil,
      ping: Bool = false
    ) throws -> WackamoleConfiguration.Notification {
      let address = try #require(IPAddress(text: text))
      return .network(
        try #require(IPPrefix(address: address, length: length)),
        interface: interface.flatMap { InterfaceName($0) },
        throttle: throttle,
        ping: ping
      )
    }
    #expect(
      configuration.notifications == [
        try network("10.0.0.0", 24, "eth0", 16), try network("192.168.0.1", 32, "eth1"),
        try network("10.9.0.0", 16, nil, 5, ping: true), try network("2001:db8::1", 128),
        .knownHosts(ping: true),
      ]
    )
    #expect(try parsed("Notify Arp-Cache").notifications == [.knownHosts(ping: false)])
    #expect(try parsed("Notify None").notifications.isEmpty)
    #expect(throws: Diagnostics.self) { try parsed(text) }
  }

  @Test("Scripts with their events, users and time-outs")
  func scripts() throws {
    let text = """
      RunScript /usr/local/sbin/a on up
      RunScript "/etc/x y" "post  down" User nobody Timeout 2m
      RunScript /b ON DOWN timeout 100ms RunScript /c post up
      Weight = 2
      """
    let configuration = try parsed(text)
    #expect(
      configuration.scripts == [
        .init(path: "/usr/local/sbin/a", event: .onUp),
        .init(path: "/etc/x y", event: .postDown, user: "nobody", timeout: .seconds(120)),
        .init(path: "/b", event: .onDown, timeout: .milliseconds(100)),
        .init(path: "/c", event: .postUp),
      ]
    )
    #expect(configuration.weight == 2)
  }

  @Test("Checks of every kind")
  func checks() throws {
    let text = """
      Check "web" {
          Http = "http://127.0.0.1:8080/health?a=b" Host = www.example.org
          Interval = 2s Timeout = 500ms Rise = 3 Fall = 1 For = node
      }
      Check db { Tcp = [::1]:5432 For = 10.0.0.101 }
      Check "disk full" {
          Command = "/usr/lib/check 'a b' -w'1 0' ''"
          User = nobody
          For { 10.0.0.102/31 }
      }
      Check plain { Http = http://10.0.0.5 Interval = 3s }
      """
    let checks = try parsed(text).checks
    let loopback = IPAddress.v4(IPv4Address(0x7F00_0001))
    let timing = Check.Timing(
      interval: .seconds(2),
      timeout: .milliseconds(500),
      rise: 3,
      fall: 1
    )
    #expect(checks.map(\.name) == ["web", "db", "disk full", "plain"])
    #expect(
      checks[0].probe
        == .http(
          .init(
            endpoint: Endpoint(address: loopback, port: 8_080),
            target: "/health?a=b",
            host: "www.example.org"
          )
        )
    )
    #expect(checks[0].timing == timing && checks[0].subject == .node)
    #expect(checks[1].probe == .tcp(Endpoint(address: .v6(IPv6Address(1)), port: 5_432)))
    #expect(checks[1].subject == .vifs([try vif("10.0.0.101")]))
    #expect(checks[1].timing == Check.Timing(interval: .seconds(1), rise: 2, fall: 2))
    #expect(
      checks[2].probe
        == .command(
          .init(path: "/usr/lib/check", arguments: ["a b", "-w1 0", ""], user: "nobody")
        )
    )
    #expect(checks[2].subject == .vifs([try vif("10.0.0.102"), try vif("10.0.0.103")]))
    guard case .http(let request) = checks[3].probe else { throw Unexpected() }
    #expect(request.target == "/" && request.host == "10.0.0.5:80")
    #expect(checks[3].timing.timeout == .seconds(3), "the time-out is the interval unless given")
  }

  @Test("A command line is cut at blanks outside quotes, and no shell sees it")
  func commandLines() throws {
    func words(_ line: String) throws -> [String] {
      let check = try #require(try parsed("Check c { Command = \(line) }").checks.first)
      guard case .command(let program) = check.probe else { throw Unexpected() }
      return [program.path] + program.arguments
    }
    #expect(try words("/bin/true") == ["/bin/true"])
    #expect(try words("'/bin/sh -c \"exit  1\" $HOME'") == ["/bin/sh", "-c", "exit  1", "$HOME"])
    #expect(try words("\"/x a'b c'd ''\"") == ["/x", "ab cd", ""])
  }

  @Test("Words of the parameters of one block may begin lines in another")
  func lines() throws {
    let text = """
      Check a {
          Tcp = 127.0.0.1:80
          Interval = 2s
          Timeout = 1s
      }
      Notify {
          Arp-Cache
          eth0:10.0.0.0/24
      }
      Arp-Cache = 5s
      """
    let configuration = try parsed(text)
    #expect(configuration.checks.count == 1 && configuration.notifications.count == 2)
    #expect(configuration.arpCache == .seconds(5))
  }

  private struct Unexpected: Error {}
}

@Suite("Errors in further statements")
struct StatementErrorTests {
  @Test("Each fault is told with its place and what to do", arguments: faults)
  func fault(_ fault: Fault) { fault.check() }
}

private let base =
  "Engine { Node = a Key = none Peers { a:10.0.0.1 b:10.0.0.2 } } VIFs { eth0:10.0.0.101/32\n"
  + "{ eth0:10.0.0.102/32 eth1:10.1.0.1/32 } }\n"

private let faults: [Fault] = [
  Fault("weight 0", base + "Weight = 0", ("3:10", "1 to 1000")),
  Fault("facility", base + "LogFacility = local8", ("3:15", "did you mean local0?")),
  Fault("policy", base + "Policy = kepe", ("3:10", "did you mean keep?")),
  Fault("control group", base + "ControlGroup = 'a b'", ("3:16", "name or number of a group")),
  Fault("quorum too large", base + "Quorum = 3", ("3:10", "never reached with 2 peers")),
  Fault("quorum of text", base + "Quorum = most", ("3:10", "not a quorum")),
  Fault("quorum none strict", base + "Quorum = none strict", ("3:10", "cannot be strict")),
  Fault(
    "strict quorum",
    base + "Quorum = 2 strict\nLease = off",
    ("3:10", "Lease is off in line 4")
  ),
  Fault("quorum before a statement", base + "Quorum = 2\nStrict = 3", ("4:1", "'Strict'")),
  Fault("apart of nobody", base + "Apart { }", ("3:7", "braces of Apart are empty")),
  Fault("apart of one", base + "Apart { 10.0.0.101 }", ("3:1", "one VIF alone")),
  Fault(
    "apart of one twice",
    base + "Apart { 10.0.0.101 10.0.0.101 }",
    ("3:1", "one VIF alone")
  ),
  Fault(
    "apart of a second address",
    base + "Apart { 10.0.0.101 10.1.0.1 }",
    ("3:20", "names no VIF to keep apart; write 10.0.0.102")
  ),
  Fault("Notify =", base + "Notify = x", ("3:8", "takes no =")),
  Fault("empty Notify", base + "Notify { }", ("3:8", "braces of Notify are empty")),
  Fault("Notify everybody", base + "Notify { 10.0.0.0/8 Ping 10.1.0.0/16 }", ("3:10", "65536")),
  Fault("Throttle 0", base + "Notify { 10.0.0.0/24 Throttle 0 }", ("3:31", "1 to 10000")),
  Fault("Throttle of all", base + "Notify { Arp-Cache Throttle 3 }", ("3:20", "no Throttle")),
  Fault("Notify word", base + "Notify { Pong }", ("3:10", "not an address")),
  Fault("Notify both", base + "Notify None\nNotify Arp-Cache", ("3:1", "contradicts")),
  Fault("script =", base + "RunScript = /x on up", ("3:11", "takes no =")),
  Fault("relative script", base + "RunScript x on up", ("3:11", "not an absolute path")),
  Fault("no event", base + "RunScript /x\nGroup = g", ("3:1", "no event")),
  Fault("event", base + "RunScript /x on  off", ("3:14", "'on off' is not an event")),
  Fault("quoted event", base + "RunScript /x 'pre up'", ("3:14", "'pre up' is not an event")),
  Fault("script time", base + "RunScript /x on up Timeout 0s", ("3:28", "too short")),
  Fault("check without a name", base + "Check { Tcp = 1.2.3.4:5 }", ("3:7", "name of the check")),
  Fault("check with an odd name", base + "Check '\u{202E}' { Tcp = 1.2.3.4:5 }", ("3:7", "202e")),
  Fault("empty check", base + "Check a { }", ("3:9", "braces of Check \"a\" are empty")),
  Fault("check of nothing", base + "Check a { Rise = 2 }", ("3:7", "does not say what to check")),
  Fault(
    "check of two things",
    base + "Check a { Tcp = 10.0.0.9:5 Http = http://10.0.0.9/ }",
    ("3:35", "more than one thing")
  ),
  Fault(
    "two checks of one name",
    base + "Check a { Tcp = 10.0.0.9:5 }\nCheck a { Tcp = 10.0.0.9:5 }",
    ("4:7", "first in line 3")
  ),
  Fault(
    "parameter twice",
    base + "Check a { Tcp = 10.0.0.9:5 Rise = 2 Rise = 3 }",
    ("3:37", "Rise of Check \"a\" is given twice: first in line 3")
  ),
  Fault("parameter", base + "Check a { Tpc = 10.0.0.9:5 }", ("3:11", "did you mean Tcp?")),
  Fault("no port", base + "Check a { Tcp = 10.0.0.9 }", ("3:17", "address and a port")),
  Fault("port 0", base + "Check a { Tcp = 10.0.0.9:0 }", ("3:25", "a port")),
  Fault("port of text", base + "Check a { Tcp = [::1]:http }", ("3:22", "a port")),
  Fault("name for an address", base + "Check a { Tcp = localhost:80 }", ("3:17", "an address")),
  Fault("https", base + "Check a { Http = https://10.0.0.9/ }", ("3:18", "such as curl")),
  Fault("no scheme", base + "Check a { Http = 10.0.0.9/ }", ("3:18", "not a URL of http")),
  Fault("no path", base + "Check a { Http = \"http://10.0.0.9?x\" }", ("3:25", "not an address")),
  Fault("blank in a path", base + "Check a { Http = \"http://10.0.0.9/a b\" }", ("3:25", "asked")),
  Fault("relative command", base + "Check a { Command = true }", ("3:21", "absolute path")),
  Fault("empty command", base + "Check a { Command = '' }", ("3:21", "absolute path")),
  Fault("open command", base + "Check a { Command = \"/x 'a\" }", ("3:21", "is not closed")),
  Fault(
    "user of a connection",
    base + "Check a { Tcp = 10.0.0.9:5 User = nobody }",
    ("3:35", "User goes with Command only")
  ),
  Fault(
    "host of a command",
    base + "Check a { Command = /x Host = h }",
    ("3:31", "Host goes with Http only")
  ),
  Fault("interval", base + "Check a { Tcp = 10.0.0.9:5 Interval = 1ms }", ("3:39", "too short")),
  Fault("rise", base + "Check a { Tcp = 10.0.0.9:5 Rise = 0 }", ("3:35", "1 to 100")),
  Fault(
    "for nobody",
    base + "Check a { Tcp = 10.0.0.9:5 For = 10.0.0.9 }",
    ("3:34", "names no VIF")
  ),
  Fault("for none", base + "Check a { Tcp = 10.0.0.9:5 For { } }", ("3:32", "braces of For")),
  Fault("outside", base + "Rise = 2", ("3:1", "a parameter of Check")),
  Fault(
    "outside, of two blocks",
    base + "Interval = 2s",
    ("3:1", "a parameter of Balance and of Check; move it into Balance { ... } or Check { ... }")
  ),
  Fault("no file to include", base + "Include x", ("3:1", "cannot be used here")),
]
