// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import GroupModel
import Machine
import RingWire
import Testing

@testable import Sealing

/// Members that exchange datagrams through an open wire, which keeps a copy of everything.
private struct Wire {
  struct Host {
    var engine: SealingEngine
    let endpoint: Endpoint
    let boot: BootID
    var counter: UInt64 = 0
    var accepted: [Packet] = []
    var deaths = 0
  }

  struct Datagram {
    let sealed: SealingEngine.Sealed
    let body: [UInt8]
  }

  var hosts: [NodeID: Host] = [:]
  var recorded: [Datagram] = []
  var now = Instant.boot
  private var boots: UInt64 = 0

  mutating func start(_ node: NodeID, among configured: Roster) {
    boots += 1
    let boot = BootID(boots, 2, 3, 4)
    let settings = SealingEngine.Settings(me: node, configured: configured, boot: boot, cluster: 9)
    let address = IPAddress.v4(IPv4Address(UInt32(truncatingIfNeeded: node.digest)))
    hosts[node] = Host(
      engine: SealingEngine(settings: settings, keys: [1], random: SplitMix64(seed: boots)),
      endpoint: Endpoint(address: address, port: 1),
      boot: boot
    )
  }

  /// Seals (in name only) a packet of one host.
  mutating func seal(_ body: [UInt8], kind: PacketKind, by node: NodeID) throws -> Datagram {
    let host = try #require(hosts[node])
    hosts[node]?.counter += 1
    let header = DatagramHeader(
      kind: kind,
      keyID: 1,
      cluster: 9,
      counter: host.counter + 1,
      boot: host.boot
    )
    let sealed = SealingEngine.Sealed(header: header, origin: host.endpoint)
    let datagram = Datagram(sealed: sealed, body: body)
    recorded.append(datagram)
    return datagram
  }

  /// Delivers a datagram and everything that follows from it.
  mutating func deliver(_ datagram: Datagram, to node: NodeID) throws {
    var effects = EffectQueue<SealingEngine.Effect>()
    hosts[node]?.engine.handle(.arrived(datagram.sealed), at: now, into: &effects)
    while !effects.isEmpty {
      for effect in effects.takeAll() {
        switch effect {
        case .open(let sealed):
          hosts[node]?.engine.handle(
            .opened(sealed, body: datagram.body[...]),
            at: now,
            into: &effects
          )
        case .accept(let packet): hosts[node]?.accepted.append(packet)
        case .believed, .buried: break
        case .reportedDead: hosts[node]?.deaths += 1
        case .send(let challenge, let endpoint):
          var writer = ByteWriter()
          challenge.write(to: &writer)
          let reply = try seal(writer.bytes, kind: .challenge, by: node)
          if let to = hosts.first(where: { $0.value.endpoint == endpoint })?.key {
            try deliver(reply, to: to)
          }
        }
      }
    }
  }

  mutating func beacon(from node: NodeID, to other: NodeID) throws {
    var writer = ByteWriter()
    let beacon = Beacon(sender: node, ring: RingID(sequence: 1, representative: node))
    Packet.beacon(beacon).write(to: &writer)
    try deliver(seal(writer.bytes, kind: .beacon, by: node), to: other)
  }

  /// What a guardian would send for the host, sealed when it is asked for.
  mutating func obituary(of node: NodeID, by sender: NodeID? = nil) throws -> Datagram {
    var writer = ByteWriter()
    Obituary(sender: node, incarnation: Incarnation(7)).write(to: &writer)
    return try seal(writer.bytes, kind: .obituary, by: sender ?? node)
  }

  func drops(_ reason: SealingEngine.Drop, at node: NodeID) -> UInt64 {
    hosts[node]?.engine.drops[reason.rawValue] ?? 0
  }
}

@Suite("Sealing believes live boots only")
struct SealingEngineTests {
  private let both: Roster = ["a", "b"]

  private func pair() throws -> Wire {
    var wire = Wire()
    wire.start("a", among: both)
    wire.start("b", among: both)
    try wire.beacon(from: "a", to: "b")
    return wire
  }

