// SPDX-License-Identifier: Apache-2.0

import ConfigurationText
import GroupModel
import SpreadConfiguration
import Testing

@Suite("What is wrong with a spread.conf")
struct ErrorTests {
  /// A statement behind a good segment, and how its only complaint begins.
  static let statements: [(String, String)] = [
    ("Windw = 5", "2:1: unknown statement 'Windw'; did you mean Window?"),
    ("Window 5", "2:8: expected = after Window"),
    ("Window = x", "2:10: 'x' is not a number"),
    ("Window = 0", "2:10: '0' is out of range"),
    ("Window = 160 170", "2:14: '170' follows the statement Window"),
    ("Window = 10\nPersonalWindow = 11", "3:18: PersonalWindow 11 is above Window"),
    ("AcceleratedWindow = 65", "2:21: AcceleratedWindow 65 is above PersonalWindow"),
    ("MTU = 576", "2:7: '576' is out of range"),
    ("AcceleratedRing = maybe", "2:19: 'maybe' is neither true nor false"),
    ("DebugInitialSequence", "2:1: DebugInitialSequence is not possible"),
    ("DangerousMonitor = yes", "2:1: DangerousMonitor is not possible"),
    ("AccessControlPolicy = STRICT", "2:23: unknown access control policy 'STRICT'"),
    ("AllowedAuthMethods = \"NULL PWORD\"", "2:22: 'PWORD' is not a method"),
    ("AllowedAuthMethods = \"\"", "2:22: there is no method"),
    ("DebugFlags = { PRINT WHATEVER }", "2:22: unknown flag 'WHATEVER'"),
    ("EventPriority = LOUD", "2:17: unknown priority 'LOUD'"),
    ("EventLogFile = spread.log", "2:16: 'spread.log' is not an absolute path"),
    ("EventTimeStamp = ''", "2:18: the format has 0 bytes"),
    ("LinkProtocol = Ether", "2:16: unknown link protocol 'Ether'"),
    ("RouteMatrix { a }", "2:15: 'a' is not a number"),
    ("SocketPortReuse = often", "2:19: unknown choice 'often'"),
    ("DaemonUser = ''", "2:14: '' is not the name of a user"),
    ("MaxSessionMessages = 0", "2:22: '0' is out of range"),
    ("MaxSessionBytes = 4X", "2:19: '4X' is not a number of bytes"),
    ("MaxMessageSize = 9M", "2:18: '9M' is out of range"),
    ("SlowSession = wait", "2:15: unknown policy for slow sessions 'wait'"),
    ("HandshakeTimeout = 5", "2:20: '5' is not an interval"),
    ("UnixSocketMode = 999", "2:18: '999' are not permissions"),
    ("UnixSocket = x", "2:14: 'x' is not an absolute path"),
    ("ClientListen = host:4803", "2:16: 'host' is not an address"),
    ("ClientListen = any:0", "2:20: '0' is not a port"),
    ("ClientListen = any\nClientListen = any", "3:16: 'any' is given twice"),
    ("TokenTimeout = 500", "2:1: TokenTimeout stands without HurryTimeout"),
    ("Beacon = 200ms", "2:1: the time-outs contradict each other: 3 x beacon <= token loss"),
    ("Profile = moon", "2:11: unknown profile 'moon'"),
    ("Cluster = 'a b'", "2:11: 'a b' is not the name of a cluster"),
    ("Key = ring.key", "2:7: 'ring.key' is not an absolute path"),
    ("}", "2:1: } without a { before it"),
    ("= 5", "2:1: '=' follows the statement Spread_Segment"),
    ("EventLogFile = \"/a", "2:16: the quotation opened here is not closed"),
  ]

  @Test("Each complaint says what is wrong and where", arguments: statements)
  func statement(_ text: String, _ expected: String) throws {
    let found = problems(in: smallest + "\n" + text)
    let complaint = try #require(found.first)
    #expect(found.count == 1 && complaint.hasPrefix(expected), "\(found)")
  }

