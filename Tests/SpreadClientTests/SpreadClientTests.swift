// SPDX-License-Identifier: Apache-2.0

import Glibc
import GroupModel
import Namespaces
import SessionWire
import SpreadClient
import Testing

@Suite("The client library", .serialized, .timeLimit(.minutes(2)))
struct SpreadClientTests {
  private func options(
    _ change: (inout SpreadConnection.Options) -> Void = { _ in }
  )
    -> SpreadConnection.Options
  {
    var options = SpreadConnection.Options()
    options.name = "me"
    options.longestPause = .milliseconds(20)
    change(&options)
    return options
  }

  @Test("It joins, sends, receives, leaves and ends, in one sequence of events")
  func conversation() async throws {
    let daemon = try DaemonThread()
    let spread = try await SpreadConnection.connect(to: daemon.path, options: options())
    try await spread.join("g")
    try await spread.send([104, 105], to: ["g", "#x#y"], service: .safe, tag: -3)
    try await spread.leave("g")
    var events: [SpreadEvent] = []
    for try await event in spread.events {
      events.append(event)
      if event == .left(group: "g") { break }
    }
    #expect(events.count == 4)
    #expect(events.first == .connected(privateName: "#me#fake"))
    guard case .view(let view) = events[1], case .message(let message) = events[2] else {
      Issue.record("\(events)")
      return
    }
    #expect(view.members == ["#me#fake"] && view.cause == .joined("#me#fake"))
    #expect(view.cameTogether == ["#me#fake"] && view.group == "g")
    #expect(message.text == "hi" && message.tag == -3 && message.service == .safe)
    #expect(message.groups == ["g", "#x#y"] && message.sender == "#me#fake")
    await spread.close()
    for try await event in spread.events { Issue.record("\(event)") }
    await #expect(throws: SpreadError.closed) { try await spread.join("h") }
    await spread.close()
  }

  @Test("A lost session comes back, with its groups")
  func reconnection() async throws {
    let daemon = try DaemonThread()
    let spread = try await SpreadConnection.connect(to: daemon.path, options: options())
    try await spread.join("one")
    try await spread.join("two")
    try await spread.leave("one")
    var rounds = 0
    var views: [String] = []
    var losses = 0
    for try await event in spread.events {
      switch event {
      case .left: daemon.tell(.hangUp)
      case .view(let view):
        views.append(view.group)
        guard losses > 0 else { continue }
        rounds += 1
        if rounds < 3 { daemon.tell(.hangUp) }
      case .disconnected(let reason):
        losses += 1
        #expect(reason == "the daemon closed the connection")
      case .connected, .message, .transitional, .rejected: break
      }
      if rounds == 3 { break }
    }
    #expect(views == ["one", "two", "two", "two", "two"] && losses == 3)
    await spread.close()
  }

