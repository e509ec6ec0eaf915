// SPDX-License-Identifier: Apache-2.0

import GroupModel
import SessionClient
import SessionWire
import Testing

@Suite("A session's words as events of the port")
struct TranslatorTests {
  private let a = MemberID(node: "web1", process: name("a"))
  private let b = MemberID(node: "web1", process: name("b"))
  private let c = MemberID(node: "api", process: name("c"))

  private func view(
    _ cause: MembershipMessage.Cause,
    _ members: [MemberID],
    sets: [[MemberID]],
    own: Int = 0
  ) -> DaemonMessage {
    .membership(
      MembershipMessage(
        group: name("g"),
        cause: cause,
        id: GroupID(process: 0x7F00_0001, time: 77, index: 5),
        members: members.map { name("\($0)") },
        sets: sets.map { $0.map { name("\($0)") } },
        ownSet: own
      )
    )
  }

  private func translated(_ message: DaemonMessage) throws -> GroupEvent? {
    try GroupTranslator(privateName: name("#a#web1")).event(message)
  }

  private func translatedView(_ message: DaemonMessage) throws -> GroupView {
    guard case .view(let view)? = try translated(message) else { throw NoView() }
    return view
  }

  private struct NoView: Error {}

  @Test("Views say who came, who went, and who came together; members are in order")
  func views() throws {
    // A daemon lists members in the order of its file, the port in the order of names.
    let joined = try translatedView(view(.join, [a, b, c], sets: [[c]]))
    #expect(joined.members == [c, a, b] && joined.cause == .join(c))
    #expect(joined.cameTogether == [a, b] && joined.group == "g")
    #expect(joined.id == ViewID(epoch: 77, origin: 0x7F00_0001, index: 5))
    let own = try translatedView(view(.join, [a, b], sets: [[a]]))
    #expect(own.cameTogether == [a])
    let left = try translatedView(view(.leave, [a, b], sets: [[c]]))
    #expect(left.cause == .leave(c) && left.cameTogether == [a, b])
    let lost = try translatedView(view(.disconnect, [a], sets: [[b]]))
    #expect(lost.cause == .disconnect(b) && lost.cameTogether == [a])
    let merged = try translatedView(view(.network, [a, b, c], sets: [[c], [a, b]], own: 1))
    #expect(merged.cause == .network && merged.cameTogether == [a, b])
    // Who joined while the ring changed is in a set of its own, or in none that is the user's.
    let stray = try translatedView(view(.network, [a, b, c], sets: [[c], [b]], own: 0))
    #expect(stray.cameTogether == [a])
  }

  @Test("Messages keep sender, groups, service, mark and payload")
  func messages() throws {
    let multicast = SessionMulticast(
      service: .safe,
      tag: -7,
      groups: [name("g"), name("#b#web1"), name("bad name")],
      data: [1, 2, 3]
    )
    let event = try translated(.regular(sender: name("#c#api"), multicast))
    let message = GroupMessage(
      sender: c,
      groups: ["g", try #require(GroupName(privateNameOf: b))],
      service: .safe,
      tag: -7,
      payload: [1, 2, 3]
    )
    #expect(event == .message(message))
    let ending = GroupID(process: 1, time: 2, index: 3)
    #expect(try translated(.transition(group: name("g"), ending: ending)) == .transitional("g"))
    #expect(try translated(.selfLeave(group: name("g"))) == .left("g"))
    let nowhere = SessionMulticast(service: .safe, groups: [name("a b")], data: [])
    #expect(try translated(.regular(sender: name("#c#api"), nowhere)) == nil)
  }

  @Test("Names that the port cannot express are refused")
  func failures() {
    #expect(throws: GroupTranslator.Failure.self) {
      try GroupTranslator(privateName: name("#a#da+b"))
    }
    let multicast = SessionMulticast(service: .safe, groups: [name("g")], data: [])
    #expect(throws: GroupTranslator.Failure.self) {
      try translated(.regular(sender: name("stranger"), multicast))
    }
    #expect(throws: GroupTranslator.Failure.self) { try translated(.selfLeave(group: name(" "))) }
  }
}
