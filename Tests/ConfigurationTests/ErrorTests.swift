// SPDX-License-Identifier: Apache-2.0

import Configuration
import ConfigurationText
import Testing

/// A faulty configuration, and each diagnostic as its place and a part of its text.
struct Fault: Sendable, CustomTestStringConvertible {
  let name: String
  let text: String
  let expected: [(place: String, part: String)]

  init(_ name: String, _ text: String, _ expected: (place: String, part: String)...) {
    (self.name, self.text, self.expected) = (name, text, expected)
  }

  var testDescription: String { name }

  func check(
    sourceLocation: Testing.SourceLocation = #_sourceLocation
  ) {
    let found = problems(in: text)
    let matches =
      found.count == expected.count
      && zip(found, expected).allSatisfy { found, expected in
        found.hasPrefix(expected.place + ": ") && found.contains(expected.part)
          && found.contains("; ")
      }
    #expect(matches, "found \(found)", sourceLocation: sourceLocation)
  }
}

/// Valid statements on one line each, for faults to be put after them.
private let engine =
  "Engine { Node = web1 Key = none Peers { web1:10.0.0.1 web2:10.0.0.2 } }\n"
private let base = engine + "VIFs { eth0:10.0.0.101/32 }\n"

/// An engine with other parameters instead.
private func engine(_ parameters: String) -> String {
  "VIFs { eth0:10.0.0.101/32 }\nEngine { Key = none\n\(parameters)\n}"
}

@Suite("Errors in wackamole.conf")
struct ErrorTests {
  @Test(
    "Bytes that are no text are located",
    arguments: [UInt8(0), 1, 0x0B, 0x1B, 0x7F, 0xC0, 0xFF]
  )
  func binaryBytes(_ byte: UInt8) {
    let text = Array(base.utf8) + Array("Group = ab".utf8) + [byte, byte] + Array("c\n".utf8)
    let found = problems(in: text)
    #expect(found.count == 1)
    #expect(found.first?.hasPrefix("3:11: ") == true)
    #expect(found.first?.contains(byte < 0x80 ? "control character" : "not UTF-8") == true)
  }

