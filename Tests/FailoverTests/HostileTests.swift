// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import FailoverWire
import GroupModel
import Machine
import Testing

/// Members that send nonsense in good form: nothing traps, and the cluster recovers without them.
@Suite struct HostileTests {
  @Test("Damaged and replayed messages cost counters, and a new connection heals all")
  func nonsense() {
    var random = SplitMix64(seed: 31)
    for round in 0..<40 {
      var cluster = Cluster(nodes: ["a", "b", "c"], vifs: 3)
      cluster.heal()
      cluster.run(for: .seconds(6))
      var corpus = honestMessages(of: &cluster)
      for _ in 0..<120 {
        guard var payload = corpus.randomElement(using: &random) else { break }
        for _ in 0..<Int.random(in: 0...4, using: &random) {
          payload[Int.random(in: payload.indices, using: &random)] ^=
            1 << UInt8.random(in: 0...7, using: &random)
        }
        if corpus.count < 200 { corpus.append(payload) }
        let sender = Int.random(in: 0...2, using: &random)
        let message = GroupMessage(
          sender: cluster.nodes[sender].member,
          groups: [Cluster.group],
          service: .agreed,
          payload: payload[...]
        )
        for index in cluster.nodes.indices { cluster.feed(.group(.message(message)), to: index) }
        if Int.random(in: 0..<20, using: &random) == 0 { cluster.heal() }
        cluster.run(for: .milliseconds(Int.random(in: 0...300, using: &random)))
      }
      // The same engines begin anew when the backend returns.
      cluster.violations = []
      for index in cluster.nodes.indices { cluster.reconnect(index) }
      cluster.heal()
      cluster.run(for: .seconds(20))
      #expect(cluster.coverage == ["a", "b", "c"], "round \(round)")
    }
  }

  /// What the members say when they merge, balance and lose an interface.
  private func honestMessages(of cluster: inout Cluster) -> [[UInt8]] {
    let members = cluster.nodes.map(\.member)
    let view = cluster.nodes[0].installed ?? ViewID(epoch: 0, origin: 0, index: 0)
    var messages: [FailoverMessage] = [.mature]
    if let table = cluster.nodes[0].engine?.replicated {
      messages.append(.state(table))
      for record in table.records {
        var facts = record.facts
        facts.serial += 1
        messages.append(.facts(FactsReport(facts: facts, withdrawn: table.claims.map(\.vif))))
      }
    }
    for (index, vif) in cluster.vifs.enumerated() {
      let move = BalanceReport.Move(vif: vif.id, from: members[index], to: members[(index + 1) % 3])
      messages.append(.balance(BalanceReport(view: view, moves: [move])))
      for id in 1...3 {
        messages.append(.released(vif.id, MoveID(UInt64(id))))
        messages.append(.moveFailed(vif.id, MoveID(UInt64(id))))
        messages.append(.cancel(vif.id, MoveID(UInt64(id)), members[index]))
      }
    }
    return messages.map { $0.encoded() }
  }
}
