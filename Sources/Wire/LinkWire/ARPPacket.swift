// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import Bytes

/// An ARP packet for IPv4 over Ethernet (RFC 826).
package struct ARPPacket: Sendable, Hashable {
  package enum Operation: UInt16, Sendable, Hashable {
    case request = 1
    case reply = 2
  }

  package var operation: Operation
  package var senderHardware: MACAddress
  package var sender: IPv4Address
  package var targetHardware: MACAddress
  package var target: IPv4Address

  package init(
    operation: Operation,
    senderHardware: MACAddress,
    sender: IPv4Address,
    targetHardware: MACAddress,
    target: IPv4Address
  ) {
    self.operation = operation
    self.senderHardware = senderHardware
    self.sender = sender
    self.targetHardware = targetHardware
    self.target = target
  }

  /// The announcement as a request (RFC 5227 section 1.1): sender and target address are the same.
  package static func gratuitousRequest(
    for address: IPv4Address,
    at hardware: MACAddress
  ) -> Self {
    request(for: address, from: address, at: hardware)
  }

  /// The announcement as a reply: target and sender are the same in both addresses.
  ///
  /// With any other target hardware address a Linux neighbour ignores it within a second of its
  /// last update.
  package static func gratuitousReply(
    for address: IPv4Address,
    at hardware: MACAddress
  ) -> Self {
    Self(
      operation: .reply,
      senderHardware: hardware,
      sender: address,
      targetHardware: hardware,
      target: address
    )
  }

  /// Asks for `host` in the name of `address`: who is asked learns where that is, whatever it had
  /// cached (RFC 826).
  package static func request(
    for host: IPv4Address,
    from address: IPv4Address,
    at hardware: MACAddress
  ) -> Self {
    Self(
      operation: .request,
      senderHardware: hardware,
      sender: address,
      targetHardware: MACAddress(0),
      target: host
    )
  }

  /// Asks whether somebody has `address` (RFC 5227 section 2.1.1).
  package static func probe(for address: IPv4Address, from hardware: MACAddress) -> Self {
    request(for: address, from: IPv4Address(0), at: hardware)
  }

  /// Reads the payload of a frame; what follows the packet is padding.
  package init(decoding bytes: ArraySlice<UInt8>) throws(WireError) {
    var reader = ByteReader(bytes)
    guard try reader.read(UInt16.self) == 1 else { throw .malformed(field: "hardware type") }
    guard try reader.read(UInt16.self) == EthernetFrame.Kind.ipv4.rawValue else {
      throw .malformed(field: "protocol type")
    }
    guard try reader.read(UInt8.self) == 6 else { throw .malformed(field: "hardware length") }
    guard try reader.read(UInt8.self) == 4 else { throw .malformed(field: "protocol length") }
    let rawOperation = try reader.read(UInt16.self)
    guard let operation = Operation(rawValue: rawOperation) else {
      throw .unknown(field: "operation", value: UInt64(rawOperation))
    }
    self.operation = operation
    senderHardware = try reader.readHardware()
    sender = IPv4Address(try reader.read())
    targetHardware = try reader.readHardware()
    target = IPv4Address(try reader.read())
  }

  /// The payload of a frame.
  package func encoded() -> [UInt8] {
    var writer = ByteWriter(reserving: 28)
    writer.write(UInt16(1))
    writer.write(EthernetFrame.Kind.ipv4.rawValue)
    writer.write(UInt8(6))
    writer.write(UInt8(4))
    writer.write(operation.rawValue)
    writer.write(senderHardware.octets)
    writer.write(sender.rawValue)
    writer.write(targetHardware.octets)
    writer.write(target.rawValue)
    return writer.bytes
  }

  /// The packet in a frame, to everybody on the link if no destination is given.
  package func framed(to destination: MACAddress = .broadcast) -> EthernetFrame {
    EthernetFrame(
      destination: destination,
      source: senderHardware,
      kind: .arp,
      payload: encoded()
    )
  }
}
