// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import FailoverWire
import GroupModel
import Machine
import Testing

/// One engine on a shared backend, which says nothing of stalls.
@Suite struct BackendTests {
  @Test("A heartbeat that is delivered in a later view than it was sent in proves nothing")
  func staleProof() {
    var member = Member(vifs: 0)
    member.feed(.view(member.view(1)))
    member.now += .milliseconds(1)
    member.feed(.view(member.view(2)))
    let beats = member.takeBeats()
    #expect(beats.count == 2)
    member.now += .milliseconds(1)
    member.deliver(beats[0])
    #expect(member.proven.isEmpty)
    member.now += .milliseconds(1)
    member.deliver(beats[1])
    #expect(member.proven == [.boot + .milliseconds(1)], "it counts from when it was sent")
  }

  @Test("Alone after its daemon stood still, a member waits until it has met the others")
  func leftBehind() {
    for stood in [600, 4_000] {
      var member = Member(vifs: 1)
      member.feed(.view(member.view(1)))
      member.now += .seconds(10)
      member.feed(nil)
      member.returnAll()
      #expect(member.acquired == [vif(1).id])
      // Another takes part, its message comes, and then nothing more.
      let other = MemberID(node: "b", process: NodeID("b").name)
      member.feed(.view(member.view(2, with: [other])))
      member.returnAll()
      member.sent = []
      for _ in 0..<stood / 100 {
        member.now += .milliseconds(100)
        member.feed(nil)
      }
      member.acquired = []
      member.released = []
      member.feed(.view(member.view(3)))
      member.returnAll()
      let waits = stood > 1_000
      #expect(member.released == (waits ? [vif(1).id] : []), "\(stood) ms")
      member.now += .seconds(3)
      member.feed(nil)
      member.returnAll()
      #expect(member.acquired == (waits ? [vif(1).id] : []), "\(stood) ms")
    }
  }

  @Test("Who is out of its group without having asked for it holds nothing and joins again")
  func takenOut() {
    var member = Member(vifs: 1)
    #expect(member.joins == 1)
    member.feed(.view(member.view(1)))
    member.now += .seconds(10)
    member.feed(nil)
    member.returnAll()
    #expect(member.acquired == [vif(1).id])
    member.feed(.left("elsewhere"))
    #expect(member.joins == 1 && member.released.isEmpty)
    member.feed(.left(Cluster.group))
    #expect(member.joins == 2 && member.released == [vif(1).id])
  }
}

/// An engine alone with its backend.
private struct Member {
  let me = MemberID(node: "a", process: NodeID("a").name)
  var engine: FailoverEngine
  var now = Instant.boot
  /// Payloads that were multicast and have not been delivered.
  var sent: [[UInt8]] = []
  var proven: [Instant] = []
  var acquired: [VIFID] = []
  var released: [VIFID] = []
  /// How often it asked to join.
  var joins = 0

  init(vifs count: Int) {
    var settings = FailoverEngine.Settings(
      node: "a",
      group: Cluster.group,
      vifs: (0..<count).map { vif($0 + 1) }
    )
    settings.isShared = true
    engine = FailoverEngine(settings, isDrained: false)
    feed(.link(eth0, .up))
    feed(.group(.connected(me)))
  }

  mutating func feed(_ event: GroupEvent) { feed(.group(event)) }

  /// An event, or only that time has passed.
  mutating func feed(_ event: FailoverEngine.Event?) {
    var effects = EffectQueue<FailoverEngine.Effect>()
    if let event { engine.handle(event, at: now, into: &effects) }
    engine.advance(to: now, into: &effects)
    for effect in effects.takeAll() {
      switch effect {
      case .request(.multicast(_, _, _, let payload)): sent.append(payload)
      case .request(.join): joins += 1
      case .proven(let instant): proven.append(instant)
      case .acquire(let vif):
        acquired.append(vif.id)
        feed(.acquired(vif.id, .done))
      case .release(let vif):
        released.append(vif.id)
        feed(.released(vif.id, .done))
      default: break
      }
    }
  }

  func view(_ index: UInt32, with others: [MemberID] = []) -> GroupView {
    GroupView(
      group: Cluster.group,
      id: ViewID(epoch: 1, origin: 1, index: index),
      members: [me] + others,
      cameTogether: [me],
      cause: .network
    )
  }

  mutating func deliver(_ payload: [UInt8]) {
    let message = GroupMessage(
      sender: me,
      groups: [Cluster.group],
      service: .agreed,
      payload: payload[...]
    )
    feed(.message(message))
  }

  /// Delivers what was multicast, and what follows from that.
  mutating func returnAll() {
    while !sent.isEmpty { deliver(sent.removeFirst()) }
  }

  /// The heartbeats among what was multicast.
  mutating func takeBeats() -> [[UInt8]] {
    defer { sent = [] }
    return sent.filter { payload in
      guard case .heartbeat = try? FailoverMessage(decoding: payload[...]) else { return false }
      return true
    }
  }
}