  @Test("An executable is refused with a bounded list")
  func executable() throws {
    var bytes: [UInt8] = [0x7F, 0x45, 0x4C, 0x46]
    for index in 0..<20_000 { bytes.append(UInt8(truncatingIfNeeded: index &* 7 ^ index >> 3)) }
    let error = #expect(throws: Diagnostics.self) {
      _ = try WackamoleConfiguration.parse(text: bytes, file: "a.out")
    }
    #expect(error?.list.count == Diagnostics.limit)
    #expect(error.map { $0.omitted > 0 && $0.description.hasSuffix("more") } == true)
  }

  @Test("A file beyond the size limit is not read")
  func tooLong() {
    let text = base + String(repeating: " ", count: WackamoleConfiguration.longestText)
    let found = problems(in: text)
    #expect(found.count == 1)
    #expect(found.first?.hasPrefix("1:1: the file has ") == true)
  }

  @Test("Lexical and syntax errors", arguments: syntaxFaults)
  func syntax(_ fault: Fault) { fault.check() }

  @Test("Statements that are refused", arguments: refusedFaults)
  func refused(_ fault: Fault) { fault.check() }

  @Test("Values that are wrong", arguments: valuesFaults)
  func values(_ fault: Fault) { fault.check() }

  @Test("Addresses that are wrong", arguments: addressesFaults)
  func addresses(_ fault: Fault) { fault.check() }

  @Test("Engine parameters that are wrong", arguments: enginesFaults)
  func engines(_ fault: Fault) { fault.check() }

  @Test("Every kind of fault is reported in one go, in the order of the file")
  func allAtOnce() {
    Fault(
      "all",
      """
      Grop = x
      Engine {
          Node = web9
          Peers { web1:10.0.0.1 web2:10.0.0.1 }
          Port = 70000
          Key = none
      }
      Mature = 5
      VirtualInterfaces {
          eth0:10.0.0.101/40
          eth0:10.0.0.300/32
          { eth0:10.0.0.102/32 eth0:10.0.0.102/32 }
      }
      """,
      ("1:1", "did you mean Group?"),
      ("3:12", "web9"),
      ("4:27", "given twice"),
      ("5:12", "out of range"),
      ("8:10", "not an interval"),
      ("10:20", "mask"),
      ("11:10", "octet 300"),
      ("12:31", "10.0.0.102 is given twice: first in line 12")
    )
    .check()
  }

  @Test("A name given outside the file must be one of the peers")
  func overrides() {
    let found = problems(in: base, node: .init(name: "web3", origin: "WACKAMOLE_NODE"))
    #expect(found.count == 1)
    #expect(found.first?.hasPrefix("1:33: the node web3, given by WACKAMOLE_NODE,") == true)
    let odd = problems(in: base, node: .init(name: "web 3", origin: "--node"))
    #expect(odd.count == 1)
    #expect(odd.first?.contains("'web 3', given by --node, is not the name of a node") == true)
  }

  @Test("More addresses, preferences or peers than the limits are refused once")
  func limits() {
    let many = (0...WackamoleConfiguration.mostAddresses + 5).map { index in
      "eth0:10.\(1 + index / 65_536).\(index / 256 % 256).\(index % 256)/32"
    }
    let vifs = problems(in: engine + "VIFs { \(many.joined(separator: " ")) }")
    #expect(vifs.count == 1 && vifs[0].contains("more than 4096 managed"), "\(vifs.prefix(3))")
    let peers = (0...EngineConfiguration.mostPeers + 5).map {
      "n\($0):10.9.\($0 / 200).\($0 % 200 + 1)"
    }
    let found = problems(
      in: engine("Node = n1 Profile = wan Peers { \(peers.joined(separator: " ")) }")
    )
    #expect(found.count == 1 && found[0].contains("more than 128 peers"), "\(found)")
  }
}

private let syntaxFaults: [Fault] = [
  Fault(
    "empty file",
    "",
    ("1:1", "no Engine statement"),
    ("1:1", "no VirtualInterfaces statement")
  ),
  Fault("unknown word", base + "Grupo = x", ("3:1", "unknown statement 'Grupo'; did you mean")),
  Fault("far unknown word", base + "Xyzzy = x", ("3:1", "known are Spread, Engine")),
  Fault("swapped letters", base + "Cnotrol = /x", ("3:1", "did you mean Control?")),
  Fault("unknown block", base + "Foo {\n a = 1\n b { c } }\nGroup = g", ("3:1", "'Foo'")),
  Fault("missing =", base + "Group wack1", ("3:7", "expected = after Group, found 'wack1'")),
  Fault("missing value", base + "Group =", ("3:8", "found the end of the file")),
  Fault("value missing before brace", base + "Group = { }", ("3:9", "found '{'")),
  Fault("extra }", base + "}", ("3:1", "} without a {")),
  Fault("extra } amid", engine + "}\nVIFs { eth0:10.0.0.101/32 }", ("2:1", "} without a {")),
  Fault("missing } at the end", engine + "VIFs { eth0:10.0.0.101/32", ("2:6", "not closed")),
  Fault(
    "missing } before a statement",
    "VIFs { eth0:10.0.0.101/32\n" + engine,
    ("2:1", "the { of VIFs in line 1 is not closed before 'Engine'")
  ),
  Fault(
    "missing } of Engine before Prefer",
    "VIFs { eth0:10.0.0.101/32 }\nEngine { Key = none Node = a Peers { a:10.0.0.1 }\nPrefer None\n",
    ("3:1", "the { of Engine in line 2 is not closed before 'Prefer'")
  ),
  Fault(
    "missing } of a set",
    engine + "VIFs { { eth0:10.0.0.101/32\n eth0:10.0.0.102/32 }\nGroup = x",
    ("4:1", "the { of VIFs in line 2")
  ),
  Fault(
    "missing } of an unknown statement",
    "Foo { a\n b { c\n" + base,
    ("1:1", "unknown statement 'Foo'"),
    ("1:5", "this { is not closed")
  ),
  Fault("missing {", base + "Balance Interval = 3s\nGroup = x", ("3:9", "expected { after")),
  Fault("missing { only", base + "Balance\nInterval = 3s\n}\nGroup = x", ("4:1", "expected {")),
  Fault("block as setting", base + "Balance = 3s", ("3:9", "expected { after Balance")),
  Fault("lonely sign", base + "= x", ("3:1", "begins with a word, not with '='")),
  Fault("lonely braces", base + "{ x }", ("3:1", "begins with a word, not with '{'")),
  Fault("braces amid Balance", base + "Balance { { x }\nInterval = 3s }", ("3:11", "unknown par")),
  Fault("sign amid Engine", engine("Node = a Peers { a:10.0.0.1 }\n= 3"), ("4:1", "unknown par")),
  Fault("string as statement", base + "\"Group\" = x", ("3:1", "a statement begins with a word")),
  Fault("open quote", base + "Group = \"abc\nMature = 5s", ("3:9", "not closed on its line")),
  Fault("invisible characters are shown", base + "Gr\u{A0}oup = x", ("3:1", "'Gr\\u{a0}oup'")),
  Fault(
    "two errors on one line",
    base + "Mature = 5 Balance { Interval = 5x AcquisitionsPerRound = many }",
    ("3:10", "'5' is not an interval"),
    ("3:33", "'5x' is not an interval"),
    ("3:59", "'many' is not All or a number")
  ),
  Fault(
    "parameters outside their block",
    base + "Port = 4813\nInterval = 5s",
    ("3:1", "Port is a parameter of Engine"),
    ("4:1", "Interval is a parameter of Balance and of Check")
  ),
]

