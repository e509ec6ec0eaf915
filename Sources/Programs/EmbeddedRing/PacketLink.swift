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
  }

  package private(set) var drops = Drops()

  private let socket: UDPSocket
  /// Receives what is sent to the multicast group.
  private let groupSocket: UDPSocket?
  private let group: Endpoint?
  private let me: NodeID
  private let peers: [Member]
  private let cluster: UInt64
  private let boot: BootID
  private let sealer: PacketSealer?
  private var counter: UInt64 = 0

  /// Binds this node's own endpoint, which must be among `members`, and joins the group if any.
  ///
  /// Without a sealer datagrams are neither secret nor authentic.
  package init(
    me: NodeID,
    members: [Member],
    group: Group? = nil,
    cluster: UInt64,
    boot: BootID,
    sealer: PacketSealer?
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
    (self.me, self.cluster, self.boot, self.sealer) = (me, cluster, boot, sealer)
  }

  /// All reasons with their counts, those of the seal included.
  package var allDrops: [(reason: String, count: UInt64)] {
    var all = [
      ("malformed", drops.malformed), ("otherCluster", drops.otherCluster),
      ("stranger", drops.stranger), ("own", drops.own),
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

  /// Sends to one member; a node that is not configured is not sent to.
  package func send(_ packet: Packet, to node: NodeID) {
    guard let peer = peers.first(where: { $0.node == node }) else { return }
    socket.send(encode(packet), to: peer.endpoint)
  }

  /// Sends to those of the members that are configured, this node excepted.
  package func send(_ packet: Packet, to roster: Roster) {
    let datagram = encode(packet)
    if let group {
      // Members that are not meant drop it by its ring.
      socket.send(datagram, to: group)
      return
    }
    for peer in peers where roster.contains(peer.node) { socket.send(datagram, to: peer.endpoint) }
  }

  private func encode(_ packet: Packet) -> [UInt8] {
    if let sealer { return sealer.seal(packet) }
    counter += 1
    let header = DatagramHeader(kind: packet.kind, cluster: cluster, counter: counter, boot: boot)
    return Datagram.encode(packet, header: header)
  }

  private func open(_ bytes: [UInt8], from origin: Endpoint) -> Packet? {
    if let sealer {
      return sealer.open(bytes, from: origin) { socket.send($0, to: $1) }
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
    return packet
  }
}
