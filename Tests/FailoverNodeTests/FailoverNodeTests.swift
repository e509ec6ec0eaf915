// SPDX-License-Identifier: Apache-2.0

import Addresses
import Announcements
import Failover
import FailoverNode
import FailoverWire
import GroupModel
import LinkWire
import Machine
import Testing

/// One node alone: from its first view to its last frame.
@Suite struct FailoverNodeTests {
  private static let group: GroupName = "wack1"
  private static let me = MemberID(node: "a", process: NodeID("a").name)
  private static let hardware = MACAddress(0x0200_0000_0A01)
  private let eth0: InterfaceName
  private let vif: VirtualInterface

  init() throws {
    eth0 = try #require(InterfaceName("eth0"))
    let address = IPAddress.v4(IPv4Address(0x0A00_0065))
    let prefix = try #require(IPPrefix(address: address, length: 32))
    vif = try #require(
      VirtualInterface(addresses: [InterfaceAddress(interface: eth0, prefix: prefix)])
    )
  }

  /// A node of a group of one that has just been told to acquire its VIF.
  private func acquiring() -> Conversation {
    var settings = FailoverEngine.Settings(node: "a", group: Self.group, vifs: [vif])
    settings.mature = .seconds(1)
    var node = Conversation(FailoverNodeEngine(.init(failover: settings)))
    node.feed(.link(eth0, .up, Self.hardware))
    node.feed(.group(.connected(Self.me)))
    #expect(node.requests == [.join(Self.group)])
    let view = GroupView(
      group: Self.group,
      id: ViewID(epoch: 1, origin: 1, index: 1),
      members: [Self.me],
      cameTogether: [Self.me],
      cause: .join(Self.me)
    )
    node.feed(.group(.view(view)))
    #expect(node.effects.isEmpty)
    #expect(node.engine.nextDeadline == .boot + .seconds(1))
    node.advance(by: .seconds(1))
    node.returnMulticasts()
    #expect(node.effects == [.acquire(vif)])
    return node
  }

  @Test("What the kernel has acknowledged is announced at once, and for two seconds")
  func announces() {
    var node = acquiring()
    node.feed(.acquired(vif.id, .done))
    let address = IPv4Address(0x0A00_0065)
    let frames = [
      ARPPacket.gratuitousRequest(for: address, at: Self.hardware).framed().encoded(),
      ARPPacket.gratuitousReply(for: address, at: Self.hardware).framed().encoded(),
    ]
    #expect(node.effects == frames.map { .inject($0, on: eth0) })
    #expect(node.engine.status.vifs.first?.state == .held)
    var sent = 0
    for _ in 0..<20 {
      node.advance(by: .milliseconds(150))
      sent += node.effects.count
    }
    #expect(sent == 8)
  }

  @Test("A release cancels what is still to be announced, before the address goes")
  func cancels() {
    var node = acquiring()
    node.feed(.acquired(vif.id, .done))
    node.feed(.link(eth0, .noCarrier, Self.hardware))
    #expect(node.effects == [.release(vif)])
    node.feed(.released(vif.id, .done))
    node.returnMulticasts()
    node.advance(by: .seconds(5))
    #expect(node.effects.isEmpty)
    #expect(node.engine.status.vifs.first?.state == .uncovered)
  }

  @Test("Leaving releases, tells, disconnects, and only then departs")
  func leaves() {
    var node = acquiring()
    node.feed(.acquired(vif.id, .done))
    node.feed(.leave)
    #expect(node.effects == [.release(vif)])
    #expect(node.requests.isEmpty)
    node.feed(.released(vif.id, .done))
    #expect(node.requests.count == 1)
    node.returnMulticasts()
    #expect(node.requests == [.disconnect])
    node.feed(.group(.disconnected(.requested)))
    #expect(node.effects == [.departed])
    #expect(node.engine.nextDeadline == nil)
  }

  @Test("Members tell each other where they are, and nobody else is believed")
  func neighbors() throws {
    var settings = FailoverNodeEngine.Settings(
      failover: FailoverEngine.Settings(node: "a", group: Self.group, vifs: [vif])
    )
    settings.announcements.managed = [vif]
    var node = Conversation(FailoverNodeEngine(settings))
    node.feed(.link(eth0, .up, Self.hardware))
    node.feed(.group(.connected(Self.me)))
    let (b, c) = (
      MemberID(node: "b", process: NodeID("b").name), MemberID(node: "c", process: NodeID("c").name)
    )
    let view = GroupView(
      group: Self.group,
      id: ViewID(epoch: 1, origin: 1, index: 1),
      members: [Self.me, b],
      cameTogether: [Self.me],
      cause: .network
    )
    node.feed(.group(.view(view)))
    node.advance(by: .seconds(1))
    let reports = node.requests.compactMap { request -> NeighborsReport? in
      guard case .multicast([Self.group], _, _, let payload) = request else { return nil }
      return try? NeighborsReport(decoding: payload[...])
    }
    #expect(reports == [NeighborsReport(hardware: [Self.hardware], hosts: [])])
    let (theirs, strange) = (MACAddress(0x0200_0000_0A02), MACAddress(0x0200_0000_0AFF))
    for (sender, hardware) in [(c, strange), (b, theirs)] {
      let report = NeighborsReport(hardware: [hardware], hosts: [])
      let message = GroupMessage(
        sender: sender,
        groups: [Self.group],
        service: .agreed,
        tag: 0,
        payload: report.encoded()[...]
      )
      node.feed(.group(.message(message)))
    }
    for claimant in [theirs, strange] {
      for _ in 0..<3 {
        node.advance(by: .seconds(1))
        let claim = ARPPacket.gratuitousReply(for: IPv4Address(0x0A00_0065), at: claimant)
        node.feed(.received(claim.framed().encoded(), on: eth0))
      }
    }
    #expect(node.engine.conflicts.map(\.hardware) == [strange])
  }

  @Test("A refused address is taken back, and the node says why it does not hold it")
  func refused() {
    var node = acquiring()
    node.feed(.acquired(vif.id, .failed("no buffer space available")))
    #expect(node.effects == [.release(vif)])
    node.feed(.released(vif.id, .done))
    node.returnMulticasts()
    let status = node.engine.status
    #expect(status.vifs.first?.readiness == .cannotHold)
    #expect(status.vifs.first?.holder == nil)
    #expect(status.degraded.count == 1)
  }
}

