// SPDX-License-Identifier: Apache-2.0

import Addresses
import GroupModel
import Machine
import SessionWire
import Sessions
import Testing

@Suite("Handshakes of sessions")
struct HandshakeTests {
  static let null = MethodChoice(["NULL"]).bytes

  private func connect(_ name: String, _ version: Version = .own) -> [UInt8] {
    ConnectRequest(version: version, wantsMembership: true, name: Array(name.utf8)).bytes
  }

  @Test("A client is accepted under its name")
  func accepted() {
    var desk = Desk()
    let id = desk.open()
    desk.feed(.received(id, connect("a")))
    #expect(desk.written[id] == MethodList.methods(["NULL"]).bytes)
    #expect(desk.connects.isEmpty)
    desk.feed(.received(id, Self.null))
    #expect(desk.written[id] == [5] + Array("NULL ".utf8) + [1, 4, 4, 0, 5] + Array("#a#dA".utf8))
    #expect(desk.connects == [Desk.name("a")])
    #expect(desk.engine.counts.open == 1 && desk.engine.counts.handshakes == 0)
  }

  @Test("Pieces of any size are a whole, with messages behind it")
  func pieces() {
    for size in [1, 2, 7, 91, 1_000] {
      var desk = Desk()
      let id = desk.open()
      var stream = connect("a") + Self.null
      stream += ClientMessage.join(Desk.name("g")).bytes(from: Desk.name("#a#dA"))
      stream += ClientMessage.leave(Desk.name("g")).bytes(from: Desk.name("#a#dA"))
      while !stream.isEmpty {
        desk.feed(.received(id, Array(stream.prefix(size))))
        stream.removeFirst(min(size, stream.count))
      }
      #expect(desk.requests == [.join("g"), .leave("g")])
      #expect(desk.closed.isEmpty)
    }
  }

  @Test("A truncated handshake is never accepted", arguments: [0, 1, 30, 60, 89])
  func truncated(length: Int) {
    var desk = Desk()
    let id = desk.open()
    desk.feed(.received(id, connect("a") + Self.null.prefix(length)))
    #expect(desk.connects.isEmpty)
    desk.advance(.seconds(11))
    // Whoever stops after CONNECT is refused when the time is over; the name is free again.
    #expect(desk.written[id]?.last == Refusal.authentication.byte)
    #expect(desk.finished == [id])
    #expect(desk.connects.isEmpty)
    desk.advance(.seconds(2))
    #expect(desk.closed == [id])
    let other = desk.open()
    desk.feed(.received(other, connect("a") + Self.null))
    #expect(desk.connects == [Desk.name("a")])
  }

  @Test("A mute client is closed without a word, one that stops in its name is told")
  func mute() {
    var desk = Desk()
    let mute = desk.open()
    let short = desk.open()
    let shorter = desk.open()
    desk.feed(.received(short, [4, 4, 0, 1, 5, 0x61]))
    desk.feed(.received(shorter, [4, 4, 0]))
    desk.advance(.seconds(9))
    #expect(desk.closed.isEmpty)
    desk.advance(.seconds(1))
    #expect(desk.closed == [mute, shorter])
    #expect(desk.written[mute] == nil && desk.written[shorter] == nil)
    #expect(desk.written[short] == [Refusal.illegalName.byte])
    // Newcomers did not wait for any of them.
    let other = desk.open()
    desk.feed(.received(other, connect("a") + Self.null))
    #expect(desk.connects.count == 1)
  }

  @Test("A shorter time for handshakes holds for those under way, and for those behind them")
  func shorterTime() {
    var desk = Desk { $0.handshakeTime = .seconds(3_600) }
    let accepted = desk.accept("a")
    let early = desk.open()
    desk.configure { $0.handshakeTime = .seconds(2) }
    desk.advance(.seconds(1))
    let late = desk.open()
    desk.advance(.milliseconds(1_500))
    #expect(desk.closed == [early])
    desk.advance(.seconds(1))
    #expect(desk.closed == [early, late] && !desk.closed.contains(accepted))
  }

  @Test("A stream that ends within the handshake is told why, or nothing")
  func endsEarly() {
    var desk = Desk()
    let (mute, short, choosing) = (desk.open(), desk.open(), desk.open())
    desk.feed(.received(short, [4, 4, 0, 1, 5, 0x61]))
    desk.feed(.received(choosing, connect("a") + [0x4E]))
    for id in [mute, short, choosing] { desk.feed(.ended(id)) }
    #expect(desk.closed == [mute])
    #expect(desk.written[short] == [Refusal.illegalName.byte])
    #expect(desk.written[choosing]?.last == Refusal.authentication.byte)
    desk.advance(.seconds(2))
    #expect(desk.closed == [mute, short, choosing])
    #expect(desk.engine.counts.open == 0 && desk.engine.counts.handshakes == 0)
  }