  @Test("The first datagram of a boot costs a challenge, the next is accepted")
  func challenge() throws {
    var wire = try pair()
    #expect(wire.hosts["b"]?.accepted.isEmpty == true)
    #expect(wire.drops(.unverifiedBoot, at: "b") == 1)
    try wire.beacon(from: "a", to: "b")
    #expect(wire.hosts["b"]?.accepted.count == 1)
  }

  @Test("A datagram is accepted once")
  func replayAtOnce() throws {
    var wire = try pair()
    try wire.beacon(from: "a", to: "b")
    let last = try #require(wire.recorded.last)
    try wire.deliver(last, to: "b")
    #expect(wire.hosts["b"]?.accepted.count == 1)
    #expect(wire.drops(.replayed, at: "b") == 1)
  }

  @Test("Nothing recorded before is accepted after a restart of the receiver")
  func replayAfterReceiverRestart() throws {
    var wire = try pair()
    try wire.beacon(from: "a", to: "b")
    let old = wire.recorded
    wire.start("b", among: both)
    // The sender is cut off: only the recording speaks.
    wire.hosts["a"] = nil
    for datagram in old {
      wire.now += .milliseconds(10)
      try wire.deliver(datagram, to: "b")
    }
    #expect(wire.hosts["b"]?.accepted.isEmpty == true)
  }

  @Test("What a live boot had sealed before it proved itself is not accepted after a restart here")
  func replayOfALiveBoot() throws {
    var wire = try pair()
    for _ in 0..<5 { try wire.beacon(from: "a", to: "b") }
    let old = wire.recorded
    wire.start("b", among: both)
    // The first is not believed yet, and has the boot proved.
    for _ in 0..<3 {
      wire.now += .milliseconds(10)
      try wire.beacon(from: "a", to: "b")
    }
    let accepted = wire.hosts["b"]?.accepted.count
    #expect((accepted ?? 0) > 0)
    for datagram in old {
      wire.now += .milliseconds(10)
      try wire.deliver(datagram, to: "b")
    }
    #expect(wire.hosts["b"]?.accepted.count == accepted)
    try wire.beacon(from: "a", to: "b")
    #expect(wire.hosts["b"]?.accepted.count == (accepted ?? 0) + 1)
  }

  @Test("Nothing of an earlier boot is accepted after a restart of the sender")
  func replayAfterSenderRestart() throws {
    var wire = try pair()
    try wire.beacon(from: "a", to: "b")
    let old = wire.recorded
    wire.start("a", among: both)
    try wire.beacon(from: "a", to: "b")
    try wire.beacon(from: "a", to: "b")
    #expect(wire.hosts["b"]?.accepted.count == 2)
    for datagram in old {
      wire.now += .milliseconds(10)
      try wire.deliver(datagram, to: "b")
    }
    #expect(wire.hosts["b"]?.accepted.count == 2)
    try wire.beacon(from: "a", to: "b")
    #expect(wire.hosts["b"]?.accepted.count == 3)
  }

  @Test("Other clusters, unknown keys and forgeries are counted and cost nothing else")
  func dropped() throws {
    var wire = try pair()
    let good = try #require(wire.recorded.first)
    let before = wire.hosts["b"]?.engine.believed
    func sealed(_ change: (inout DatagramHeader) -> Void) -> Wire.Datagram {
      var header = good.sealed.header
      change(&header)
      let sealed = SealingEngine.Sealed(header: header, origin: good.sealed.origin)
      return Wire.Datagram(sealed: sealed, body: good.body)
    }
    try wire.deliver(sealed { $0.cluster = 8 }, to: "b")
    try wire.deliver(sealed { $0.keyID = 3 }, to: "b")
    var effects = EffectQueue<SealingEngine.Effect>()
    wire.hosts["b"]?.engine.handle(.forged(good.sealed), at: wire.now, into: &effects)
    #expect(effects.isEmpty)
    #expect(wire.drops(.otherCluster, at: "b") == 1)
    #expect(wire.drops(.unknownKey, at: "b") == 1)
    #expect(wire.drops(.forged, at: "b") == 1)
    #expect(wire.hosts["b"]?.engine.believed == before)
  }

