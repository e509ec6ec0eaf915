// SPDX-License-Identifier: Apache-2.0

import GroupModel
import GroupsWire
import Machine
import Testing

@testable import Groups

/// A daemon `a` beside `b`, with 100 groups in which both have a member.
@Suite("A change that concerns very many groups")
struct ManyGroupsTests {
  private static let count = 100
  private static let part = 10
  private var engine: GroupsEngine
  private var effects = EffectQueue<GroupsEngine.Effect>()
  private let own = NodeID("u").name
  private let other = NodeID("v").name

  init() throws {
    var settings = GroupsEngine.Settings(me: "a")
    settings.noticesAtOnce = Self.part
    engine = GroupsEngine(settings: settings)
    for sequence in UInt64(1)...2 {
      let members: Roster = sequence == 1 ? ["a"] : ["a", "b"]
      change(.regular(ring: ring(sequence), members: members, cameTogether: ["a"]))
    }
    // Nobody but `b` has had anything: its state ends the exchange.
    let chunks = [("a", ["a"]), ("b", ["b"])] as [(NodeID, Roster)]
    for (sender, set) in chunks {
      let chunk = StateChunk(ring: ring(2), speaksFor: set, number: 0, isLast: true, groups: [])
      hear(.state(chunk), from: sender)
    }
    engine.handle(.connect(own), at: .boot, into: &effects)
    for number in 0..<Self.count {
      let group = try #require(GroupName(text: "g\(100 + number)"))
      hear(.join(process: own, group: group), from: "a")
      hear(.join(process: other, group: group), from: "b")
    }
    try #require(engine.isSettled && engine.groupCount == Self.count && !engine.isBusy)
    _ = effects.takeAll()
  }

  private func ring(_ sequence: UInt64) -> RingID {
    RingID(sequence: sequence, representative: "a")
  }

  private mutating func change(_ event: GroupsEngine.RingEvent) {
    engine.handle(.ring(event), at: .boot, into: &effects)
  }

  private mutating func hear(_ message: GroupsMessage, from sender: NodeID) {
    let payload = message.bytes[...]
    change(.message(.init(sender: sender, service: .agreed, payload: payload)))
  }

  /// The groups that notices name, in their order, in parts of one call each.
  private mutating func parts() -> [[GroupName]] {
    var parts: [[GroupName]] = []
    while true {
      parts.append(effects.takeAll().compactMap(Self.group))
      guard engine.isBusy, parts.count < 1_000 else { return parts }
      engine.advance(to: .boot, into: &effects)
    }
  }

  private static func group(_ effect: GroupsEngine.Effect) -> GroupName? {
    guard case .deliver(let notice, _) = effect else { return nil }
    return switch notice {
    case .view(let view): view.group
    case .transitional(let group, _): group
    case .connected, .message, .left, .disconnected: nil
    }
  }

  private func expectAll(_ parts: [[GroupName]], sourceLocation: SourceLocation = #_sourceLocation)
  {
    let whole = parts.flatMap { $0 }
    #expect(
      whole == whole.sorted() && Set(whole).count == Self.count,
      sourceLocation: sourceLocation
    )
    #expect(parts.allSatisfy { $0.count <= Self.part }, sourceLocation: sourceLocation)
  }

  @Test("Signals and views of a lost daemon are given in parts, in the order of names")
  mutating func lostDaemon() {
    change(.transitional(to: ring(3), members: ["a"]))
    expectAll(parts())
    change(.regular(ring: ring(3), members: ["a"], cameTogether: ["a"]))
    expectAll(parts())
  }

  @Test("So are the views without a process that was in all of them")
  mutating func lostProcess() {
    let disconnects = engine.statistics.disconnects
    hear(.disconnect(process: other), from: "b")
    // Its name is not free before it is out of the last group.
    #expect(engine.statistics.disconnects == disconnects)
    expectAll(parts())
    #expect(engine.statistics.disconnects == disconnects + 1)
  }

  @Test(
    "What the ring delivers too early finds all done; what processes ask for goes out behind it"
  )
  mutating func tooEarly() throws {
    change(.transitional(to: ring(3), members: ["a"]))
    change(.regular(ring: ring(3), members: ["a"], cameTogether: ["a"]))
    _ = effects.takeAll()
    let group = try #require(GroupName(text: "g100"))
    engine.handle(.request(.leave(group), from: own), at: .boot, into: &effects)
    #expect(engine.held.requests == 1 && effects.isEmpty)
    hear(.leave(process: own, group: group), from: "a")
    let told = effects.takeAll()
    #expect(told.compactMap(Self.group).count == Self.count - Self.part)
    guard told.count > 1, case .submit = told[told.count - 2] else {
      Issue.record("\(told.suffix(2))")
      return
    }
    #expect(told.last == .deliver(.left(group), to: own))
    #expect(engine.held.requests == 0)
  }
}