private let refusedFaults: [Fault] =
  RemovedStatementWord.allCases.map {
    Fault($0.rawValue, base + "\($0.rawValue.uppercased()) x on  up\n", ("3:1", "RunScript"))
  } + [
    Fault("neither engine nor daemon", base + "Spread = x", ("3:10", "not where a Spread daemon")),
    Fault(
      "relative key file",
      engine("Node = a Peers { a:10.0.0.1 }").replacingKey,
      ("2:16", "not an absolute path")
    ),
  ]

extension String {
  fileprivate var replacingKey: String {
    split(separator: "none", maxSplits: 1).joined(separator: "ring.key")
  }
}

private let valuesFaults: [Fault] = [
  Fault("no unit", base + "Mature = 5", ("3:10", "not an interval")),
  Fault("unknown unit", base + "Mature = 5d", ("3:10", "not an interval")),
  Fault("fraction", base + "Mature = 2.5s", ("3:10", "not an interval")),
  Fault("negative", base + "Mature = -5s", ("3:10", "not an interval")),
  Fault("no digits", base + "Mature = s", ("3:10", "not an interval")),
  Fault("quoted interval", base + "Mature = \"5s\"", ("3:10", "without quotes")),
  Fault("overflow", base + "Mature = 999999999999999h", ("3:10", "too long")),
  Fault(
    "far too many digits",
    base + "Mature = 99999999999999999999s",
    ("3:10", "not an interval")
  ),
  Fault("over a year", base + "Mature = 8761h", ("3:10", "too long")),
  Fault("no balance interval", base + "Balance { Interval = 0s }", ("3:22", "too short")),
  Fault("empty Balance", base + "Balance { }", ("3:9", "the braces of Balance are empty")),
  Fault("balance word", base + "Balance { Intervall = 5s }", ("3:11", "did you mean Interval?")),
  Fault(
    "acquisitions",
    base + "Balance { AcquisitionsPerRound = 65535 }",
    ("3:34", "out of range")
  ),
  Fault("group too long", base + "Group = \(String(repeating: "g", count: 32))", ("3:9", "name")),
  Fault("group with a blank", base + "Group = 'a b'", ("3:9", "not the name of a group")),
  Fault("relative path", base + "Control = run/x", ("3:11", "not an absolute path")),
  Fault(
    "socket path too long",
    base + "Control = /\(String(repeating: "x", count: 107))",
    ("3:11", "the path has 108 bytes, and 107 are possible")
  ),
  Fault(
    "no value before a statement",
    base + "Mature =\nGroup = a\nControl = relative",
    ("3:8", "the value of Mature is missing: 'Group' begins what follows"),
    ("5:11", "not an absolute path")
  ),
  Fault(
    "no value before a block",
    base + "Group = Balance { Interval = 0s }",
    ("3:7", "the value of Group is missing"),
    ("3:30", "too short")
  ),
  Fault(
    "no value before a parameter",
    base + "Check \"a\" { Command =\nInterval = 1s }",
    ("3:21", "the value of Command is missing: 'Interval' begins what follows")
  ),
  Fault("given twice", base + "Group = a\nGroup = a", ("4:1", "first in line 3")),
  Fault(
    "given twice in two blocks",
    base + "Balance { Interval = 3s }\nBalance { Interval = 3s }",
    ("4:11", "Balance Interval is given twice")
  ),
]