  @Test("What is wrong is an error, at once")
  func errors() async throws {
    await #expect(throws: SpreadError.invalidAddress("4803@")) {
      try await SpreadConnection.connect(to: "4803@")
    }
    await #expect(throws: SpreadError.invalidName("a b")) {
      try await SpreadConnection.connect(to: "", options: options { $0.name = "a b" })
    }
    await #expect(throws: SpreadError.self) {
      try await SpreadConnection.connect(to: "/nowhere/spread")
    }
    let daemon = try DaemonThread()
    daemon.tell(.refuse(.notUnique))
    await #expect(throws: SpreadError.refused("a session of this name is open already")) {
      try await SpreadConnection.connect(to: daemon.path, options: options())
    }
    daemon.tell(.refuse(nil))
    let spread = try await SpreadConnection.connect(to: daemon.path, options: options())
    await #expect(throws: SpreadError.invalidGroup("a b")) { try await spread.join("a b") }
    await #expect(throws: SpreadError.invalidGroup("#x")) { try await spread.send([], to: ["#x"]) }
    await #expect(throws: SpreadError.tooManyGroups(limit: 43)) {
      try await spread.send([], to: [])
    }
    await #expect(throws: SpreadError.tooLong(limit: 139_920)) {
      try await spread.send([UInt8](repeating: 0, count: 139_921), to: ["g"])
    }
    await spread.close()
  }

  @Test("Where no daemon is, that is the reason, however early it is known")
  func absent() async {
    let path = "\(temporaryFolder)/no-daemon-\(getpid())"
    for _ in 0..<50 {
      let error = await #expect(throws: SpreadError.self) {
        _ = try await SpreadConnection.connect(to: path)
      }
      guard case .unreachable(let text)? = error, text.contains(path) else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
  }

  @Test("Without reconnection the events end by the error")
  func once() async throws {
    let daemon = try DaemonThread()
    let wanted = options { $0.reconnects = false }
    let spread = try await SpreadConnection.connect(to: daemon.path, options: wanted)
    daemon.tell(.hangUp)
    var events: [SpreadEvent] = []
    await #expect(throws: SpreadError.unreachable("the daemon closed the connection")) {
      for try await event in spread.events { events.append(event) }
    }
    #expect(events.last == .disconnected(reason: "the daemon closed the connection"))
    await #expect(throws: SpreadError.closed) { try await spread.send([1], to: ["g"]) }
  }

  @Test("A slow reader stops the daemon, and loses nothing")
  func slowReader() async throws {
    let daemon = try DaemonThread()
    let wanted = options { $0.eventLimit = 10 }
    let spread = try await SpreadConnection.connect(to: daemon.path, options: wanted)
    let group = try #require(InlineName("g".utf8))
    let sender = try #require(InlineName("#a#b".utf8))
    let message = SessionMulticast(
      service: .agreed,
      groups: [group],
      data: [UInt8](repeating: 1, count: 500)[...]
    )
    daemon.tell(.say(DaemonMessage.regular(sender: sender, message).bytes(), times: 1_500))
    try await Task.sleep(for: .milliseconds(300))
    var received = 0
    for try await event in spread.events {
      if case .message = event { received += 1 }
      if received == 1_500 { break }
    }
    #expect(received == 1_500)
    await spread.close()
  }

  @Test("A daemon that does not read makes senders wait, and nothing is lost or out of order")
  func slowDaemon() async throws {
    let daemon = try DaemonThread()
    let spread = try await SpreadConnection.connect(to: daemon.path, options: options())
    daemon.tell(.readsNothing(true))
    let count = 120
    let sending = Task {
      for number in 0..<count {
        try await spread.send([UInt8](repeating: UInt8(number), count: 100_000), to: ["g"])
      }
    }
    try await Task.sleep(for: .milliseconds(300))
    daemon.tell(.readsNothing(false))
    var received: [UInt8] = []
    for try await event in spread.events {
      if case .message(let message) = event { received.append(message.payload.first ?? 255) }
      if received.count == count { break }
    }
    try await sending.value
    #expect(received == (0..<count).map(UInt8.init))
    await spread.close()
  }

  @Test("A membership that waits for room outlasts the session, as any other; a message does not")
  func waitingMembership() async throws {
    let daemon = try DaemonThread()
    let spread = try await SpreadConnection.connect(to: daemon.path, options: options())
    daemon.tell(.readsNothing(true))
    let sending = Task {
      while true { try await spread.send([UInt8](repeating: 0, count: 100_000), to: ["g"]) }
    }
    try await Task.sleep(for: .milliseconds(300))
    let joining = Task { try await spread.join("late") }
    try await Task.sleep(for: .milliseconds(100))
    daemon.tell(.readsNothing(false))
    daemon.tell(.hangUp)
    try await joining.value
    await #expect(throws: SpreadError.disconnected) { try await sending.value }
    for try await event in spread.events {
      if case .view(let view) = event, view.group == "late" { break }
    }
    await spread.close()
  }

  @Test("A cancelled reader returns, and another may go on")
  func cancellation() async throws {
    let daemon = try DaemonThread()
    let spread = try await SpreadConnection.connect(to: daemon.path, options: options())
    let reader = Task {
      var seen = 0
      for try await _ in spread.events { seen += 1 }
      return seen
    }
    try await Task.sleep(for: .milliseconds(50))
    reader.cancel()
    #expect(try await reader.value == 1)
    try await spread.join("g")
    var iterator = spread.events.makeAsyncIterator()
    guard case .view? = try await iterator.next() else {
      Issue.record("no view")
      return
    }
    await spread.close()
  }
}