  /// The inside of a segment, and how the only complaint begins.
  static let daemons: [(String, String)] = [
    ("10.0.0.1", "1:29: the address '10.0.0.1' has no name before it"),
    ("a 10.0.0.1\na 10.0.0.2", "2:1: the name a is given twice: first in line 1"),
    ("a 10.0.0.1\nb 10.0.0.1", "2:3: 10.0.0.1 is given twice: first to a in line 1"),
    ("a 10.0.0.1\nb [2001:db8::1]", "2:3: 2001:db8::1 is of another family"),
    ("a 10.0.0.1\nb 127.0.0.1", "2:3: of 127.0.0.1 and 10.0.0.1 in line 1, one is a loopback"),
    ("a 10.0.0.256", "1:31: the octet 256 of '10.0.0.256' is above 255"),
    ("a 224.0.0.1", "1:31: 224.0.0.1 cannot be a daemon's address: it is a multicast address"),
    ("aaaaaaaaaaaaaaaaaaaa 10.0.0.1", "1:29: the name 'aaaaaaaaaaaaaaaaaaaa' has 20 bytes"),
    ("a+b 10.0.0.1", "1:29: 'a+b' is not the name of a daemon"),
    ("a 10.0.0.1 { C 10.0.0.1 D }", "1:53: 'D' is followed by no address"),
    ("a 10.0.0.1 { }", "1:40: the interface block of a is empty"),
    ("a 10.0.0.1 { C 10.0.0.1 }", "1:31: the interface block of a leaves out 10.0.0.1"),
    ("a 10.0.0.1 { eth0 }", "1:42: 'eth0' is not an address"),
    ("= ", "1:29: expected the name of a daemon, found '='"),
    ("", "1:27: the segment has no daemon"),
  ]

  @Test("So does each complaint about a daemon", arguments: daemons)
  func daemon(_ inside: String, _ expected: String) throws {
    let found = problems(in: "Spread_Segment 10.0.0.255 { \(inside) }\nKey = none")
    let complaint = try #require(found.first)
    #expect(found.count == 1 && complaint.hasPrefix(expected), "\(found)")
  }

  @Test("Daemons on several machines say whether they are sealed")
  func key() {
    let text = "Spread_Segment 10.0.0.255 { a 10.0.0.1 b 10.0.0.2 }"
    #expect(problems(in: text).map { $0.prefix(24) } == ["1:52: there is no Key: d"])
    #expect(problems(in: text + "\nKey = none").isEmpty)
    #expect(problems(in: text.replacing("10.0", with: "127.0")).isEmpty)
  }

  @Test("A file without a segment, or far too long, is refused once")
  func extremes() {
    #expect(
      problems(in: "").map { $0.prefix(35) }
        == ["1:1: there is no Spread_Segment: it say"].map { $0.prefix(35) }
    )
    let long = String(repeating: "#", count: SpreadConfiguration.longestText + 1)
    #expect(problems(in: long).count == 1)
  }

  @Test("Too many daemons or segments are refused")
  func tooMany() {
    let daemons = (0...128).map { "d\($0) 10.0.0.\($0 % 250 + 1)\($0 > 249 ? "" : "")" }
    let crowd = problems(
      in: "Key = none\nSpread_Segment 10.0.0.255 { \(daemons.joined(separator: "\n")) }"
    )
    #expect(crowd.count == 1 && crowd[0].contains("more than 128 daemons"))
    let segments = (0...20).map { "Spread_Segment 10.\($0).0.255 { s\($0) 10.\($0).0.1 }" }
    let many = problems(in: "Key = none\n" + segments.joined(separator: "\n"))
    #expect(many.count == 1 && many[0].contains("more than 20 segments"))
  }

  @Test("All errors of a file are reported, in its order")
  func allAtOnce() {
    let found = problems(
      in: """
        Windw = 5
        Spread_Segment 10.0.0.255:99999 { a 10.0.0.1 }
        Spread_Segment 10.0.0.255:4803 {
          a 10.0.0.300
          b 10.0.0.1
          c 10.0.0.2 { X }
        Window = many
        Key = none
        """
    )
    let lines = found.map { $0.prefix { $0 != ":" } }
    #expect(lines == ["1", "2", "3", "4", "6", "7"], "\(found)")
  }

  /// Pieces that change the structure of a text.
  static let pieces = [
    "{", "}", "=", "\"", "#", "\n", " ", "\u{0}", "é", "[", "99999999999", "Window",
  ]

  @Test("No damage makes the parser crash or complain without a place", arguments: [genuine, own])
  func damage(_ text: String) {
    let bytes = Array(text.utf8)
    for place in stride(from: 0, to: bytes.count, by: 3) {
      var cut = bytes
      cut.removeSubrange(place..<min(place + 1 + place % 7, bytes.count))
      var grown = bytes
      let piece = Self.pieces[(place + bytes.count) % Self.pieces.count]
      grown.insert(contentsOf: piece.utf8, at: place)
      for damaged in [cut, grown, Array(bytes[..<place]), Array(bytes[place...])] {
        do throws(Diagnostics) {
          let good = try SpreadConfiguration.parse(text: damaged, file: "s")
          #expect(!good.daemons.isEmpty && good.ring.personalWindow <= good.ring.window)
          #expect(good.ring.timers.brokenInequalities(members: good.daemons.count).isEmpty)
        } catch {
          #expect(!error.list.isEmpty)
          let lines = 1 + damaged.count { $0 == UInt8(ascii: "\n") }
          #expect(error.list.allSatisfy { (1...lines).contains($0.location.line) })
        }
      }
    }
  }
}
