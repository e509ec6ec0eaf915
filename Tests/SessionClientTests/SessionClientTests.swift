// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import SessionClient
import SessionWire
import Testing
import Transcripts

@Suite("The client's side of a session")
struct SessionClientTests {
  @Test(
    "Recorded daemons are understood, however the stream is cut",
    // In 08 clients choose methods that this one never does.
    arguments: Transcript.names.filter { !$0.hasPrefix("08") }
  )
  func transcripts(_ file: String) throws {
    let transcript = try Transcript(file)
    var sessions = 0
    for connection in transcript.connections {
      let said = transcript.stream(of: .client, connection)
      let heard = transcript.stream(of: .daemon, connection)
      guard case .complete(let request, let length) = try? ConnectRequest.parse(said[...]),
        request.version == .own, request.priority == 0, heard.first == 5
      else { continue }
      var wanted = SessionClientEngine.Settings(name: request.name)
      wanted.wantsMembership = request.wantsMembership
      var whole: Harness?
      for size in [1, 7, 100, heard.count] {
        var harness = Harness(wanted)
        harness.advance()
        harness.feed(.opened)
        for start in stride(from: 0, to: heard.count, by: size) {
          harness.feed(.received(Array(heard[start..<min(start + size, heard.count)])))
        }
        #expect(harness.closes == 0, "\(file) \(connection): \(harness.notices.suffix(1))")
        // What the genuine library said up to here.
        #expect(harness.written == Array(said.prefix(length + MethodChoice.length)))
        if let whole { #expect(harness.notices == whole.notices) } else { whole = harness }
      }
      let stream = whole?.messages.flatMap { $0.bytes() } ?? []
      if !file.hasPrefix("09"), !file.hasPrefix("12") {
        #expect(heard.suffix(stream.count) == stream[...], "\(file) \(connection)")
      }
      sessions += 1
    }
    #expect(sessions > 0)
  }

  @Test("Attempts follow each other at growing pauses, some of it by chance, up to a longest")
  func pauses() {
    var harness = Harness(settings("a"))
    var pauses: [Duration] = []
    for _ in 0..<12 {
      #expect(harness.advance() == [.connect])
      guard
        case .tell(.failed(.unreachable("refused"), retryAfter: let pause?)) =
          harness.feed(.failed("refused")).first
      else {
        Issue.record("no failure")
        return
      }
      #expect(harness.engine.nextDeadline == harness.now + pause)
      pauses.append(pause)
    }
    for (index, pause) in pauses.enumerated() {
      let whole = min(Duration.milliseconds(100 << index), .seconds(5))
      #expect(pause >= whole / 2 && pause <= whole)
    }
    var other = Harness(settings("a"), seed: 2)
    other.advance()
    let first = other.feed(.failed("refused"))
    #expect(first != [.tell(.failed(.unreachable("refused"), retryAfter: pauses[0]))])
  }

  @Test("A session that lasted begins again with the shortest pause")
  func steady() {
    var harness = Harness(settings("a"))
    for _ in 0..<6 {
      harness.advance()
      harness.feed(.failed("refused"))
    }
    harness.open()
    harness.now += .seconds(1)
    harness.feed(.failed("gone"))
    #expect(harness.notices.last == .closed(.unreachable("gone")))
    let short = harness.engine.nextDeadline.map { $0 - harness.now } ?? .zero
    #expect(short >= .seconds(2))
    harness.open()
    harness.now += .seconds(6)
    harness.feed(.failed("gone"))
    let long = harness.engine.nextDeadline.map { $0 - harness.now } ?? .zero
    #expect(long <= .milliseconds(100))
  }

  @Test("Without reconnection the first failure is the end")
  func once() {
    var wanted = settings("a")
    wanted.reconnects = false
    var harness = Harness(wanted)
    harness.advance()
    harness.feed(.failed("refused"))
    #expect(harness.notices == [.failed(.unreachable("refused"), retryAfter: nil)])
    #expect(harness.engine.nextDeadline == nil)
  }

  @Test("Each refusal is told in words", arguments: Refusal.allCases)
  func refusals(_ refusal: Refusal) {
    for steps in 0..<2 {
      var harness = Harness(settings("a"))
      harness.advance()
      harness.feed(.opened)
      if steps == 1 { harness.feed(.received(MethodList.methods(["IP", "NULL"]).bytes)) }
      harness.feed(.received([refusal.byte]))
      #expect(harness.closes == 1)
      guard case .failed(.refused(let text), retryAfter: .some)? = harness.notices.last else {
        Issue.record("\(harness.notices)")
        return
      }
      #expect(text.hasPrefix("the daemon ") || text.hasPrefix("a session "))
    }
  }

  @Test("A daemon that lacks the method, is silent, or talks nonsense is given up")
  func handshakeFaults() {
    var harness = Harness(settings("a"))
    harness.advance()
    harness.feed(.opened)
    harness.feed(.received(MethodList.methods(["IP"]).bytes))
    #expect(harness.closes == 1)
    harness.advance()
    harness.feed(.opened)
    #expect(harness.advance().first == .close)
    #expect(harness.notices.last.map { "\($0)" }?.contains("does not answer") == true)
    harness.advance()
    harness.feed(.opened)
    harness.feed(.received([91]))
    #expect(harness.notices.last.map { "\($0)" }?.contains("method list") == true)
    harness.advance()
    harness.feed(.opened)
    harness.feed(
      .received(MethodList.methods(["NULL"]).bytes + [1, 3, 0, 0, 4] + Array("#a#d".utf8))
    )
    #expect(harness.notices.last.map { "\($0)" }?.contains("too old") == true)
    harness.advance()
    harness.feed(.opened)
    harness.feed(
      .received(MethodList.methods(["NULL"]).bytes + [1, 4, 4, 0, 4] + Array("abcd".utf8))
    )
    #expect(harness.notices.last.map { "\($0)" }?.contains("is not one") == true)
    #expect(harness.closes == 5 && harness.engine.privateName == nil)
  }

  @Test("Requests go out as the genuine library writes them; a leave says so and waits for the end")
  func requests() throws {
    var harness = Harness(settings("a"))
    #expect(harness.engine.refusal(of: .join(name("g"))) == .disconnected)
    harness.open()
    #expect(harness.notices == [.opened(name("#a#d"), .own)])
    let before = harness.written.count
    let multicast = SessionMulticast(service: .safe, tag: -1, groups: [name("g")], data: [1, 2])
    for message in [ClientMessage.join(name("g")), .multicast(multicast), .leave(name("g"))] {
      #expect(harness.engine.refusal(of: message) == nil)
      harness.feed(.send(message))
    }
    harness.feed(.leave)
    // What was asked for before is still told, until the message to oneself is back.
    #expect(harness.engine.refusal(of: .join(name("g"))) == .disconnected)
    let late = DaemonMessage.selfLeave(group: name("g"))
    harness.feed(.received(late.bytes()))
    #expect(harness.messages == [late])
    let mark = SessionMulticast(service: .agreed, tag: -0x7A11, groups: [name("#a#d")], data: [])
    harness.feed(
      .received(DaemonMessage.regular(sender: name("#a#d"), mark).bytes() + late.bytes())
    )
    #expect(harness.messages == [late])
    var sent = harness.written[before...]
    var messages: [ClientMessage] = []
    let limits = MessageFrame.Limits(groups: 100, body: 1_000)
    while case .complete(let frame, let length) = try MessageFrame.parse(
      sent,
      from: .client,
      limits: limits
    ) {
      messages.append(try ClientMessage(frame, of: name("#a#d")))
      sent = sent.dropFirst(length)
    }
    #expect(
      messages == [
        .join(name("g")), .multicast(multicast), .leave(name("g")), .multicast(mark), .kill,
      ]
    )
    #expect(harness.closes == 0)
    harness.feed(.failed("the daemon closed the connection"))
    #expect(harness.notices.last == .closed(.requested) && harness.closes == 1)
    #expect(harness.engine.nextDeadline == nil)
    harness.feed(.leave)
    #expect(harness.notices.count == 3)
  }

