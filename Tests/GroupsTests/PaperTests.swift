// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Groups
import Testing
import Worlds

/// The rules of process groups over the ring, each by its name in the specification (rules D).
@Suite("Rules of process groups")
struct PaperTests {
  @Test("Group.View: members that share a view id agree on its members and their order")
  func view() {
    let story = Story(2)
    story.rings([0, 1])
    let q = story.process("q", at: 1, in: "g")
    let p = story.process("p", at: 0, in: "g")
    #expect(story.hears(q) == ["g join q@b {q@b} came {q@b}", "g join p@a {p@a q@b} came {q@b}"])
    #expect(story.hears(p) == ["g join p@a {p@a q@b} came {p@a}"])
    #expect(story.id("g", of: p) == story.id("g", of: q))
    #expect(story.view("g", of: p)?.members == story.view("g", of: q)?.members)
    story.judge()
  }

  @Test("Group.SelfInclusion: a leave and a disconnect are told apart from views, to their own")
  func selfInclusion() {
    let story = Story(1)
    story.rings([0])
    let p = story.process("p", at: 0, in: "g", "h")
    let q = story.process("q", at: 0, in: "g", "h")
    story.skip()
    story.world.leave("g", by: p)
    story.world.send(["g"], by: q)
    story.world.settle()
    #expect(story.hears(p) == ["g left"])
    #expect(story.hears(q) == ["g leave p@a {q@a} came {q@a}", "message 0"])
    story.world.disconnect(p)
    story.world.settle()
    #expect(story.hears(p) == [])
    #expect(!story.world.checker.processes[p].isHearing)
    #expect(story.hears(q) == ["h disconnect p@a {q@a} came {q@a}"])
    story.judge()
  }

  @Test("Group.Cut: what loses members is signalled first, a merge without loss is not")
  func cut() {
    let story = Story(3)
    story.rings([0, 1, 2])
    let p = story.process("p", at: 0, in: "g", "own")
    let q = story.process("q", at: 1, in: "g")
    let r = story.process("r", at: 2, in: "g")
    story.skip()
    story.rings([0, 1], [2])
    #expect(story.hears(p) == ["g transitional", "g network {p@a q@b} came {p@a q@b}"])
    #expect(story.hears(q) == ["g transitional", "g network {p@a q@b} came {p@a q@b}"])
    #expect(story.hears(r) == ["g transitional", "g network {r@c} came {r@c}"])
    story.rings([0, 1, 2])
    #expect(story.hears(p) == ["g network {p@a q@b r@c} came {p@a q@b}"])
    #expect(story.hears(r) == ["g network {p@a q@b r@c} came {r@c}"])
    story.judge()
  }

