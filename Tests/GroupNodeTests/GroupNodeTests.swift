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

  @Test("Two daemons that die at once are lost with one view")
  func twoDieAtOnce() {
    let network = NodeNetwork(hosts: 5)
    for user in 0..<5 { _ = network.submit(.join("g"), by: user) }
    network.settle()
    let before = (0..<3).map { network.events(of: $0).count }
    network.crash(1)
    network.crash(4)
    network.settle()
    for user in [0, 2] {
      let told = Array(network.events(of: user).dropFirst(before[user]))
      guard told.count == 2, told[0] == .transitional("g"), case .view(let view) = told[1] else {
        Issue.record("\(told)")
        continue
      }
      #expect(view.members.map(\.node) == ["a", "c", "d"])
      #expect(view.cameTogether == view.members)
    }
  }

  /// Hosts 0 to 2, each with a member of one group.
  private func joined() -> NodeNetwork {
    let network = NodeNetwork()
    for user in 0..<3 { _ = network.submit(.join("g"), by: user) }
    network.settle()
    return network
  }

  @Test("When all stood still and form the same ring anew, each hears that it stands, by no view")
  func standstillOfAll() {
    let network = joined()
    let events = (0..<3).map { network.events(of: $0).count }
    let ring = network.nodes[0]?.engine.ring
    network.standStill([0, 1, 2], for: .seconds(3))
    // Long enough for the token to be lost, not for a ring without the others.
    network.part([[0], [1], [2]])
    network.advance(.milliseconds(3_260))
    network.part([[0, 1, 2]])
    network.settle()
    #expect(network.nodes[0]?.engine.ring != ring)
    #expect(network.nodes[0]?.engine.members.count == 3)
    for user in 0..<3 {
      #expect(network.events(of: user).count == events[user])
      let livenesses = network.livenesses[user].map(\.liveness)
      #expect(livenesses.count { if case .stalled = $0 { true } else { false } } == 1)
      #expect(livenesses.count { $0 == .resumed } == 1)
      #expect(livenesses.last == .resumed)
    }
  }

  @Test("Who was voted out while it stood still hears that its ring stands after its view")
  func votedOut() {
    let network = joined()
    let before = network.events(of: 2).count
    network.standStill([2], for: .seconds(3))
    network.advance(.seconds(3))
    network.settle()
    guard case .view(let last)? = network.events(of: 2).last else {
      Issue.record("no view")
      return
    }
    #expect(last.members.count == 3)
    #expect(network.livenesses[0].isEmpty && network.livenesses[1].isEmpty)
    let livenesses = network.livenesses[2]
    #expect(livenesses.count == 3)
    #expect(livenesses.dropFirst().first?.liveness == .votedOut)
    guard let resumed = livenesses.last, resumed.liveness == .resumed,
      case .view(let view) = network.events(of: 2)[resumed.after - 1]
    else {
      Issue.record("\(livenesses)")
      return
    }
    #expect(resumed.after > before)
    #expect(view.members.map(\.node).contains("c"))
  }

  @Test("Who stood still while group tables were exchanged hears that all is well after the view")
  func standstillInExchange() {
    let network = joined()
    network.part([[0, 1], [2]])
    network.settle()
    network.part([[0, 1, 2]])
    func isExchanging(_ host: Int) -> Bool {
      guard let node = network.nodes[host] else { return false }
      return node.engine.phaseName == .operational && node.engine.members.count == 3
        && !node.groups.isSettled
    }
    for _ in 0..<100_000 where !isExchanging(1) { network.advance(.microseconds(20)) }
    #expect(isExchanging(1))
    network.standStill([0, 1, 2], for: .seconds(3))
    network.advance(.seconds(3))
    network.settle()
    for user in 0..<3 {
      guard case .view(let view)? = network.events(of: user).last else {
        Issue.record("no view")
        continue
      }
      #expect(view.members.count == 3)
      #expect(network.livenesses[user].count == 2)
      #expect(network.livenesses[user].last?.liveness == .resumed)
      #expect(network.livenesses[user].last?.after == network.events(of: user).count)
    }
  }

  @Test("A ring installed out of what had waited in the sockets is doubted until its token is back")
  func installedWhileDraining() {
    let tick = Duration.microseconds(20)
    /// Three that form the same ring anew, so that no tables are exchanged, when host 1 has been in
    /// Recovery for so many ticks, or at its end.
    func forming(stopAt limit: Int) -> (network: NodeNetwork, ticks: Int) {
      let network = joined()
      func isRecovering() -> Bool { network.nodes[1]?.engine.phaseName == .recovery }
      network.part([[0], [1], [2]])
      func isRunning(_ host: Int) -> Bool {
        network.nodes[host]?.engine.phaseName == .operational
      }
      for _ in 0..<100_000 where (0..<3).allSatisfy(isRunning) { network.advance(tick) }
      network.part([[0, 1, 2]])
      for _ in 0..<100_000 where !isRecovering() { network.advance(tick) }
      var ticks = 0
      while ticks < limit, isRecovering() {
        network.advance(tick)
        ticks += 1
      }
      return (network, ticks)
    }
    // The token that will end Recovery is under way to host 1.
    let network = forming(stopAt: forming(stopAt: 100_000).ticks - 2).network
    #expect(network.nodes[1]?.engine.phaseName == .recovery)
    network.standStill([0, 1, 2], for: .seconds(3))
    network.advance(.seconds(3))
    #expect(network.nodes[1]?.engine.phaseName == .operational)
    #expect(network.nodes[1]?.engine.isTrusted == false)
    #expect(network.nodes[1]?.groups.isSettled == true)
    network.settle()
    for user in 0..<3 {
      let signs = network.livenesses[user]
      #expect(signs.allSatisfy { $0.liveness != .resumed || $0.isTrusted })
      #expect(signs.count { $0.liveness == .resumed } == 1)
      #expect(network.nodes[user]?.groups.group("g")?.members.count == 3)
    }
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
