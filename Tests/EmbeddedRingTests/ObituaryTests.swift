// SPDX-License-Identifier: Apache-2.0

import Addresses
import EmbeddedRing
import GroupModel
import Machine
import Reactor
import RingWire
import Testing
import Transport

@Suite("Obituaries where nothing is sealed")
struct ObituaryTests {
  private static let port: UInt16 = 4_805

  private func endpoint(_ host: UInt32, port: UInt16 = port) -> Endpoint {
    Endpoint(address: .v4(IPv4Address(0x7F00_0500 + host)), port: port)
  }

  private func link(_ me: NodeID, boot: UInt64, obituaries: Bool) throws -> PacketLink {
    try PacketLink(
      me: me,
      members: [
        .init(node: "a", endpoint: endpoint(1)), .init(node: "b", endpoint: endpoint(2)),
      ],
      cluster: 1,
      boot: BootID(boot, 2, 3, 4),
      sealer: nil,
      obituaries: obituaries
    )
  }

  @Test(
    "They are believed from when they are to be, of whom was heard before that too, and no longer"
  )
  func believed() throws {
    let loop = try EventLoop()
    let listener = try link("a", boot: 1, obituaries: false)
    let member = try link("b", boot: 2, obituaries: true)
    var heard: [Packet] = []
    var died: [NodeID] = []
    listener.died = { died.append($0) }
    try listener.deliver(on: loop) { heard.append($0) }
    func turns(until isDone: () -> Bool) throws {
      let end = BootClock.now + .seconds(10)
      while !isDone(), BootClock.now < end {
        try loop.turn(until: BootClock.now + .milliseconds(20))
      }
      #expect(isDone(), "\(heard) \(died) \(listener.drops)")
    }
    let beacon = Beacon(sender: "b", ring: RingID(sequence: 4, representative: "a"))
    member.send(.beacon(beacon), to: "a")
    member.flush()
    try turns { heard.count == 1 }
    let obituary = try #require(member.obituary(of: Incarnation(9)))
    // The guardian cannot use the daemon's port.
    let guardian = try UDPSocket(bind: endpoint(2, port: 0))
    guardian.send(obituary, to: endpoint(1))
    try turns { listener.drops.malformed == 1 }
    #expect(died.isEmpty && listener.obituary(of: Incarnation(7)) == nil)
    listener.believe(obituaries: true)
    #expect(listener.obituary(of: Incarnation(7)) != nil)
    guardian.send(obituary, to: endpoint(1))
    try turns { heard.count == 2 }
    #expect(
      died == ["b"] && heard.last == .departure(Departure(sender: "b", incarnation: Incarnation(9)))
    )
    listener.believe(obituaries: false)
    guardian.send(obituary, to: endpoint(1))
    try turns { listener.drops.malformed == 2 }
  }
}