  @Test("Group.Cut: two daemons lost at once cost one signal and one view, also to each of them")
  func twoLost() {
    let story = Story(5)
    story.rings([0, 1, 2, 3, 4])
    let processes = (0..<5).map { story.process("p", at: $0, in: "g") }
    story.skip()
    story.rings([0, 1, 2], [3], [4])
    for process in processes.prefix(3) {
      #expect(
        story.hears(process) == [
          "g transitional", "g network {p@a p@b p@c} came {p@a p@b p@c}",
        ]
      )
    }
    for (process, name) in [(processes[3], "p@d"), (processes[4], "p@e")] {
      #expect(story.hears(process) == ["g transitional", "g network {\(name)} came {\(name)}"])
    }
    story.judge()
  }

  @Test("Group.Cut: a change within the transitional period is a network view and a new signal")
  func changeInTransitionalPeriod() {
    let story = Story(3)
    story.rings([0, 1, 2])
    let p = story.process("p", at: 0, in: "g", "calm")
    let q = story.process("q", at: 1, in: "calm")
    _ = story.process("r", at: 2, in: "g")
    story.skip()
    // Ordered, and delivered by nobody before the ring ends.
    story.world.join("g", by: q)
    story.world.leave("calm", by: q)
    for _ in 0..<2 { _ = story.world.ring.order(1) }
    transit(story, staying: [0, 1])
    let inside = "g network {p@a q@b r@c} came {p@a}"
    #expect(
      story.hears(p) == [
        "g transitional", inside, "g transitional", "calm leave q@b {p@a} came {p@a}",
        "g network {p@a q@b} came {p@a q@b}",
      ]
    )
    #expect(
      story.hears(q) == [
        "g network {p@a q@b r@c} came {q@b}", "g transitional", "calm left",
        "g network {p@a q@b} came {p@a q@b}",
      ]
    )
    let sets = story.world.checker.processes[q].told.compactMap { told in
      if case .view(let view, _) = told, view.members.count == 3 { view } else { nil }
    }
    #expect(sets.first?.virtualSynchronySets.map(Story.text) == ["{p@a}", "{r@c}", "{q@b}"])
    #expect(sets.first?.ownSet == 2)
    story.judge()
  }

  @Test("Group.Cut: once those lost have left in order, no signal and no further view follows")
  func lostMemberLeaves() {
    let story = Story(3)
    story.rings([0, 1, 2])
    let p = story.process("p", at: 0, in: "g")
    let q = story.process("q", at: 1, in: "g")
    let r = story.process("r", at: 2, in: "g")
    story.skip()
    // Ordered, and delivered by nobody before the ring ends.
    story.world.leave("g", by: r)
    _ = story.world.ring.order(2)
    transit(story, staying: [0, 1])
    for process in [p, q] {
      #expect(story.hears(process) == ["g transitional", "g network {p@a q@b} came {p@a q@b}"])
    }
    story.judge()
  }

  /// The ring ends for `staying` with the signal before everything that is ordered; only those
  /// `arriving` come to the next one, if others are named.
  private func transit(
    _ story: Story,
    staying: [Int],
    arriving: [Int]? = nil,
    sequence: UInt64 = 99
  ) {
    let nodes = staying.map { story.world.ring.stations[$0].node }
    let log = story.world.ring.rings[story.world.ring.stations[staying[0]].ring].log
    let start = staying.map { story.world.ring.stations[$0].given }.max() ?? 0
    let ring = RingID(sequence: sequence, representative: nodes[0])
    let next = GroupsEngine.RingEvent.regular(
      ring: ring,
      members: Roster(nodes),
      cameTogether: Roster(nodes)
    )
    let rest = log[start...].map { entry in
      GroupsEngine.RingEvent.message(
        GroupsEngine.OrderedMessage(
          sender: story.world.ring.stations[entry.sender].node,
          service: entry.service,
          payload: entry.payload[...]
        )
      )
    }
    for station in arriving ?? staying {
      story.world.ring.stations[station].inbox =
        ([.transitional(to: ring, members: Roster(nodes))] + rest + [next]).map {
          OracleRing.Delivery(event: $0, ring: 0, place: -1, isTransitional: true)
        }
      while story.world.step(station) {}
    }
  }

  @Test("Group.CameTogether: after a merge of three each member learns its own set, and all sets")
  func cameTogether() {
    let story = Story(5)
    story.rings([0, 3], [1], [2, 4])
    let processes = (0..<5).map { story.process("p", at: $0, in: "g") }
    story.skip()
    story.rings([0, 1, 2, 3, 4])
    let all = "{p@a p@b p@c p@d p@e}"
    let own = ["{p@a p@d}", "{p@b}", "{p@c p@e}"]
    for (process, set) in zip(processes, [0, 1, 2, 0, 2]) {
      #expect(story.hears(process) == ["g network \(all) came \(own[set])"])
      #expect(story.view("g", of: process)?.virtualSynchronySets.map(Story.text) == own)
      #expect(story.view("g", of: process)?.ownSet == set)
    }
    story.judge()
  }

  @Test("Group.OneOrder: the views that follow a merge come in one order to all")
  func oneOrder() {
    let story = Story(2)
    story.rings([0], [1])
    let groups: [GroupName] = ["g3", "g1", "g2", "g4"]
    let p = story.process("p", at: 0)
    let q = story.process("q", at: 1)
    for group in groups { story.join(group, by: p) }
    for group in groups.reversed() { story.join(group, by: q) }
    story.skip()
    story.rings([0, 1])
    let names = ["g1", "g2", "g3", "g4"]
    #expect(story.hears(p).map { $0.prefix(2) } == names.map { $0.prefix(2) })
    #expect(story.hears(q).map { $0.prefix(2) } == names.map { $0.prefix(2) })
    story.judge()
  }

  @Test("Group.OneOrder: a disconnect is told in all groups in one order")
  func oneOrderOfDisconnect() {
    let story = Story(2)
    story.rings([0, 1])
    let gone = story.process("x", at: 0, in: "g2", "g3", "g1")
    let p = story.process("p", at: 0, in: "g1", "g2", "g3")
    let q = story.process("q", at: 1, in: "g3", "g2", "g1")
    story.skip()
    story.world.kill(gone)
    story.world.settle()
    let views = ["g1", "g2", "g3"].map { "\($0) disconnect x@a {p@a q@b} came {p@a q@b}" }
    #expect(story.hears(p) == views)
    #expect(story.hears(q) == views)
    story.judge()
  }

  @Test("Group.Open: senders need not be members, and each receiver gets one copy")
  func open() {
    let story = Story(2)
    story.rings([0, 1])
    let sender = story.process("s", at: 0)
    let p = story.process("p", at: 1, in: "g", "h")
    let q = story.process("q", at: 1, in: "h")
    let r = story.process("r", at: 0)
    story.skip()
    let privately = ["#p#b", "#r#a"].compactMap { GroupName(destination: Array($0.utf8)) }
    #expect(privately.count == 2)
    story.world.send(["g", "h", "g", "nobody"] + privately + privately, by: sender)
    story.world.send([privately[1]], by: sender)
    story.world.settle()
    #expect(story.hears(p) == ["message 0"])
    #expect(story.hears(q) == ["message 0"])
    #expect(story.hears(r) == ["message 0", "message 1"])
    #expect(story.hears(sender) == [])
    story.judge()
  }

  @Test("Group.Id: a group that was empty has a new id, and so has each side of a partition")
  func id() {
    let story = Story(2)
    story.rings([0, 1])
    let p = story.process("p", at: 0, in: "g")
    let first = story.id("g", of: p)
    story.world.leave("g", by: p)
    story.join("g", by: p)
    #expect(first != nil)
    #expect(story.id("g", of: p) != first)
    let q = story.process("q", at: 1, in: "g")
    #expect(story.id("g", of: p) == story.id("g", of: q))
    story.rings([0], [1])
    #expect(story.id("g", of: p) != story.id("g", of: q))
    story.judge()
  }

  @Test("Group.Id: who was to come along, and leaves the ring once more, has other ids")
  func idOfStranded() {
    let story = Story(3)
    story.rings([0, 1, 2])
    let p = story.process("p", at: 0, in: "g")
    let q = story.process("q", at: 1)
    let r = story.process("r", at: 2, in: "g")
    story.skip()
    story.world.join("g", by: q)
    _ = story.world.ring.order(1)
    // For c the ring is over, and a and b have come along: to a ring that these never reach.
    transit(story, staying: [0, 1, 2], arriving: [2], sequence: 98)
    transit(story, staying: [0, 1])
    #expect(story.hears(r) == ["g join q@b {p@a q@b r@c} came {p@a r@c}"])
    #expect(
      story.hears(p) == [
        "g transitional", "g network {p@a q@b r@c} came {p@a}", "g transitional",
        "g network {p@a q@b} came {p@a q@b}",
      ]
    )
    story.judge()
  }

  @Test("Group.Id: a group that a merge does not touch keeps its view, and says nothing")
  func untouchedGroup() {
    let story = Story(2)
    story.rings([0], [1])
    let p = story.process("p", at: 0, in: "g")
    let before = story.id("g", of: p)
    story.skip()
    story.rings([0, 1])
    #expect(story.hears(p) == [])
    #expect(story.world.engines[1]?.group("g")?.id == before)
    let q = story.process("q", at: 1, in: "g")
    #expect(story.hears(p) == ["g join q@b {p@a q@b} came {p@a}"])
    #expect(story.id("g", of: q) == story.id("g", of: p))
    story.judge()
  }
}
