// SPDX-License-Identifier: Apache-2.0

import GroupConformance
import GroupModel
import GroupNode
import Groups
import Ring
import Testing

@Suite("Ring and groups as one machine")
struct GroupNodeTests {
  @Test("The embedded engine conforms", arguments: GroupConformance.scenarios.indices)
  func conformance(index: Int) {
    let scenario = GroupConformance.scenarios[index]
    for finding in scenario.run(NodeNetwork()) { Issue.record("\(scenario.name): \(finding)") }
  }

  @Test("The view without a lost daemon comes with the ring, by no message of its own")
  func departureOnly() {
    let network = NodeNetwork()
    for user in 0..<3 { _ = network.submit(.join("g"), by: user) }
    network.settle()
    let before = network.nodes[0]?.groups.statistics.exchangesBegun
    let messages = network.nodes[0]?.engine.statistics.messagesSubmitted
    network.crash(2)
    network.settle()
    #expect(network.nodes[0]?.groups.group("g")?.members.count == 2)
    #expect(network.nodes[0]?.groups.statistics.exchangesBegun == before)
    #expect(network.nodes[0]?.engine.statistics.messagesSubmitted == messages)
  }

  @Test("Processes besides the resident connect, use groups and go")
  func clients() throws {
    let network = NodeNetwork()
    let p = try #require(InlineName("p".utf8))
    _ = network.submit(.join("g"), by: 1)
    network.settle()
    network.feed(.connect(p), to: 0)
    network.feed(.client(p, .join("g")), to: 0)
    network.settle()
    let member = MemberID(node: "a", process: p)
    #expect(network.clientsTold[0].first == .connected(member))
    #expect(network.nodes[1]?.groups.group("g")?.members.count == 2)
    network.feed(.crash(p), to: 0)
    network.settle()
    guard case .view(let view)? = network.events(of: 1).last else {
      Issue.record("no view")
      return
    }
    #expect(view.cause == .disconnect(member))
    #expect(network.clientsTold[0].count == 2)
  }

  @Test("More than the ring has room for waits, is not lost, and is refused in time")
  func backPressure() {
    let network = NodeNetwork()
    _ = network.submit(.join("g"), by: 1)
    network.settle()
    var taken = 0
    let payload = [UInt8](repeating: 1, count: 1 << 20)
    while taken < 200 {
      let request = GroupRequest.multicast(
        groups: ["g"],
        service: .agreed,
        tag: 0,
        payload: payload
      )
      if let refusal = network.submit(request, by: 0) {
        #expect(refusal == .congested)
        break
      }
      taken += 1
    }
    #expect((10..<200).contains(taken))
    // The refused one had no effect; a disconnect is always taken.
    #expect(network.nodes[0]?.isCongested == true)
    for _ in 0..<60 where network.events(of: 1).count < taken + 2 { network.settle() }
    let messages = network.events(of: 1).filter { if case .message = $0 { true } else { false } }
    #expect(messages.count == taken)
    #expect(network.nodes[0]?.isCongested == false)
  }
}