  @Test("A leave that nobody answers, or that comes too early, ends by the clock and not at once")
  func leaving() {
    var open = Harness(settings("a"))
    open.open()
    open.feed(.leave)
    #expect(open.notices.count == 1)
    #expect(open.advance().count == 1)
    #expect(open.advance() == [.close, .tell(.closed(.requested))])
    var early = Harness(settings("a"))
    #expect(early.feed(.leave).isEmpty)
    #expect(early.advance() == [.close, .tell(.closed(.requested))])
  }

  @Test("A session that is lost before all was with the daemon says so", arguments: [false, true])
  func cutOff(isLater: Bool) {
    var harness = Harness(settings("a"))
    harness.open()
    harness.feed(.leave)
    #expect(harness.engine.cutOff == nil)
    // The daemon ends a session that has said its end.
    if isLater { harness.advance() }
    harness.feed(.failed("reset"))
    #expect(harness.notices.last == .closed(.requested))
    #expect(harness.engine.cutOff == (isLater ? nil : .unreachable("reset")))
  }

  @Test("What is too much is refused; room is told once there is some")
  func congestion() {
    var wanted = settings("a")
    wanted.longestBacklog = 1_000
    var harness = Harness(wanted)
    harness.open()
    harness.feed(.written(harness.engine.unsent))
    let large = SessionMulticast(
      service: .agreed,
      groups: [name("g")],
      data: [UInt8](repeating: 0, count: 143_952 - 31)[...]
    )
    #expect(harness.engine.refusal(of: .multicast(large)) == .tooLong(limit: 143_920))
    let small = SessionMulticast(
      service: .agreed,
      groups: [name("g")],
      data: [UInt8](repeating: 0, count: 300)[...]
    )
    var taken = 0
    while harness.engine.refusal(of: .multicast(small)) == nil, taken < 100 {
      harness.feed(.send(.multicast(small)))
      taken += 1
    }
    #expect(taken == 3 && harness.engine.refusal(of: .multicast(small)) == .congested)
    harness.feed(.wantsRoom)
    let unsent = harness.engine.unsent
    #expect(harness.feed(.written(unsent - 501)).isEmpty)
    #expect(harness.feed(.written(1)) == [.tell(.writable)])
    #expect(harness.feed(.written(500)).isEmpty)
  }

  @Test("No bytes make it trap, hold more than a message, or close twice", arguments: 0..<40)
  func hostile(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var wanted = settings("a")
    wanted.limits = .init(groups: 8, body: 2_000)
    var harness = Harness(wanted, seed: seed)
    let view = MembershipMessage(
      group: name("g"),
      cause: .network,
      id: GroupID(process: 1, time: 2, index: 3),
      members: [name("#a#d"), name("#b#e")],
      sets: [[name("#a#d")], [name("#b#e")]],
      ownSet: 0
    )
    let samples = [
      DaemonMessage.membership(view).bytes(), DaemonMessage.membership(view).bytes(order: .big),
      DaemonMessage.selfLeave(group: name("g")).bytes(),
      DaemonMessage.transition(group: name("g"), ending: view.id).bytes(),
    ]
    for _ in 0..<300 {
      if harness.engine.privateName == nil { harness.open() }
      var bytes = samples.randomElement(using: &random) ?? []
      for _ in 0..<Int.random(in: 0..<3, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(
          in: 0...255,
          using: &random
        )
      }
      let before = harness.closes
      harness.feed(.received(bytes))
      #expect(harness.closes - before == (harness.engine.privateName == nil ? 1 : 0))
    }
  }
}
