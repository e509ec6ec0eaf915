// SPDX-License-Identifier: Apache-2.0

import Addresses
import EmbeddedRing
import GroupModel
import GroupNode
import Machine
import Reactor
import Ring
import RingWire
import Testing

@Suite("The embedded engine")
struct EmbeddedRingTests {
  /// What the handler saw, and whether it was within a call.
  private final class Seen {
    var events: [GroupEvent] = []
    var isCalling = false
    var withinCalls = 0
  }

  @Test("tells who submits of nothing within the call, and of everything after it, in order")
  func nothingWithin() throws {
    let loop = try EventLoop()
    let me: NodeID = "a"
    let address = IPAddress.v4(IPv4Address(0x7F00_0001))
    let link = try PacketLink(
      me: me,
      members: [.init(node: me, endpoint: Endpoint(address: address, port: 0))],
      cluster: 1,
      boot: BootID(1, 2, 3, 4),
      sealer: nil
    )
    let process = try #require(InlineName("user".utf8))
    let node = GroupNode(
      settings: RingEngine.Settings(me: me, configured: [me], timers: .fast),
      process: process,
      storedSequenceBound: 1,
      random: SplitMix64(seed: 1),
      startingAt: BootClock.now
    )
    var made: EmbeddedRing?
    let ring = try EmbeddedRing(
      node: node,
      link: link,
      loop: loop,
      store: { made?.stored($0) },
      noted: { _ in },
      groupsNoted: { _ in }
    )
    made = ring
    let seen = Seen()
    ring.deliver { event in
      if case .liveness = event { return }
      seen.events.append(event)
      if seen.isCalling { seen.withinCalls += 1 }
    }
    func submit(_ request: GroupRequest) throws {
      seen.isCalling = true
      defer { seen.isCalling = false }
      try ring.submit(request)
    }
    func turns(until isDone: () -> Bool) throws {
      let end = BootClock.now + .seconds(30)
      while !isDone(), BootClock.now < end {
        try loop.turn(until: BootClock.now + .milliseconds(50))
      }
      #expect(isDone(), "\(seen.events)")
    }
    try turns { ring.engine?.phaseName == .operational && !seen.events.isEmpty }
    try submit(.join("g"))
    for tag in 1...3 as ClosedRange<Int16> {
      try submit(.multicast(groups: ["g"], service: .agreed, tag: tag, payload: [7]))
    }
    try submit(.disconnect)
    try turns { seen.events.last == .disconnected(.requested) }
    let tags = seen.events.compactMap {
      if case .message(let message) = $0 { message.tag } else { nil }
    }
    #expect(tags == [1, 2, 3])
    #expect(seen.withinCalls == 0)
  }
}