private let addressesFaults: [Fault] =
  [
    ("octet", "eth0:10.0.0.256/32", "2:13", "octet 256"),
    ("too few octets", "eth0:10.0.0/32", "2:13", "not an address"),
    ("leading zero", "eth0:10.0.0.07/32", "2:13", "octal"),
    ("mask too long", "eth0:10.0.0.5/33", "2:21", "32 bits"),
    ("mask of all", "eth0:10.0.0.5/0", "2:13", "covers every address"),
    ("dotted mask", "eth0:10.0.0.5/255.255.255.0", "2:21", "is written /24"),
    ("no mask", "eth0:10.0.0.5", "2:8", "has no mask"),
    ("empty mask", "eth0:10.0.0.5/", "2:21", "not a mask"),
    ("IPv6 mask too long", "eth0:[2001:db8::1]/129", "2:26", "128 bits"),
    ("no interface", "10.0.0.5/32", "2:8", "on which interface"),
    ("no interface, IPv6", "[2001:db8::1]/64", "2:8", "on which interface"),
    ("empty interface", ":10.0.0.5/32", "2:8", "not the name of an interface"),
    ("interface too long", "abcdefghijklmnop:10.0.0.5/32", "2:8", "1 to 15"),
    ("IPv6 without brackets", "eth0:2001:db8::1/64", "2:8", "in brackets"),
    ("bracket not closed", "eth0:[2001:db8::1/64", "2:13", "in brackets"),
    ("IPv4 in brackets", "eth0:[10.0.0.5]/32", "2:13", "IPv6 address in brackets"),
    ("zone", "eth0:[fe80::1%eth0]/64", "2:13", "without a zone"),
    ("hint of nothing", "eth0:10.0.0.5/32n", "2:24", "network hint"),
    ("hint too wide", "eth0:10.0.0.5/32n33", "2:24", "network hint"),
    ("hint 0", "eth0:10.0.0.5/32n0", "2:24", "network hint"),
    ("quoted", "\"eth0:10.0.0.5/32\"", "2:8", "without quotes"),
    ("sign", "=", "2:8", "expected an address"),
    ("zero", "eth0:0.0.0.0/32", "2:13", "0.0.0.0/8"),
    ("loopback", "eth0:127.0.0.2/32", "2:13", "loopback"),
    ("multicast", "eth0:224.0.0.5/32", "2:13", "multicast"),
    ("broadcast to all", "eth0:255.255.255.255/32", "2:13", "broadcast"),
    ("broadcast", "eth0:10.0.1.255/23", "2:13", "the broadcast address with the mask /23"),
    ("network", "eth0:10.0.0.0/24", "2:13", "the network's own address"),
    ("IPv6 loopback", "eth0:[::1]/128", "2:13", "loopback"),
    ("IPv6 unspecified", "eth0:[::]/128", "2:13", "unspecified"),
    ("IPv6 multicast", "eth0:[ff02::1]/128", "2:13", "multicast"),
    ("IPv4 in IPv6", "eth0:[::ffff:10.0.0.1]/128", "2:13", "IPv4 address"),
    ("engine address", "eth0:10.0.0.2/32", "2:13", "the engine's address of web2"),
    ("no address", "", "2:6", "the braces of VIFs are empty"),
    ("no address in a set", "{ }", "2:8", "the braces of a set of addresses are empty"),
  ]
  .map { Fault($0.0, engine + "VIFs { \($0.1) }", ($0.2, $0.3)) } + [
    Fault(
      "nested set",
      engine + "VIFs { { eth0:10.0.0.5/32 { eth0:10.0.0.6/32 } } }",
      ("2:27", "inside another")
    ),
    Fault("duplicate", base + "VIPs { eth1:10.0.0.101/24 }", ("3:13", "first in line 2")),
    Fault(
      "duplicate within a set",
      engine + "VIFs { { eth0:10.0.0.5/32 eth1:10.0.0.5/32 } }",
      ("2:32", "10.0.0.5 is given twice")
    ),
    Fault(
      "duplicate in other spelling",
      engine + "VIFs { eth0:[2001:db8::1]/64 eth0:[2001:DB8:0::0:1]/128 }",
      ("2:35", "2001:db8::1 is given twice")
    ),
    Fault(
      "one link-local primary for two links",
      engine + "VIFs { eth0:[fe80::5]/64 eth1:[fe80::5]/64 }",
      ("2:31", "fe80::5 is given twice")
    ),
    Fault("preference of none", base + "Prefer 10.0.0.102/32", ("3:8", "prefers no VIF")),
    Fault(
      "preference of a second address",
      engine + "VIFs { { eth0:10.0.0.101/32 eth1:10.1.0.1/32 } }\nPrefer { eth1:10.1.0.1/32 }",
      ("3:15", "write 10.0.0.101, the first address")
    ),
    Fault("preference of a name", base + "Prefer web1", ("3:8", "not an address")),
    Fault("empty Prefer", base + "Prefer {}", ("3:8", "the braces of Prefer are empty")),
    Fault("Prefer =", base + "Prefer = None", ("3:8", "Prefer takes no =")),
    Fault(
      "Prefer None and some",
      base + "Prefer None\nPrefer 10.0.0.101",
      ("3:1", "contradicts the preference in line 4")
    ),
  ]

