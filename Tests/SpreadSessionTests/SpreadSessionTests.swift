// SPDX-License-Identifier: Apache-2.0

import Addresses
import FakeDaemon
import Glibc
import GroupModel
import Machine
import Namespaces
import Reactor
import SessionClient
import SessionWire
import SpreadSession
import Testing

/// A session, the daemon that it is to find, and the loop of both.
private final class Bench {
  let loop: EventLoop
  let path = "\(temporaryFolder)/spread-session-\(getpid())-\(UInt32.random(in: 0 ... .max))"
  private(set) var daemon: FakeDaemon?
  private(set) var events: [GroupEvent] = []
  private(set) var notes: [SpreadSession.Note] = []
  private(set) var session: SpreadSession?

  init(
    expecting node: NodeID? = nil,
    change: (inout SessionClientEngine.Settings) -> Void = { _ in }
  ) throws {
    loop = try EventLoop()
    var settings = SessionClientEngine.Settings(name: Array("me".utf8))
    settings.firstPause = .milliseconds(10)
    settings.longestPause = .milliseconds(20)
    change(&settings)
    let session = try SpreadSession(
      to: .path(path),
      expecting: node,
      settings: settings,
      seed: 7,
      on: loop
    ) { [unowned self] in notes.append($0) }
    session.deliver { [unowned self] in events.append($0) }
    self.session = session
  }

  func startDaemon() throws { daemon = try FakeDaemon(path: path, on: loop) }
  func stopDaemon() { daemon = nil }

  /// Lets the loop run until something is so, but not for ever.
  func run(until isSo: () -> Bool) throws {
    let limit = BootClock.now + .seconds(20)
    while !isSo(), BootClock.now < limit {
      try loop.turn(until: BootClock.now + .milliseconds(50))
    }
    #expect(isSo())
  }

  func connect() throws {
    let before = connections
    try run { connections > before }
  }

  var connections: Int {
    events.count { if case .connected = $0 { true } else { false } }
  }

  func submit(_ request: GroupRequest) throws(GroupRefusal) {
    guard let session else { throw .disconnected }
    try session.submit(request)
  }
}

@Suite("The session adapter on real sockets", .serialized)
struct SpreadSessionTests {
  private static let me = MemberID(node: "fake", process: InlineName("me".utf8) ?? .empty)

  @Test("It connects, asks, and hands on what the daemon says, in order")
  func conversation() throws {
    let bench = try Bench()
    try bench.startDaemon()
    #expect(throws: GroupRefusal.disconnected) { try bench.submit(.join("g")) }
    try bench.connect()
    #expect(bench.events == [.connected(Self.me)])
    try bench.submit(.join("g"))
    let multicast = GroupRequest.multicast(groups: ["g"], service: .safe, tag: 3, payload: [1, 2])
    try bench.submit(multicast)
    try bench.run { bench.daemon?.said.count == 2 }
    let sent = SessionMulticast(
      service: .safe,
      tag: 3,
      groups: [try #require(InlineName("g".utf8))],
      data: [1, 2]
    )
    let group = try #require(InlineName("g".utf8))
    let name = try #require(InlineName("#me#fake".utf8))
    #expect(bench.daemon?.said == [.join(group), .multicast(sent)])
    let view = MembershipMessage(
      group: group,
      cause: .join,
      id: GroupID(process: 1, time: 2, index: 3),
      members: [name],
      sets: [[name]],
      ownSet: 0
    )
    bench.daemon?.say(.membership(view))
    bench.daemon?.say(.regular(sender: name, sent))
    bench.daemon?.say(.transition(group: group, ending: view.id))
    bench.daemon?.say(.selfLeave(group: group))
    try bench.run { bench.events.count == 5 }
    guard case .view(let told) = bench.events[1], case .message(let message) = bench.events[2]
    else {
      Issue.record("\(bench.events)")
      return
    }
    #expect(told.members == [Self.me] && told.cause == .join(Self.me))
    #expect(message.sender == Self.me && message.tag == 3 && message.service == .safe)
    #expect(bench.events[3...] == [.transitional("g"), .left("g")])
    try bench.submit(.disconnect)
    #expect(bench.events.count == 5)
    try bench.run { bench.events.last == .disconnected(.requested) }
    #expect(bench.daemon?.said.last == .kill)
  }

  @Test("A daemon that is not there yet is waited for, and its absence told once")
  func absent() throws {
    let bench = try Bench()
    try bench.run { bench.notes.count > 4 }
    #expect(bench.events.count == 1)
    guard case .disconnected(.unreachable(let text))? = bench.events.first else {
      Issue.record("\(bench.events)")
      return
    }
    #expect(text.contains(bench.path) && text.contains("ENOENT"))
    try bench.startDaemon()
    try bench.connect()
    #expect(bench.connections == 1 && bench.events.count == 2)
  }

  @Test("A lost session is told, and comes back")
  func loss() throws {
    let bench = try Bench()
    try bench.startDaemon()
    for round in 1...3 {
      try bench.connect()
      if round == 2 {
        bench.daemon?.say([UInt8](repeating: 0xFF, count: 48))
      } else {
        bench.daemon?.hangUp()
      }
      try bench.run { bench.events.count == 2 * round }
      guard case .disconnected(let reason)? = bench.events.last else {
        Issue.record("\(bench.events)")
        return
      }
      switch reason {
      case .protocolViolation: #expect(round == 2)
      case .unreachable(let text): #expect(text == "the daemon closed the connection")
      case .requested, .refused: Issue.record("\(reason)")
      }
      #expect(throws: GroupRefusal.disconnected) { try bench.submit(.join("g")) }
    }
    try bench.connect()
    bench.stopDaemon()
    try bench.run { bench.events.count == 8 }
    try bench.startDaemon()
    try bench.connect()
    #expect(bench.daemon?.accepted == 1)
  }

  @Test("A daemon of another name than the expected one is left, and tried again")
  func anotherName() throws {
    let bench = try Bench(expecting: "other")
    try bench.startDaemon()
    let text = "the daemon is called fake, not other"
    func isSaid(_ note: SpreadSession.Note) -> Bool {
      note == .failed(.protocolViolation(text), retryAfter: nil)
    }
    try bench.run { bench.notes.count(where: isSaid) >= 2 }
    #expect(bench.connections == 0 && bench.events.count == 1)
  }

  @Test("The end of a session is the end for the daemon, although another process has its socket")
  func sharedSocket() throws {
    let bench = try Bench()
    var sockets: [CInt?] = []
    var copies: [CInt] = []
    defer { for copy in copies { close(copy) } }
    bench.session?.whenSocketChanges { socket in
      sockets.append(socket)
      if let socket { copies.append(dup(socket)) }
    }
    try bench.startDaemon()
    try bench.connect()
    #expect(sockets.count == 1 && sockets.first != .some(nil))
    // Words that nobody understands.
    bench.daemon?.say([UInt8](repeating: 0xFF, count: 48))
    try bench.run { bench.daemon?.accepted == 2 }
    #expect(sockets.count >= 2 && sockets[1] == nil)
  }

  @Test("A name in use is tried again")
  func refused() throws {
    let bench = try Bench()
    try bench.startDaemon()
    bench.daemon?.refusal = .notUnique
    try bench.run { bench.notes.count > 2 }
    #expect(bench.events == [.disconnected(.refused("a session of this name is open already"))])
    bench.daemon?.refusal = nil
    try bench.connect()
  }

  @Test("Words that the port cannot express end the session")
  func inexpressible() throws {
    let bench = try Bench()
    try bench.startDaemon()
    try bench.connect()
    let group = try #require(InlineName("g".utf8))
    let sent = SessionMulticast(service: .agreed, groups: [group], data: [])
    bench.daemon?.say(.regular(sender: group, sent))
    try bench.run { bench.events.count > 1 }
    #expect(
      bench.events.dropFirst().first
        == .disconnected(.protocolViolation("'g' is not the private name of a client"))
    )
    try bench.connect()
  }

