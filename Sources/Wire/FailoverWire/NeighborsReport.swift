// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import Bytes

/// Where the sender is on its links, and which hosts it has seen there: what members tell each other so
/// that whoever takes a VIF over can tell its clients, and nobody takes a member for a stranger.
///
/// It goes to the same group as the messages of fail-over, of which it is kind 12; who does not know it
/// ignores it.
package struct NeighborsReport: Sendable, Hashable {
  package struct Host: Sendable, Hashable {
    package var neighbor: Neighbor
    /// How long ago it was seen, in seconds.
    package var age: UInt16

    package init(_ neighbor: Neighbor, age: UInt16) { (self.neighbor, self.age) = (neighbor, age) }
  }

  static let kind: UInt8 = 12
  /// The most that a report may hold.
  package static let mostAddresses = 64
  package static let mostHosts = 512

  /// The hardware addresses of the sender's interfaces; at most ``mostAddresses``.
  package var hardware: [MACAddress]
  /// At most ``mostHosts``.
  package var hosts: [Host]

  package init(hardware: [MACAddress], hosts: [Host]) {
    (self.hardware, self.hosts) = (hardware, hosts)
  }

  /// Whether a payload is one, good or not.
  package static func isFound(in payload: ArraySlice<UInt8>) -> Bool {
    payload.dropFirst().first == kind
  }

  /// The bytes of the message; what is beyond the limits is left out.
  package func encoded() -> [UInt8] {
    var writer = ByteWriter(reserving: 8 + 6 * hardware.count + 13 * hosts.count)
    writer.write(FailoverMessage.version)
    writer.write(Self.kind)
    let hardware = hardware.prefix(Self.mostAddresses)
    writer.write(UInt8(truncatingIfNeeded: hardware.count))
    for address in hardware { writer.write(address.octets) }
    let hosts = hosts.prefix(Self.mostHosts)
    writer.write(UInt16(truncatingIfNeeded: hosts.count))
    for host in hosts {
      let octets = host.neighbor.address.octets
      writer.write(UInt8(truncatingIfNeeded: octets.count))
      writer.write(octets)
      writer.write(host.neighbor.hardware.octets)
      writer.write(host.age)
    }
    return writer.bytes
  }

  /// Reads a message; a later version may add fields at the end.
  package init(decoding bytes: ArraySlice<UInt8>) throws(WireError) {
    var reader = ByteReader(bytes)
    let version = try reader.read(UInt8.self)
    guard version >= 1 else { throw .unknown(field: "version", value: UInt64(version)) }
    let kind = try reader.read(UInt8.self)
    guard kind == Self.kind else { throw .unknown(field: "kind", value: UInt64(kind)) }
    let addresses = Int(try reader.read(UInt8.self))
    guard addresses <= Self.mostAddresses else { throw .malformed(field: "hardware addresses") }
    hardware = []
    for _ in 0..<addresses { hardware.append(try reader.readStation()) }
    let count = Int(try reader.read(UInt16.self))
    guard count <= Self.mostHosts else { throw .malformed(field: "hosts") }
    hosts = []
    for _ in 0..<count {
      let address: IPAddress
      switch try reader.read(UInt8.self) {
      case 4: address = .v4(IPv4Address(try reader.read()))
      case 16: address = .v6(IPv6Address(try reader.read()))
      case let width: throw .unknown(field: "address width", value: UInt64(width))
      }
      let hardware = try reader.readStation()
      hosts.append(Host(Neighbor(address, at: hardware), age: try reader.read()))
    }
    if version <= FailoverMessage.version { try reader.finish() }
  }
}

extension ByteReader {
  /// Reads the hardware address of one station.
  fileprivate mutating func readStation() throws(WireError) -> MACAddress {
    guard let address = MACAddress(octets: try readSlice(count: 6)), address.isOneStation else {
      throw .malformed(field: "hardware address")
    }
    return address
  }
}
