// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Testing

@Suite("GroupModel")
struct GroupModelTests {
  // MARK: - Names

  @Test("A node's name is 1 to 31 letters, digits, -, _ and .")
  func nodeNames() {
    for name in ["a", "web-1.example_x", String(repeating: "n", count: 31)] {
      #expect(NodeID(text: name)?.description == name)
    }
    for name in ["", String(repeating: "n", count: 32), "a b", "a#b", "é", "a\u{0}", "a/b", "a:b"] {
      #expect(NodeID(text: name) == nil, "\(name)")
    }
  }

  @Test("A group's name is 1 to 31 bytes from $ to ~")
  func groupNames() {
    for byte in UInt8.min ... .max {
      #expect((GroupName([byte]) != nil) == (0x24...0x7E).contains(byte))
    }
    #expect(GroupName(text: String(repeating: "g", count: 31)) != nil)
    #expect(GroupName(text: String(repeating: "g", count: 32)) == nil)
    #expect(GroupName(text: "") == nil)
  }

  @Test("Names in place keep their bytes and are in the order of their bytes")
  func inlineNames() throws {
    var random = SplitMix64(seed: 17)
    func draw() -> [UInt8] {
      let length = Int.random(in: 0...31, using: &random)
      return (0..<length).map { _ in UInt8.random(in: 1...3, using: &random) }
    }
    for _ in 0..<2_000 {
      let (left, right) = (draw(), draw())
      let names = (try #require(InlineName(left)), try #require(InlineName(right)))
      #expect(names.0.bytes == left)
      #expect((names.0 < names.1) == left.lexicographicallyPrecedes(right))
      #expect((names.0 == names.1) == (left == right))
    }
    #expect(InlineName([UInt8](repeating: 1, count: 32)) == nil)
    #expect(InlineName([1, 0, 1] as [UInt8]) == nil)
  }

  @Test("A digest is FNV-1a of the name, and two names with one digest exist")
  func digests() {
    #expect(NodeID("a").digest == 0xAF63_DC4C_8601_EC8C)
    #expect(NodeID("foobar").digest == 0x8594_4171_F739_67E8)
    #expect(NodeID("8yn0iYCKYHlIj4-BwPqk").digest == NodeID("GReLUrM4wMqfg9yzV3KQ").digest)
  }

  @Test("Members, rings and views are ordered by their parts from left to right")
  func identities() throws {
    let process = try (#require(InlineName("p".utf8)), #require(InlineName("q".utf8)))
    let members = [
      MemberID(node: "a", process: process.0), MemberID(node: "a", process: process.1),
      MemberID(node: "b", process: process.0),
    ]
    #expect(members == members.reversed().sorted())
    #expect(members[1].description == "#q#a")
    let rings = [
      RingID(sequence: 1, representative: "b"), RingID(sequence: 2, representative: "a"),
      RingID(sequence: 2, representative: "b"),
    ]
    #expect(rings == rings.reversed().sorted())
    #expect(rings[1].description == "2.a")
    #expect(ViewID(ring: rings[1], index: 1) < ViewID(ring: rings[1], index: 2))
    #expect(ViewID(ring: rings[1], index: 1) != ViewID(ring: rings[2], index: 1))
  }

  // MARK: - Roster

  @Test("Rosters are sets: every operation agrees with Swift's own Set")
  func rosterAlgebra() throws {
    var random = SplitMix64(seed: 23)
    let names = try (0..<12).map { try #require(NodeID(text: "n\($0)")) }
    func draw() -> [NodeID] {
      let count = Int.random(in: 0..<16, using: &random)
      return (0..<count).compactMap { _ in names.randomElement(using: &random) }
    }
    for _ in 0..<1_000 {
      let (left, right) = (draw(), draw())
      let (a, b) = (Set(left), Set(right))
      let (x, y) = (Roster(left), Roster(right))
      #expect(x.nodes == a.sorted())
      #expect(x.union(y).nodes == a.union(b).sorted())
      #expect(x.intersection(y).nodes == a.intersection(b).sorted())
      #expect(x.subtracting(y).nodes == a.subtracting(b).sorted())
      #expect(x.isSubset(of: y) == a.isSubset(of: b))
      #expect(x.isDisjoint(with: y) == a.isDisjoint(with: b))
      #expect((x == y) == (a == b))
      #expect(x.count == a.count && x.isEmpty == a.isEmpty && x.lowest == a.min())
      for node in names {
        #expect(x.contains(node) == a.contains(node))
        #expect(x.index(of: node) == a.sorted().firstIndex(of: node))
        #expect(x.inserting(node).nodes == a.union([node]).sorted())
        #expect(x.removing(node).nodes == a.subtracting([node]).sorted())
        #expect(x.successor(of: node) == (a.filter { $0 > node }.min() ?? a.min()))
      }
    }
  }

  @Test("Following successors visits every member once and comes back")
  func successors() {
    let roster: Roster = ["c", "a", "d", "b"]
    var visited: [NodeID] = []
    var node: NodeID = "c"
    for _ in 0..<roster.count {
      visited.append(node)
      node = roster.successor(of: node) ?? "z"
    }
    #expect(visited == ["c", "d", "a", "b"])
    #expect(node == "c")
    #expect(Roster(["a"]).successor(of: "a") == "a")
    #expect(Roster.empty.successor(of: "a") == nil)
    #expect(roster.description == "{a b c d}")
  }

  // MARK: - RingTimers

  @Test("Every profile satisfies its inequalities for the clusters it is made for")
  func profiles() {
    for members in 1...5 { #expect(RingTimers.fast.brokenInequalities(members: members) == []) }
    for members in 1...16 { #expect(RingTimers.lan.brokenInequalities(members: members) == []) }
    for members in 1...128 { #expect(RingTimers.wan.brokenInequalities(members: members) == []) }
  }

  @Test("Each inequality is found broken on its own, at the first value that breaks it")
  func brokenInequalities() {
    func broken(_ change: (inout RingTimers) -> Void, members: Int = 3) -> [String] {
      var timers = RingTimers.lan
      change(&timers)
      return timers.brokenInequalities(members: members)
    }
    #expect(broken { $0.beacon = .microseconds(83_333) } == [])
    #expect(broken { $0.beacon = .microseconds(83_334) } == ["3 x beacon <= token loss"])
    #expect(broken { $0.idleHold = .microseconds(48_499) } == [])
    #expect(
      broken { $0.idleHold = .microseconds(48_500) } == [
        "idle hold + a rotation < token retransmit"
      ]
    )
    #expect(
      broken { $0.tokenRetransmit = .milliseconds(51) } == ["5 x token retransmit <= token loss"]
    )
    #expect(broken { $0.join = .microseconds(83_333) } == [])
    #expect(
      broken { $0.join = .microseconds(83_334) } == ["3 x join + token loss / 5 < consensus"]
    )
    #expect(broken { $0.consensus = .milliseconds(251) } == [])
    #expect(broken { $0.consensus = .milliseconds(250) } == ["consensus > token loss"])
    #expect(broken { $0.commitLoss = .zero } == ["every time-out must be longer than 0"])
    #expect(broken { $0.announcement = .zero - .seconds(1) }.count == 1)
    #expect(broken({ _ in }, members: 39) == [])
    #expect(broken({ _ in }, members: 40) == ["idle hold + a rotation < token retransmit"])
  }
}