  @Test("A daemon that does not read is congestion, not memory; nothing taken is lost")
  func congestion() throws {
    let bench = try Bench { $0.longestBacklog = 300_000 }
    try bench.startDaemon()
    try bench.connect()
    bench.daemon?.reads = false
    let payload = [UInt8](repeating: 5, count: 100_000)
    let request = GroupRequest.multicast(groups: ["g"], service: .agreed, tag: 0, payload: payload)
    var taken = 0
    var refusal: GroupRefusal?
    for _ in 0..<200 where refusal == nil {
      do throws(GroupRefusal) {
        try bench.submit(request)
        taken += 1
        try? bench.loop.turn(until: BootClock.now)
      } catch {
        refusal = error
      }
    }
    #expect(refusal == .congested && taken < 200)
    bench.daemon?.reads = true
    try bench.run { bench.daemon?.said.count == taken }
    try bench.submit(request)
    let long = GroupRequest.multicast(
      groups: ["g"],
      service: .agreed,
      tag: 0,
      payload: [UInt8](repeating: 0, count: 143_921)
    )
    #expect(throws: GroupRefusal.tooLong(limit: 143_920)) { try bench.submit(long) }
  }

  @Test("TCP by name reaches the daemon; a name that is none says so", .timeLimit(.minutes(1)))
  func tcp() throws {
    let loop = try EventLoop()
    var notes: [SpreadSession.Note] = []
    var settings = SessionClientEngine.Settings(name: Array("me".utf8))
    settings.reconnects = false
    func attempt(_ text: String) throws -> String {
      notes = []
      let address = try #require(SpreadAddress(text: text))
      let session = try SpreadSession(to: address, settings: settings, seed: 1, on: loop) {
        notes.append($0)
      }
      let limit = BootClock.now + .seconds(20)
      while notes.isEmpty, BootClock.now < limit { try loop.turn(until: limit) }
      _ = session.capabilities
      return notes.first.map { "\($0)" } ?? "nothing"
    }
    // Port 1 on this machine: nobody listens there.
    #expect(try attempt("1@127.0.0.1").contains("127.0.0.1:1: Connection refused"))
    #expect(try attempt("1@localhost").contains(":1: Connection refused"))
    #expect(try attempt("4803@no-such-host.invalid").contains("look up no-such-host.invalid"))
    #expect(try attempt("1").contains("/tmp/1: No such file"))
  }
}

@Suite("Addresses of Spread daemons")
struct SpreadAddressTests {
  @Test("Each form is read and written again")
  func forms() {
    let forms: [(String, SpreadAddress)] = [
      ("4803", .local(port: 4_803)), ("/run/x", .path("/run/x")),
      ("4803@web1.example", .remote(host: "web1.example", port: 4_803)),
      ("1@10.0.0.1", .remote(host: "10.0.0.1", port: 1)),
      ("1@[2001:db8::1]", .remote(host: "2001:db8::1", port: 1)),
    ]
    for (text, address) in forms {
      #expect(SpreadAddress(text: text) == address && address.description == text)
    }
    #expect(SpreadAddress(text: "") == .local(port: 4_803))
    for text in ["x", "0", "65536", "4803@", "@host", "4803@a b", "+4803", "4803@[x]", "4@a@b"] {
      #expect(SpreadAddress(text: text) == nil, "\(text)")
    }
  }
}