  @Test("A name is refused while another has it, from its CONNECT on")
  func notUnique() {
    var desk = Desk()
    let first = desk.open()
    desk.feed(.received(first, connect("a")))
    let second = desk.open()
    desk.feed(.received(second, connect("a")))
    #expect(desk.written[second] == [Refusal.notUnique.byte])
    desk.feed(.received(first, Self.null))
    let third = desk.open()
    desk.feed(.received(third, connect("a")))
    #expect(desk.written[third] == [Refusal.notUnique.byte])
    // Another case is another name.
    let fourth = desk.open()
    desk.feed(.received(fourth, connect("A") + Self.null))
    #expect(desk.connects == [Desk.name("a"), Desk.name("A")])
  }

  @Test("A name stays taken until its disconnect has been ordered")
  func nameReuse() {
    var desk = Desk()
    let first = desk.accept("a")
    desk.feed(.ended(first))
    #expect(desk.crashes == [Desk.name("a")])
    let second = desk.open()
    desk.feed(.received(second, connect("a")))
    #expect(desk.written[second] == [Refusal.notUnique.byte])
    desk.feed(.released(Desk.name("a")))
    let third = desk.open()
    desk.feed(.received(third, connect("a") + Self.null))
    #expect(desk.connects.count == 2)
    // A word about an earlier session does not free the name of a live one.
    desk.feed(.released(Desk.name("a")))
    let fourth = desk.open()
    desk.feed(.received(fourth, connect("a")))
    #expect(desk.written[fourth] == [Refusal.notUnique.byte])
  }

  @Test("What a refused client still sends is read, and its code is not lost in a reset")
  func farewell() {
    var desk = Desk()
    let id = desk.open()
    desk.feed(.received(id, [3, 0]))
    #expect(desk.written[id] == [Refusal.version.byte])
    #expect(desk.finished == [id] && desk.closed.isEmpty)
    desk.feed(.received(id, [1, 1, 0x65]))
    #expect(desk.written[id] == [Refusal.version.byte])
    desk.feed(.ended(id))
    #expect(desk.closed == [id])
  }

  @Test("Each refusal has its code")
  func codes() {
    let cases: [([UInt8], Refusal)] = [
      ([4, 4, 0, 1, 11], .illegalName), ([4, 4, 0, 1, 1, 0x20], .illegalName),
      ([4, 4, 0, 1, 2, 0x61, 0x23], .illegalName), ([3, 0, 1, 1, 0x61], .version),
      ([0, 0], .version),
    ]
    for (bytes, refusal) in cases {
      var desk = Desk()
      let id = desk.open()
      desk.feed(.received(id, bytes))
      #expect(desk.written[id] == [refusal.byte])
      #expect(desk.engine.statistics.refused(refusal) == 1)
    }
  }

  @Test("Old clients skip what they do not know")
  func oldClients() {
    var desk = Desk()
    for (version, bytes) in [
      (Version(3, 12), [1, 4, 4, 5]), (Version(3, 15), [1, 4, 4, 0, 5]),
    ] as [(Version, [UInt8])] {
      let id = desk.open()
      let name = "v\(version.minor % 10)"
      desk.feed(.received(id, connect(name, version)))
      #expect(desk.written[id] == bytes.dropLast() + [6] + Array("#\(name)#dA".utf8))
    }
    var closed = Desk { $0.methods = [] }
    let id = closed.open()
    closed.feed(.received(id, connect("a", Version(3, 12))))
    #expect(closed.written[id] == [Refusal.authentication.byte])
  }

  @Test("Invented names are free, short, and of an own shape")
  func invented() {
    var desk = Desk()
    let taken = desk.accept("r2-0")
    #expect(desk.closed.isEmpty)
    for _ in 0..<3 {
      let id = desk.open()
      desk.feed(.received(id, connect("") + Self.null))
    }
    #expect(desk.connects.map(\.text) == ["r2-0", "r1-0", "r3-0", "r4-0"])
    #expect(desk.connects.allSatisfy { $0.count <= 9 })
    desk.feed(.ended(taken))
  }

  // MARK: - Authentication

  private func choose(_ bytes: [UInt8], _ desk: inout Desk) -> SessionsEngine.ID {
    let id = desk.open(.address(.v4(IPv4Address(0x0A00_0001))))
    desk.feed(.received(id, connect("a") + bytes))
    return id
  }