/// A node, what it asked for, and the group's part of the talk.
private struct Conversation {
  var engine: FailoverNodeEngine
  var now = Instant.boot
  /// What followed from the last event, without requests and notes.
  var effects: [FailoverNodeEngine.Effect] = []
  /// What was asked of the group by the last event.
  var requests: [GroupRequest] = []

  init(_ engine: FailoverNodeEngine) { self.engine = engine }

  mutating func feed(_ event: FailoverNodeEngine.Event) {
    var queue = EffectQueue<FailoverNodeEngine.Effect>()
    engine.handle(event, at: now, into: &queue)
    take(queue.takeAll())
  }

  mutating func advance(by duration: Duration) {
    now += duration
    var queue = EffectQueue<FailoverNodeEngine.Effect>()
    engine.advance(to: now, into: &queue)
    take(queue.takeAll())
  }

  /// Delivers to the node what it has just multicast.
  mutating func returnMulticasts() {
    for request in requests {
      guard case .multicast(let groups, let service, let tag, let payload) = request,
        let me = engine.status.me
      else { continue }
      let message = GroupMessage(
        sender: me,
        groups: groups,
        service: service,
        tag: tag,
        payload: payload[...]
      )
      feed(.group(.message(message)))
    }
  }

  private mutating func take(_ all: [FailoverNodeEngine.Effect]) {
    effects = []
    requests = []
    for effect in all {
      switch effect {
      case .request(let request): requests.append(request)
      case .note, .proven, .dropped: break
      case .acquire, .release, .inject, .conflict, .answer, .keep, .departed: effects.append(effect)
      }
    }
  }
}
