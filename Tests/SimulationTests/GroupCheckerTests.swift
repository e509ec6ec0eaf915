// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Groups
import Testing
import Worlds

/// Each rule of process groups, broken on purpose in a hand-made history of processes p and q.
@Suite("The checker of process groups finds what is broken")
struct GroupCheckerTests {
  private struct Story {
    var checker = GroupChecker()
    let p: MemberID
    let q: MemberID

    init() throws {
      p = MemberID(node: "n1", process: try #require(InlineName("p".utf8)))
      q = MemberID(node: "n2", process: try #require(InlineName("q".utf8)))
      _ = checker.add(p, at: 0)
      _ = checker.add(q, at: 1)
    }

    /// Both are in a view that q joined.
    static func together() throws -> Story {
      var story = try Story()
      story.view(1, [story.p], .join(story.p), own: 1, to: 0)
      story.view(2, [story.p, story.q], .join(story.q), to: 0)
      story.view(2, [story.p, story.q], .join(story.q), own: 1, to: 1)
      return story
    }

    mutating func view(
      _ number: UInt32,
      _ members: [MemberID],
      _ cause: ViewCause,
      sets: [UInt16] = [],
      own: Int = 0,
      to index: Int
    ) {
      let view = GroupsEngine.View(
        group: "g",
        id: ViewID(epoch: 1, origin: 1, index: number),
        members: members,
        cause: cause,
        setNumbers: sets,
        ownSet: own
      )
      checker.view(view, to: index)
    }

    mutating func send(by sender: MemberID, to groups: [GroupName] = ["g"]) -> Int {
      checker.newMessage(
        GroupChecker.Sent(sender: sender, groups: groups, service: .agreed, tag: -2)
      )
    }

    mutating func deliver(
      _ number: Int,
      to index: Int,
      from sender: MemberID? = nil,
      tag: Int16 = -2
    ) {
      let sent = checker.sent[number]
      let message = GroupMessage(
        sender: sender ?? sent.sender,
        groups: sent.groups,
        service: sent.service,
        tag: tag,
        payload: []
      )
      checker.message(message, number: number, to: index)
    }

    var broken: [Rule] {
      var checker = checker
      checker.compareHistories()
      return checker.violations.map(\.rule)
    }
  }

  @Test("A history that keeps all rules is left alone")
  func clean() throws {
    var story = try Story.together()
    for number in [story.send(by: story.p), story.send(by: story.q)] {
      for index in 0...1 { story.deliver(number, to: index) }
    }
    story.view(3, [story.p, story.q], .network, sets: [0, 0], to: 0)
    story.view(3, [story.p, story.q], .network, sets: [0, 0], to: 1)
    #expect(story.broken == [])
  }

  @Test("Group.View: one id for different members")
  func view() throws {
    var story = try Story.together()
    story.checker.signal("g", ending: ViewID(epoch: 1, origin: 1, index: 2), losing: ["n2"], to: 0)
    story.checker.signal("g", ending: ViewID(epoch: 1, origin: 1, index: 2), losing: ["n1"], to: 1)
    story.view(3, [story.p], .network, sets: [0], to: 0)
    story.view(3, [story.q], .network, sets: [0], to: 1)
    #expect(story.broken.contains(.groupView))
  }

  @Test("Group.SelfInclusion: a view without its receiver")
  func selfInclusion() throws {
    var story = try Story.together()
    story.view(3, [story.q], .leave(story.p), to: 0)
    #expect(story.broken.contains(.selfInclusion))
  }

  @Test("Group.Cut: a loss without a signal, and a signal without a loss")
  func cut() throws {
    var story = try Story.together()
    story.view(3, [story.p], .network, sets: [0], to: 0)
    #expect(story.broken == [.cut])
    story = try Story.together()
    story.checker.signal("g", ending: ViewID(epoch: 1, origin: 1, index: 2), losing: .empty, to: 0)
    #expect(story.broken == [.cut])
  }

  @Test("Group.CameTogether: who came along has not delivered the same")
  func cameTogether() throws {
    var story = try Story.together()
    let number = story.send(by: story.p)
    story.deliver(number, to: 0)
    story.view(3, [story.p, story.q], .network, sets: [0, 0], to: 0)
    story.view(3, [story.p, story.q], .network, sets: [0, 0], to: 1)
    #expect(story.broken.contains(.cameTogether))
  }

  @Test("Group.CameTogether: two members of one set hear differently of the other sets")
  func setsOfOthers() throws {
    var story = try Story.together()
    let r = MemberID(node: "n3", process: story.p.process)
    let s = MemberID(node: "n4", process: story.p.process)
    let all = [story.p, story.q, r, s].sorted()
    let own: Set = [story.p, story.q]
    let (one, two) = (all.map { own.contains($0) ? 0 : 1 }, [0, 0, 1, 2])
    story.view(3, all, .network, sets: one.map(UInt16.init), to: 0)
    story.view(3, all, .network, sets: one.map(UInt16.init), to: 1)
    #expect(story.broken == [])
    story = try Story.together()
    story.view(3, all, .network, sets: one.map(UInt16.init), to: 0)
    story.view(3, all, .network, sets: two.map(UInt16.init), to: 1)
    #expect(story.broken == [.cameTogether])
  }

  @Test("FIFO: all get two messages of one sender in the same wrong order")
  func fifo() throws {
    var story = try Story.together()
    let (first, second) = (story.send(by: story.p), story.send(by: story.p))
    for number in [second, first] {
      for index in 0...1 { story.deliver(number, to: index) }
    }
    #expect(story.broken == [.fifo, .fifo])
  }

  @Test("Group.Open: a message with another tag than it was sent with")
  func tag() throws {
    var story = try Story.together()
    let number = story.send(by: story.p)
    story.deliver(number, to: 0)
    #expect(story.broken == [])
    story.deliver(number, to: 1, tag: 2)
    #expect(story.broken == [.open])
  }

  @Test("Group.OneOrder: two processes disagree, or three of which no two do")
  func oneOrder() throws {
    var story = try Story.together()
    let (first, second) = (story.send(by: story.p), story.send(by: story.q))
    for number in [first, second] { story.deliver(number, to: 0) }
    for number in [second, first] { story.deliver(number, to: 1) }
    #expect(story.broken == [.oneOrder])
    story = try Story()
    _ = story.checker.add(story.q, at: 2)
    // Of three senders, or their own order would be broken too.
    let third = MemberID(node: "n3", process: story.p.process)
    let letters = [story.p, story.q, third].map { story.send(by: $0) }
    for index in 0..<3 {
      story.deliver(letters[index], to: index)
      story.deliver(letters[(index + 1) % 3], to: index)
    }
    #expect(story.broken == [.oneOrder])
  }

  @Test("Group.Open: twice, altered, or never sent")
  func open() throws {
    var story = try Story.together()
    let number = story.send(by: story.p)
    for _ in 0..<2 { story.deliver(number, to: 0) }
    story.deliver(number, to: 1)
    #expect(story.broken.first == .open)
    story = try Story.together()
    let other = story.send(by: story.p)
    for index in 0...1 { story.deliver(other, to: index, from: story.q) }
    #expect(story.broken == [.open, .open])
    story = try Story.together()
    let message = GroupMessage(sender: story.p, groups: ["g"], service: .agreed, payload: [])
    story.checker.message(message, number: 7, to: 0)
    #expect(story.broken == [.open])
  }

  @Test("Group.Id: members that stay together get different ids, or one id means two things")
  func groupID() throws {
    var story = try Story.together()
    story.view(3, [story.p, story.q], .network, sets: [0, 0], to: 0)
    story.view(4, [story.p, story.q], .network, sets: [0, 0], to: 1)
    #expect(story.broken.contains(.groupID))
    story = try Story.together()
    story.view(2, [story.p, story.q], .network, sets: [0, 0], to: 0)
    #expect(story.broken.contains(.groupID))
  }
}