  @Test("A choice of nothing, or of what is not enabled, is refused")
  func choices() {
    for methods in [[], ["PWORD"], ["null"], ["NULL", "IP"], ["NULL "]] {
      var desk = Desk()
      let id = choose(MethodChoice(methods).bytes, &desk)
      #expect(desk.written[id]?.last == Refusal.authentication.byte, "\(methods)")
      #expect(desk.connects.isEmpty)
    }
    // All three slots filled: the walk ends with them.
    var desk = Desk()
    _ = choose(MethodChoice(["NULL", "NULL", "NULL"]).bytes, &desk)
    #expect(desk.connects.count == 1)
    let unended = [UInt8](repeating: 0x41, count: 90)
    var other = Desk()
    let id = choose(unended, &other)
    #expect(other.written[id]?.last == Refusal.authentication.byte)
  }

  @Test("IP lets in who is admitted", arguments: [true, false])
  func addresses(isAdmitted: Bool) {
    for methods in [["IP"], ["NULL", "IP"]] {
      var desk = Desk { $0.methods = [.null, .ip] }
      let id = desk.open(isAdmitted: isAdmitted)
      desk.feed(.received(id, connect("a") + MethodChoice(methods).bytes))
      #expect(desk.connects.isEmpty != isAdmitted)
    }
    var old = Desk { $0.methods = [.null, .ip] }
    let id = old.open(isAdmitted: isAdmitted)
    old.feed(.received(id, connect("a", Version(3, 12))))
    #expect(old.connects.isEmpty != isAdmitted)
  }

  @Test("Required methods are checked of whoever does not choose them")
  func required() {
    var desk = Desk { $0.requiredMethods = [.ip] }
    _ = choose(Self.null, &desk)
    #expect(desk.connects.isEmpty)
    // Without methods the refusal follows the empty list at once.
    var none = Desk { $0.methods = [] }
    let id = choose([], &none)
    #expect(none.written[id] == [0, Refusal.authentication.byte])
  }

  // MARK: - Limits

  @Test("Beyond the most sessions the quota code comes before anything is read")
  func quota() {
    var desk = Desk { $0.sessions = 2 }
    let first = desk.accept("a")
    _ = desk.open()
    let third = desk.open()
    #expect(desk.written[third] == [Refusal.quota.byte])
    desk.feed(.received(third, connect("c")))
    desk.feed(.ended(first))
    // The name that is not free yet still counts.
    desk.feed(.released(Desk.name("a")))
    let fourth = desk.open()
    #expect(desk.written[fourth] == nil)
  }

  @Test("One address has its own limit")
  func perPeer() {
    var desk = Desk { $0.sessionsPerPeer = 1 }
    let one = desk.open(.address(.v4(IPv4Address(1))))
    let again = desk.open(.address(.v4(IPv4Address(1))))
    let other = desk.open(.address(.v4(IPv4Address(2))))
    #expect(desk.written[again] == [Refusal.quota.byte] && desk.written[other] == nil)
    desk.feed(.ended(one))
    let next = desk.open(.address(.v4(IPv4Address(1))))
    #expect(desk.written[next] == nil)
  }

  @Test("Half-open connections do not take all places: after a second the oldest makes room")
  func halfOpenAtTheLimit() {
    var desk = Desk { $0.sessions = 3 }
    let session = desk.accept("a")
    let mute = desk.open()
    let stopped = desk.open()
    desk.feed(.received(stopped, connect("b")))
    desk.advance(.milliseconds(900))
    let early = desk.open()
    #expect(desk.written[early] == [Refusal.quota.byte] && desk.closed.isEmpty)
    desk.advance(.milliseconds(200))
    let next = desk.open()
    #expect(desk.closed == [mute] && desk.written[next] == nil)
    let last = desk.open()
    desk.feed(.received(last, connect("b") + Self.null))
    #expect(desk.closed == [mute, stopped] && desk.connects.last == Desk.name("b"))
    // Whoever was accepted stays, and so does a handshake that has just begun.
    let surplus = desk.open()
    #expect(desk.written[surplus] == [Refusal.quota.byte])
    #expect(desk.engine.counts.open == 2 && desk.engine.counts.handshakes == 1)
    #expect(!desk.closed.contains(session))
    #expect(desk.engine.statistics.closed(.crowded) == 2)
  }

  @Test("Of too many half-open connections the oldest makes room")
  func halfOpen() {
    var desk = Desk { $0.handshakes = 100 }
    let session = desk.accept("a")
    let ids = (0..<150).map { _ in desk.open() }
    #expect(desk.closed == Array(ids.prefix(50)))
    #expect(desk.engine.counts.handshakes == 100)
    #expect(!desk.closed.contains(session))
    for _ in 0..<1_000 {
      let id = desk.open()
      desk.feed(.received(id, [3, 0]))
    }
    // Those that are being told why they are refused are limited too; one made room for them.
    #expect(desk.engine.counts.handshakes == 99)
    #expect(desk.engine.counts.open == 1)
    desk.advance(.seconds(20))
    #expect(desk.engine.counts.handshakes == 0 && desk.engine.counts.open == 1)
  }
}