@Test("Braces nested without end are told, not followed")
func deepBraces() {
  let text = base + "VIFs { " + String(repeating: "{", count: 200_000)
  #expect(throws: Diagnostics.self) {
    try WackamoleConfiguration.parse(text: Array(text.utf8), file: "w.conf")
  }
}

private let enginesFaults: [Fault] = [
  Fault("no Node", engine("Peers { a:10.0.0.1 }"), ("2:1", "Engine has no Node")),
  Fault("no Peers", engine("Node = a"), ("2:1", "Engine has no Peers")),
  Fault("empty Peers", engine("Node = a Peers { }"), ("3:10", "names no machine")),
  Fault(
    "no Key",
    "Engine { Node = a Peers { a:10.0.0.1 } } VIFs { eth0:10.0.0.101/32 }",
    ("1:1", "Engine has no Key")
  ),
  Fault(
    "not a peer",
    engine("Node = wbe1 Peers { web1:10.0.0.1 }"),
    ("3:8", "the node wbe1, given by Node, is not in Peers; did you mean web1?")
  ),
  Fault("bad name", engine("Node = 'a b' Peers { a:10.0.0.1 }"), ("3:8", "not the name of a node")),
  Fault("peer without address", engine("Node = a Peers { a }"), ("3:18", "not a peer")),
  Fault("peer without name", engine("Node = a Peers { :10.0.0.1 }"), ("3:18", "name of a node")),
  Fault("peer with octet", engine("Node = a Peers { a:10.0.0.999 }"), ("3:20", "octet 999")),
  Fault("peer with mask", engine("Node = a Peers { a:10.0.0.1/24 }"), ("3:20", "no prefix length")),
  Fault("peer with port", engine("Node = a Peers { a:10.0.0.1:4803 }"), ("3:20", "not an address")),
  Fault("peer, bare IPv6", engine("Node = a Peers { a:2001:db8::1 }"), ("3:20", "in brackets")),
  Fault("multicast peer", engine("Node = a Peers { a:224.0.0.1 }"), ("3:18", "multicast")),
  Fault("link-local peer", engine("Node = a Peers { a:[fe80::1] }"), ("3:18", "on which link")),
  Fault("two names", engine("Node = a Peers { a:10.0.0.1 a:10.0.0.2 }"), ("3:29", "the name a")),
  Fault("two addresses", engine("Node = a Peers { a:10.0.0.1 b:10.0.0.1 }"), ("3:29", "10.0.0.1")),
  Fault(
    "two families",
    engine("Node = a Peers { a:10.0.0.1 b:[2001:db8::1] }"),
    ("3:29", "of another family")
  ),
  Fault(
    "loopback among others",
    engine("Node = a Peers { a:127.0.1.1 b:10.0.0.2 }"),
    ("3:30", "one is a loopback address")
  ),
  Fault(
    "two names of one digest",
    engine(
      "Node = 8yn0iYCKYHlIj4-BwPqk\n"
        + "Peers { 8yn0iYCKYHlIj4-BwPqk:10.0.0.1 GReLUrM4wMqfg9yzV3KQ:10.0.0.2 }"
    ),
    ("4:39", "the same digest as 8yn0iYCKYHlIj4-BwPqk in line 4")
  ),
  Fault("port 0", engine("Node = a Peers { a:10.0.0.1 } Port = 0"), ("3:38", "1 to 65535")),
  Fault("profile", engine("Node = a Peers { a:10.0.0.1 } Profile = lam"), ("3:41", "mean lan?")),
  Fault("relative State", engine("Node = a Peers { a:10.0.0.1 } State = x"), ("3:39", "absolute")),
  Fault("parameter", engine("Node = a Peers { a:10.0.0.1 } Token = 1s"), ("3:31", "unknown par")),
  Fault("zero timer", engine("Node = a Peers { a:10.0.0.1 } Join = 0ms"), ("3:38", "too short")),
  Fault(
    "beacon too slow",
    engine("Node = a Peers { a:10.0.0.1 }\nBeacon = 84ms"),
    ("4:1", "3 x beacon <= token loss does not hold with TokenLoss 250ms, Beacon 84ms")
  ),
  Fault(
    "hold too long",
    engine("Node = a Peers { a:10.0.0.1 }\nIdleHold = 50ms"),
    ("4:1", "idle hold + a rotation < token retransmit")
  ),
  Fault(
    "retransmit too slow",
    engine("Node = a Peers { a:10.0.0.1 }\nTokenRetransmit = 51ms"),
    ("4:1", "5 x token retransmit <= token loss")
  ),
  Fault(
    "consensus too short for joins",
    engine("Node = a Peers { a:10.0.0.1 }\nJoin = 100ms"),
    ("4:1", "3 x join + token loss / 5 < consensus")
  ),
  Fault(
    "consensus too short",
    engine("Node = a Peers { a:10.0.0.1 }\nConsensus = 250ms"),
    ("4:1", "consensus > token loss")
  ),
  Fault(
    "too many members for the fast profile",
    engine(
      "Profile = fast Node = n1 Peers {"
        + (1...6).map { " n\($0):10.0.0.\($0)" }.joined() + " }"
    ),
    ("3:11", "and 6 peers")
  ),
]