  @Test("A packet in another member's name is refused")
  func impersonation() throws {
    var wire = try pair()
    var writer = ByteWriter()
    let beacon = Beacon(sender: "b", ring: RingID(sequence: 1, representative: "b"))
    Packet.beacon(beacon).write(to: &writer)
    let forged = try wire.seal(writer.bytes, kind: .beacon, by: "a")
    try wire.deliver(forged, to: "b")
    #expect(wire.hosts["b"]?.accepted.isEmpty == true)
    #expect(wire.drops(.malformed, at: "b") == 1)
  }

  @Test("Boot ids under challenge are bounded")
  func bounded() throws {
    var wire = try pair()
    let good = try #require(wire.recorded.first)
    for boot in 0..<10_000 as Range<UInt64> {
      var header = good.sealed.header
      header.boot = BootID(boot, 9, 9, 9)
      let sealed = SealingEngine.Sealed(header: header, origin: good.sealed.origin)
      try wire.deliver(Wire.Datagram(sealed: sealed, body: good.body), to: "b")
    }
    #expect((wire.hosts["b"]?.engine.asked.count ?? 0) <= 64)
  }

  // MARK: - Obituaries

  @Test("An obituary sealed long before it is sent says that its boot is dead, once")
  func obituary() throws {
    var wire = try pair()
    let obituary = try wire.obituary(of: "a")
    // More datagrams than the replay window has room for.
    for _ in 0..<3_000 { try wire.beacon(from: "a", to: "b") }
    let before = wire.hosts["b"]?.accepted.count ?? 0
    for _ in 0..<3 { try wire.deliver(obituary, to: "b") }
    #expect(
      wire.hosts["b"]?.accepted.dropFirst(before)
        == [.departure(Departure(sender: "a", incarnation: Incarnation(7)))]
    )
    #expect(wire.drops(.dead, at: "b") == 2)
    #expect(wire.drops(.replayed, at: "b") == 0)
  }

  @Test("What the dead sent is not heard any more, and its next boot is")
  func deadIsIgnored() throws {
    var wire = try pair()
    try wire.beacon(from: "a", to: "b")
    try wire.deliver(wire.obituary(of: "a"), to: "b")
    let before = wire.hosts["b"]?.accepted.count
    for _ in 0..<3 {
      wire.now += .milliseconds(10)
      try wire.beacon(from: "a", to: "b")
    }
    #expect(wire.hosts["b"]?.accepted.count == before)
    #expect(wire.drops(.dead, at: "b") == 3)
    wire.start("a", among: both)
    try wire.beacon(from: "a", to: "b")
    try wire.beacon(from: "a", to: "b")
    #expect(wire.hosts["b"]?.accepted.count == (before ?? 0) + 1)
  }

  @Test("The obituary of an earlier boot does not touch the present one")
  func obituaryOfAnotherBoot() throws {
    var wire = try pair()
    let old = try wire.obituary(of: "a")
    wire.start("a", among: both)
    try wire.beacon(from: "a", to: "b")
    try wire.beacon(from: "a", to: "b")
    let before = wire.hosts["b"]?.accepted
    try wire.deliver(old, to: "b")
    #expect(wire.hosts["b"]?.accepted == before)
    try wire.beacon(from: "a", to: "b")
    #expect(wire.hosts["b"]?.accepted.count == (before?.count ?? 0) + 1)
  }

  @Test("Nobody writes another's obituary")
  func obituaryInAnotherName() throws {
    var wire = try pair()
    try wire.beacon(from: "b", to: "a")
    try wire.beacon(from: "b", to: "a")
    let before = wire.hosts["b"]?.accepted
    try wire.deliver(wire.obituary(of: "c", by: "a"), to: "b")
    try wire.deliver(wire.obituary(of: "b", by: "a"), to: "b")
    #expect(wire.hosts["b"]?.accepted == before)
    #expect(wire.drops(.malformed, at: "b") == 2)
    #expect(wire.hosts["b"]?.deaths == 0)
  }

  @Test("Who reads its own obituary is told")
  func ownObituary() throws {
    var wire = try pair()
    try wire.deliver(wire.obituary(of: "a"), to: "a")
    #expect(wire.hosts["a"]?.deaths == 1)
    // Anything else of one's own is only an echo.
    try wire.beacon(from: "a", to: "a")
    #expect(wire.hosts["a"]?.deaths == 1)
    #expect(wire.drops(.own, at: "a") == 1)
  }
}
