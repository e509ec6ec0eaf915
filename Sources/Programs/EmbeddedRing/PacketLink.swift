// SPDX-License-Identifier: Apache-2.0

package import Addresses
import Bytes
package import GroupModel
package import Reactor
package import RingWire
package import Seal
package import Transport

/// The ring's packets on the wire: one UDP socket, and the addresses of the configured members.
///
/// Sealed datagrams are judged by a ``PacketSealer``. Others that are not of this cluster, not of a configured member or do not come from that
/// member's address are dropped and counted.
package final class PacketLink {
  package struct Member: Sendable, Equatable {
    package let node: NodeID
    package let endpoint: Endpoint

    package init(node: NodeID, endpoint: Endpoint) {
      (self.node, self.endpoint) = (node, endpoint)
    }
  }

  /// A multicast group that reaches all members, on the interface of this node's own address.
  package struct Group: Sendable, Equatable {
    package let address: IPAddress
    package let interface: InterfaceName
    /// Whether other members run on this machine.
    package let isLocal: Bool

    package init(address: IPAddress, interface: InterfaceName, isLocal: Bool) {
      (self.address, self.interface, self.isLocal) = (address, interface, isLocal)
    }
  }

  /// Datagrams that were not handed up, by reason.
  package struct Drops: Sendable, Equatable {
    package fileprivate(set) var malformed: UInt64 = 0
    package fileprivate(set) var otherCluster: UInt64 = 0
    /// From a node that is not configured, or from an address that is not that node's.
    package fileprivate(set) var stranger: UInt64 = 0
    package fileprivate(set) var own: UInt64 = 0
    /// From a run of a member that an obituary has reported dead.
    package fileprivate(set) var dead: UInt64 = 0
  }

  package private(set) var drops = Drops()

  private let socket: UDPSocket
  /// Receives what is sent to the multicast group.
  private let groupSocket: UDPSocket?
  private let group: Endpoint?
  private let me: NodeID
  /// To whom packets go, and from whom they are taken; not this node.
  private var peers: [Member]
  /// The members that the ring engine has configured.
  private var configured: [Member]
  /// Those that it is to have.
  private var proposed: [Member]?
  private let cluster: UInt64
  private let boot: BootID
  private let sealer: PacketSealer?
  /// Where nothing is sealed: what is known of the members' boots, and whether obituaries are believed
  /// all the same.
  private var boots = BootRegister()
  private var believesObituaries: Bool
  private var counter: UInt64 = 0
  /// What goes out with the next ``flush()``: for each of ``peers``, and last for the group.
  private var outboxes: [[[UInt8]]]
  /// Which of ``outboxes`` hold something, in the order in which that came.
  private var filled: [Int] = []

  /// Told when others were told that this run of the member is dead, and do not listen to it any more.
  package var reportedDead: () -> Void = {} {
    didSet { sealer?.reportedDead = reportedDead }
  }

  /// Told which member's guardian says that it died and its addresses are gone, before the ring hears
  /// of it.
  package var died: (NodeID) -> Void = { _ in } {
    didSet { sealer?.died = died }
  }

  /// Binds this node's own endpoint, which must be among `members`, and joins the group if any.
  ///
  /// Without a sealer datagrams are neither secret nor authentic; obituaries are then only sent and
  /// believed if `obituaries` is set. Sealed ones always are.
  package init(
    me: NodeID,
    members: [Member],
    group: Group? = nil,
    cluster: UInt64,
    boot: BootID,
    sealer: PacketSealer?,
    obituaries: Bool = false
  ) throws(SystemError) {
    guard let own = members.first(where: { $0.node == me }) else {
      throw SystemError("find the address of \(me) among the members", Errno(22))
    }
    if let group {
      let endpoint = Endpoint(address: group.address, port: own.endpoint.port)
      var options = UDPSocket.Options()
      options.interface = group.interface
      socket = try UDPSocket(bind: own.endpoint, options: options)
      try socket.prepareMulticastSend(loopback: group.isLocal)
      options.reuseAddress = true
      let receiver = try UDPSocket(bind: endpoint, options: options)
      try receiver.join(group.address)
      (groupSocket, self.group) = (receiver, endpoint)
    } else {
      socket = try UDPSocket(bind: own.endpoint)
      (groupSocket, self.group) = (nil, nil)
    }
    peers = members.filter { $0.node != me }
    configured = members
    outboxes = Array(repeating: [], count: peers.count + 1)
    (self.me, self.cluster, self.boot, self.sealer) = (me, cluster, boot, sealer)
    believesObituaries = obituaries
  }

  /// Without a sealer: whether obituaries are believed from now on, and can be made.
  package func believe(obituaries: Bool) { believesObituaries = obituaries }

  /// All reasons with their counts, those of the seal included.
  package var allDrops: [(reason: String, count: UInt64)] {
    var all = [
      ("malformed", drops.malformed), ("otherCluster", drops.otherCluster),
      ("stranger", drops.stranger), ("own", drops.own), ("dead", drops.dead),
    ]
    if let sealer {
      all = sealer.drops.map { ("\($0.0)", $0.1) }
    }
    return all.map { (reason: $0.0, count: $0.1) }
  }

  /// What the socket counted.
  package var statistics: UDPStatistics { socket.statistics }

  /// Hands packets to `receive` as they arrive.
  package func deliver(
    on loop: EventLoop,
    to receive: @escaping (Packet) -> Void
  ) throws(SystemError) {
    for socket in [socket, groupSocket].compactMap(\.self) {
      _ = try socket.deliver(on: loop) { [self] bytes, origin in
        if let packet = open(bytes, from: origin) { receive(packet) }
      }
    }
  }

  /// Hands over every packet that waits in the socket.
  package func drain(to receive: (Packet) -> Void) {
    for socket in [socket, groupSocket].compactMap(\.self) {
      socket.drain { bytes, origin in
        if let packet = open(bytes, from: origin) { receive(packet) }
      }
    }
  }

  /// Goes over to other keys; on failure, and on an unsealed link, nothing changes.
  package func replace(keys: [ClusterKey]) throws(SubKey.Failure) {
    try sealer?.replace(keys: keys)
  }

  /// Lets packets go to and come from these members as well, until the engine has taken them on or not.
  ///
  /// This node's own address stays.
  package func propose(members: [Member]) {
    proposed = members
    let names = Roster(members.map(\.node))
    reach(members + configured.filter { !names.contains($0.node) })
  }

  /// Takes notice of what the engine made of the members proposed last.
  package func settle(areTaken: Bool) {
    if areTaken, let proposed { configured = proposed }
    proposed = nil
    reach(configured)
  }

  /// What was sent before goes where it was to go.
  private func reach(_ members: [Member]) {
    flush()
    peers = members.filter { $0.node != me }
    outboxes = Array(repeating: [], count: peers.count + 1)
    sealer?.replace(members: Roster(members.map(\.node)))
  }

  /// Sends to one member with the next ``flush()``; a node that is not configured is not sent to.
  package func send(_ packet: Packet, to node: NodeID) {
    guard let place = peers.firstIndex(where: { $0.node == node }) else { return }
    put(encode(packet), in: place)
  }

  /// Sends with the next ``flush()`` to those of the members that are configured, this node excepted.
  package func send(_ packet: Packet, to roster: Roster) {
    let datagram = encode(packet)
    if group != nil {
      // Members that are not meant drop it by its ring.
      put(datagram, in: peers.count)
      return
    }
    for place in peers.indices where roster.contains(peers[place].node) { put(datagram, in: place) }
  }

  private func put(_ datagram: [UInt8], in place: Int) {
    if outboxes[place].isEmpty { filled.append(place) }
    outboxes[place].append(datagram)
  }

  /// Gives the kernel what was sent, for each member in its order.
  ///
  /// To be called when all that follows from an event has been sent (``Driver/settled``): what goes to
  /// the same member then goes together.
  package func flush() {
    for place in filled {
      let endpoint = place < peers.count ? peers[place].endpoint : group
      if let endpoint { socket.send(outboxes[place], to: endpoint) }
      outboxes[place].removeAll(keepingCapacity: true)
    }
    filled.removeAll(keepingCapacity: true)
  }

  /// The datagram by which a guardian tells the others that this run has died; `nil` where they
  /// would not believe it.
  package func obituary(of incarnation: Incarnation) -> [UInt8]? {
    let obituary = Obituary(sender: me, incarnation: incarnation)
    if let sealer { return sealer.seal(obituary) }
    guard believesObituaries else { return nil }
    var writer = ByteWriter(reserving: 128)
    nextHeader(.obituary).write(to: &writer)
    obituary.write(to: &writer)
    return writer.bytes
  }

  private func encode(_ packet: Packet) -> [UInt8] {
    if let sealer { return sealer.seal(packet) }
    return Datagram.encode(packet, header: nextHeader(packet.kind))
  }

  private func nextHeader(_ kind: PacketKind) -> DatagramHeader {
    counter += 1
    return DatagramHeader(kind: kind, cluster: cluster, counter: counter, boot: boot)
  }

  /// Takes an unsealed obituary: of the boot that a member was last heard with, or of our own.
  private func bury(_ bytes: [UInt8], from origin: Endpoint) -> Packet? {
    guard let header = try? DatagramHeader(decoding: bytes[...]), header.keyID == 0,
      let obituary = try? Obituary(decoding: bytes.dropFirst(DatagramHeader.size))
    else {
      drops.malformed &+= 1
      return nil
    }
    guard header.cluster == cluster else {
      drops.otherCluster &+= 1
      return nil
    }
    if header.boot == boot, obituary.sender == me {
      reportedDead()
      return nil
    }
    // The guardian cannot use the port while the daemon's socket is being closed.
    guard
      peers.contains(where: {
        $0.node == obituary.sender && $0.endpoint.address == origin.address
      }), boots.bury(header.boot, of: obituary.sender)
    else {
      drops.stranger &+= 1
      return nil
    }
    died(obituary.sender)
    return .departure(obituary.departure)
  }

  private func open(_ bytes: [UInt8], from origin: Endpoint) -> Packet? {
    if let sealer {
      return sealer.open(bytes, from: origin) { socket.send($0, to: $1) }
    }
    if believesObituaries, bytes.dropFirst().first == PacketKind.obituary.rawValue {
      return bury(bytes, from: origin)
    }
    guard let (header, packet) = try? Datagram.decode(bytes[...]) else {
      drops.malformed &+= 1
      return nil
    }
    guard header.cluster == cluster else {
      drops.otherCluster &+= 1
      return nil
    }
    guard packet.sender != me else {
      drops.own &+= 1
      return nil
    }
    guard peers.contains(where: { $0.node == packet.sender && $0.endpoint == origin }) else {
      drops.stranger &+= 1
      return nil
    }
    guard boots.admit(header.boot, of: packet.sender) else {
      drops.dead &+= 1
      return nil
    }
    return packet
  }
}
