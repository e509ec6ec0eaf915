// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import GroupModel
import Machine
import Testing

/// A node that settles later: once for all events of one turn of its loop.
@Suite struct ManyVIFsTests {
  private let me = MemberID(node: "a", process: NodeID("a").name)
  private let now = Instant.boot + .seconds(100)

  private func engine(vifs count: Int) -> FailoverEngine {
    var settings = FailoverEngine.Settings(
      node: "a",
      group: Cluster.group,
      vifs: (0..<count).map { vif($0 + 1) }
    )
    settings.settlesLater = true
    return FailoverEngine(settings)
  }

  private func acquired(_ effects: [FailoverEngine.Effect]) -> [VIFID] {
    effects.compactMap { if case .acquire(let vif) = $0 { vif.id } else { nil } }
  }

  private func released(_ effects: [FailoverEngine.Effect]) -> [VIFID] {
    effects.compactMap { if case .release(let vif) = $0 { vif.id } else { nil } }
  }

  @Test("What follows for the interfaces waits until the end of the turn, and is due at once")
  func atTheEnd() {
    var engine = engine(vifs: 3)
    var effects = EffectQueue<FailoverEngine.Effect>()
    /// What one turn of a loop brings about: while its events come, and at its end.
    func turn(_ events: [FailoverEngine.Event], at now: Instant) -> [[FailoverEngine.Effect]] {
      for event in events { engine.handle(event, at: now, into: &effects) }
      let during = effects.takeAll()
      #expect(events.isEmpty || engine.nextDeadline == now)
      engine.advance(to: now, into: &effects)
      #expect(engine.nextDeadline != now)
      return [during, effects.takeAll()]
    }
    let view = GroupView(
      group: Cluster.group,
      id: ViewID(epoch: 1, origin: 1, index: 1),
      members: [me],
      cameTogether: [me],
      cause: .network
    )
    _ = turn([.link(eth0, .up), .group(.connected(me)), .group(.view(view))], at: now)
    var sent = turn([], at: now + .seconds(10))[1]
    var phases: [[FailoverEngine.Effect]] = []
    // Its own messages come back until it is mature and has what it may have.
    for _ in 0..<10 where phases.allSatisfy({ acquired($0).isEmpty }) {
      let messages = sent.compactMap { effect -> FailoverEngine.Event? in
        guard case .request(.multicast(_, _, _, let payload)) = effect else { return nil }
        return .group(
          .message(
            GroupMessage(
              sender: me,
              groups: [Cluster.group],
              service: .agreed,
              payload: payload[...]
            )
          )
        )
      }
      phases = turn(messages, at: now + .seconds(10))
      sent = phases.flatMap { $0 }
    }
    #expect(acquired(phases[0]).isEmpty && acquired(phases[1]) == (1...3).map { vif($0).id })
    phases = turn((1...3).map { .acquired(vif($0).id, .done) }, at: now + .seconds(11))
    #expect(phases[0].allSatisfy { if case .announce = $0 { false } else { true } })
    #expect(phases[1].count { if case .announce = $0 { true } else { false } } == 3)
    phases = turn([.group(.disconnected(.unreachable("gone")))], at: now + .seconds(12))
    #expect(released(phases[0]).isEmpty && released(phases[1]) == (1...3).map { vif($0).id })
  }
}
