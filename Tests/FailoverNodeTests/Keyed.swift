// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import FailoverNode
import FailoverWire
import GroupModel
import Machine
import Testing

/// A node with keys on a shared backend; what it multicasts comes back at once unless it is held.
struct Keyed {
  static let group: GroupName = "wack1"
  static let me = MemberID(node: "a", process: NodeID("wack1").name)
  static let peer = MemberID(node: "b", process: NodeID("wack2").name)
  static let stranger = MemberID(node: "b", process: NodeID("evil").name)
  static let view = ViewID(epoch: 5, origin: 1, index: 1)
  static let hardware = MACAddress(0x0200_0000_0A01)
  static let keys = FakeAuthenticator(keys: [(7, 1)])

  let eth0: InterfaceName
  let vif: VirtualInterface
  var engine: FailoverNodeEngine
  private(set) var now = Instant.boot
  /// What followed from the last event, without requests, notes and proofs.
  private(set) var effects: [FailoverNodeEngine.Effect] = []
  private(set) var notes: [FailoverEngine.Note] = []
  private(set) var requests: [GroupRequest] = []
  /// Whether multicasts stay on their way.
  var isHolding = false
  /// All that was multicast and delivered, and what is on its way.
  private(set) var sent: [[UInt8]] = []
  private(set) var held: [[UInt8]] = []
  /// What the peer said at each exchange.
  private(set) var states: [[UInt8]] = []
  /// Whether the node has been told to put its address on.
  private(set) var acquired = false
  private var members = [Self.me]
  private var viewID = Self.view
  private var peerCounter: UInt64 = 0

  init(seal: PayloadSeal? = PayloadSeal(Self.keys)) throws {
    eth0 = try #require(InterfaceName("eth0"))
    let address = IPAddress.v4(IPv4Address(0x0A00_0065))
    let prefix = try #require(IPPrefix(address: address, length: 32))
    vif = try #require(
      VirtualInterface(addresses: [InterfaceAddress(interface: eth0, prefix: prefix)])
    )
    var failover = FailoverEngine.Settings(node: "a", group: Self.group, vifs: [vif])
    failover.isShared = true
    failover.mature = .seconds(3_600)
    var settings = FailoverNodeEngine.Settings(failover: failover)
    settings.seal = seal
    engine = FailoverNodeEngine(settings)
    feed(.link(eth0, .up, Self.hardware))
    feed(.group(.connected(Self.me)))
  }

  /// A view of this node and a peer that holds nothing, and their exchange.
  mutating func meet(in id: ViewID = Self.view) {
    install(id)
    let record = MemberRecord(member: Self.peer, mature: false, facts: Facts(vifs: []))
    let report = StateReport(view: id, records: [record], lastMove: MoveID(0), claims: [])
    let state = sealed(.state(report))
    states.append(state)
    deliver(state)
    #expect(!acquired, "nobody is mature")
  }

  mutating func install(
    _ id: ViewID,
    members: [MemberID] = [Self.me, Self.peer],
    together: [MemberID] = [Self.me]
  ) {
    (viewID, self.members) = (id, members)
    let view = GroupView(
      group: Self.group,
      id: id,
      members: members,
      cameTogether: together,
      cause: .network
    )
    feed(.group(.view(view)))
  }

  /// The peer's message in an envelope of the present view, or of another one of the same members;
  /// bare if this node has no keys.
  mutating func sealed(
    _ message: FailoverMessage,
    in view: ViewID? = nil,
    by keys: FakeAuthenticator? = nil
  ) -> [UInt8] {
    guard engine.seal?.sendsSealed ?? false || keys != nil else { return message.encoded() }
    let keys = keys ?? Self.keys
    peerCounter += 1
    var envelope = Envelope(
      keyID: keys.keyID,
      counter: peerCounter,
      view: view ?? viewID,
      tag: PayloadTag(0, 0),
      payload: message.encoded()[...]
    )
    let text = envelope.statement(group: Self.group, members: members, sender: Self.peer)
    envelope.tag = keys.tag(of: text)
    return envelope.encoded()
  }

  mutating func deliver(_ payload: [UInt8], from sender: MemberID = Self.peer) {
    let message = GroupMessage(
      sender: sender,
      groups: [Self.group],
      service: .agreed,
      payload: payload[...]
    )
    feed(.group(.message(message)))
  }

  /// The kernel has put the address on, and takes it off as soon as it is asked.
  mutating func release() {
    feed(.acquired(vif.id, .done))
    feed(.released(vif.id, .done))
    acquired = false
  }

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

  private mutating func take(_ all: [FailoverNodeEngine.Effect]) {
    (effects, notes, requests) = ([], [], [])
    var returning: [[UInt8]] = []
    for effect in all {
      switch effect {
      case .request(let request):
        requests.append(request)
        guard case .multicast(_, _, _, let payload) = request else { continue }
        if isHolding { held.append(payload) } else { returning.append(payload) }
      case .note(let note): notes.append(note)
      case .acquire: acquired = true
      case .proven: break
      case .release, .inject, .conflict, .answer, .keep, .dropped, .departed: effects.append(effect)
      }
    }
    let said = (effects, notes, requests)
    for payload in returning {
      sent.append(payload)
      deliver(payload, from: Self.me)
    }
    (effects, notes, requests) = said
  }
}
