// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Groups
import Machine
import Testing
import Worlds

/// What local processes may ask for, and what becomes of it.
@Suite("Requests of local processes")
final class RequestTests {
  private var engine = GroupsEngine(
    settings: {
      var settings = GroupsEngine.Settings(me: "a")
      settings.heldRequests = 3
      settings.localProcesses = 2
      settings.longestPayload = 100
      return settings
    }()
  )
  private var effects = EffectQueue<GroupsEngine.Effect>()

  private func handle(_ event: GroupsEngine.Event) -> [GroupsEngine.Effect] {
    engine.handle(event, at: .boot, into: &effects)
    return effects.takeAll()
  }

  private func form() -> [GroupsEngine.Effect] {
    let ring = RingID(sequence: 1, representative: "a")
    return handle(.ring(.regular(ring: ring, members: ["a"], cameTogether: ["a"])))
  }

  /// Gives back to the engine what it submitted.
  private func order(_ submitted: [GroupsEngine.Effect]) -> [GroupsEngine.Effect] {
    submitted.flatMap { effect -> [GroupsEngine.Effect] in
      guard case .submit(let service, let payload) = effect else { return [] }
      let message = GroupsEngine.OrderedMessage(
        sender: "a",
        service: service,
        payload: payload[...]
      )
      return handle(.ring(.message(message)))
    }
  }

  private func name(_ text: String) -> InlineName {
    InlineName(Array(text.utf8)) ?? InlineName([0x70]).unsafelyUnwrapped
  }

  @Test("What is asked before there is a ring, or while it is congested, waits in order")
  func held() {
    let p = name("p")
    _ = handle(.connect(p))
    #expect(handle(.request(.join("g"), from: p)) == [])
    #expect(handle(.request(.leave("g"), from: p)) == [])
    #expect(engine.refusal(of: .join("h"), from: p) == nil)
    #expect(handle(.request(.join("g"), from: p)) == [])
    #expect(engine.refusal(of: .join("h"), from: p) == .congested)
    let refused: [GroupsEngine.Effect] = [.note(.refused(p, because: .congested))]
    #expect(handle(.request(.join("h"), from: p)) == refused)
    let submitted = form()
    #expect(submitted.count == 3)
    #expect(engine.refusal(of: .join("h"), from: p) == nil)
    _ = order(submitted)
    #expect(engine.group("g")?.members.count == 1)
    #expect(handle(.congested(true)) == [])
    #expect(handle(.request(.leave("g"), from: p)) == [])
    #expect(handle(.congested(false)).count == 1)
  }

  @Test("A disconnect is taken even when nothing else is")
  func disconnectAlwaysTaken() {
    let p = name("p")
    _ = handle(.connect(p))
    for group: GroupName in ["g", "h", "i"] { _ = handle(.request(.join(group), from: p)) }
    #expect(engine.refusal(of: .disconnect, from: p) == nil)
    #expect(handle(.request(.disconnect, from: p)) == [])
    #expect(engine.refusal(of: .join("g"), from: p) == .disconnected)
    let submitted = form()
    #expect(submitted.count == 4)
    #expect(order(submitted).last == .deliver(.disconnected, to: p))
    #expect(engine.groupCount == 0)
  }

  @Test("A name is taken until the disconnect of its last bearer has its place in the order")
  func nameReuse() {
    let p = name("p")
    _ = form()
    let member = MemberID(node: "a", process: p)
    #expect(handle(.connect(p)) == [.deliver(.connected(member), to: p)])
    let taken: [GroupsEngine.Effect] = [.note(.refused(p, because: .nameTaken))]
    #expect(handle(.connect(p)) == taken)
    let submitted = handle(.crash(p))
    #expect(handle(.connect(p)) == taken)
    #expect(handle(.crash(p)) == [])
    #expect(order(submitted) == [])
    #expect(handle(.connect(p)) == [.deliver(.connected(member), to: p)])
  }

  @Test("A process that is gone hears nothing, one that asked to go hears all up to its end")
  func hearing() {
    let (p, q) = (name("p"), name("q"))
    _ = form()
    for process in [p, q] {
      _ = handle(.connect(process))
      _ = order(handle(.request(.join("g"), from: process)))
    }
    let payload: [UInt8] = [1]
    let request = GroupRequest.multicast(groups: ["g"], service: .agreed, tag: 0, payload: payload)
    let sent = handle(.request(request, from: p))
    let gone = handle(.crash(q)) + handle(.request(.disconnect, from: p))
    let heard = order(sent + gone)
    #expect(heard.count == 3)
    guard case .deliver(.message(let message), p) = heard[0] else {
      Issue.record("no message")
      return
    }
    #expect(Array(message.payload) == payload)
    guard case .deliver(.view(let view), p) = heard[1] else {
      Issue.record("no view")
      return
    }
    #expect(view.cause == .disconnect(MemberID(node: "a", process: q)))
    #expect(heard[2] == .deliver(.disconnected, to: p))
  }

  @Test("What cannot be is refused by name and counted")
  func refusals() {
    let (p, q, r) = (name("p"), name("q"), name("r"))
    _ = form()
    for process in [p, q] { _ = handle(.connect(process)) }
    func refused(_ reason: GroupsEngine.DropReason, _ process: InlineName) -> [GroupsEngine.Effect]
    {
      [.note(.refused(process, because: reason))]
    }
    #expect(handle(.connect(r)) == refused(.tooManyProcesses, r))
    #expect(handle(.connect(name("a b"))) == refused(.badName, name("a b")))
    #expect(handle(.request(.join("g"), from: r)) == refused(.unknownProcess, r))
    let privately = GroupName(destination: Array("#p#a".utf8)) ?? "g"
    #expect(handle(.request(.join(privately), from: p)) == refused(.privateName, p))
    #expect(handle(.request(.leave(privately), from: p)) == refused(.privateName, p))
    func send(_ groups: [GroupName], _ count: Int) -> GroupsEngine.Event {
      let payload = [UInt8](repeating: 0, count: count)
      return .request(
        .multicast(groups: groups, service: .safe, tag: 0, payload: payload),
        from: p
      )
    }
    #expect(engine.refusal(of: .join(privately), from: p) == .privateName)
    #expect(engine.refusal(of: .leave(privately), from: p) == .privateName)
    for count in [0, 101] {
      let many = GroupRequest.multicast(
        groups: Array(repeating: "g", count: count),
        service: .safe,
        tag: 0,
        payload: [1]
      )
      #expect(engine.refusal(of: many, from: p) == .destinations(limit: 100))
    }
    #expect(handle(send([], 1)) == refused(.destinations, p))
    #expect(handle(send(Array(repeating: "g", count: 101), 1)) == refused(.destinations, p))
    #expect(handle(send(["g"], 101)) == refused(.tooLong, p))
    let long = GroupRequest.multicast(
      groups: ["g"],
      service: .safe,
      tag: 0,
      payload: [UInt8](repeating: 0, count: 101)
    )
    #expect(engine.refusal(of: long, from: p) == .tooLong(limit: 100))
    #expect(order(handle(send(["g"], 100))) == [])
    #expect(engine.statistics.dropped(.noReceiver) == 1)
    _ = order(handle(.request(.leave("g"), from: p)))
    #expect(engine.statistics.dropped(.notMember) == 1)
    for _ in 0..<2 { _ = order(handle(.request(.join("g"), from: p))) }
    #expect(engine.statistics.dropped(.alreadyMember) == 1)
  }
}
