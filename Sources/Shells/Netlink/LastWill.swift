// SPDX-License-Identifier: Apache-2.0

package import Addresses
import Glibc
package import Reactor
import Synchronization

/// The datagram that the guardian is to send when the daemon has died, and to whom, in memory that both
/// share.
///
/// The writer may be killed between any two instructions: it fills the place that is not in use, and
/// then says that it is, by one byte.
package final class LastWill {
  package struct Contents: Sendable, Equatable {
    package let datagram: [UInt8]
    /// The daemon's own address, from which it is sent.
    package let source: IPAddress
    package let recipients: [Endpoint]

    package init(datagram: [UInt8], source: IPAddress, recipients: [Endpoint]) {
      (self.datagram, self.source, self.recipients) = (datagram, source, recipients)
    }
  }

  /// The most recipients; those of the largest ring.
  package static let mostRecipients = 128
  /// The most bytes of the datagram.
  package static let longestDatagram = 512

  // Header: magic 0, place in use 8 (0: none, 1 or 2). Place: checksum 0, length 4, recipients 6,
  // source 8, datagram 32, recipients 544. An endpoint: family 0 (4 or 6), port 2, address 4. All in
  // the machine's own byte order.
  private static let magic: UInt64 = 0x316C_6C69_776B_6177
  private static let headerSize = 64
  private static let endpointSize = 20
  private static let placeSize = 32 + longestDatagram + mostRecipients * endpointSize
  private static let size = headerSize + 2 * placeSize

  private let memory: SharedMemory
  private var inUse: UInt8 = 0

  /// Makes an empty one: nothing is to be sent.
  package init() throws(SystemError) {
    memory = try SharedMemory(name: "wackamole-obituary", size: Self.size)
    memory.bytes.storeBytes(of: Self.magic, toByteOffset: 0, as: UInt64.self)
  }

  /// The descriptor of the memory, which lives as long as this does.
  package var descriptor: CInt { memory.descriptor.rawValue }

  /// Replaces what is to be sent, by nothing if `nil`; returns whether it fits.
  @discardableResult
  package func write(_ contents: Contents?) -> Bool {
    guard let contents else {
      use(0)
      return true
    }
    guard contents.datagram.count <= Self.longestDatagram,
      contents.recipients.count <= Self.mostRecipients
    else { return false }
    let next: UInt8 = inUse == 1 ? 2 : 1
    let place = Self.place(next, of: memory.bytes)
    place.initializeMemory(as: UInt8.self, repeating: 0)
    place.storeBytes(of: UInt16(contents.datagram.count), toByteOffset: 4, as: UInt16.self)
    place.storeBytes(of: UInt16(contents.recipients.count), toByteOffset: 6, as: UInt16.self)
    Self.write(Endpoint(address: contents.source, port: 0), into: place, at: 8)
    for (index, byte) in contents.datagram.enumerated() { place[32 + index] = byte }
    for (index, recipient) in contents.recipients.enumerated() {
      Self.write(recipient, into: place, at: Self.offset(ofRecipient: index))
    }
    let sum = Self.checksum(UnsafeRawBufferPointer(place))
    place.storeBytes(of: sum, toByteOffset: 0, as: UInt32.self)
    use(next)
    return true
  }

  private func use(_ place: UInt8) {
    atomicMemoryFence(ordering: .releasing)
    memory.bytes[8] = place
    atomicMemoryFence(ordering: .releasing)
    inUse = place
  }

  /// Reads what another process wrote, believing nothing that it does not check; `nil` if there is
  /// nothing to send.
  package static func contents(of bytes: UnsafeRawBufferPointer) -> Contents? {
    atomicMemoryFence(ordering: .acquiring)
    guard bytes.count == size, bytes.loadUnaligned(as: UInt64.self) == magic,
      (1...2).contains(bytes[8])
    else { return nil }
    let start = headerSize + (Int(bytes[8]) - 1) * placeSize
    let place = UnsafeRawBufferPointer(rebasing: bytes[start..<start + placeSize])
    let length = Int(place.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
    let count = Int(place.loadUnaligned(fromByteOffset: 6, as: UInt16.self))
    guard place.loadUnaligned(as: UInt32.self) == checksum(place),
      (1...longestDatagram).contains(length), count <= mostRecipients,
      let source = endpoint(in: place, at: 8)
    else { return nil }
    return Contents(
      datagram: [UInt8](place[32..<32 + length]),
      source: source.address,
      recipients: (0..<count).compactMap { endpoint(in: place, at: offset(ofRecipient: $0)) }
    )
  }

  private static func place(
    _ number: UInt8,
    of bytes: UnsafeMutableRawBufferPointer
  ) -> UnsafeMutableRawBufferPointer {
    let start = headerSize + (Int(number) - 1) * placeSize
    return UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + placeSize])
  }

  private static func offset(ofRecipient index: Int) -> Int {
    32 + longestDatagram + index * endpointSize
  }

  private static func write(
    _ endpoint: Endpoint,
    into place: UnsafeMutableRawBufferPointer,
    at offset: Int
  ) {
    let octets = endpoint.address.octets
    place[offset] = octets.count == 4 ? 4 : 6
    place.storeBytes(of: endpoint.port, toByteOffset: offset + 2, as: UInt16.self)
    for (index, octet) in octets.enumerated() { place[offset + 4 + index] = octet }
  }

  private static func endpoint(in place: UnsafeRawBufferPointer, at offset: Int) -> Endpoint? {
    let width = place[offset] == 4 ? 4 : 16
    let octets = place[offset + 4..<offset + 4 + width]
    guard place[offset] == 4 || place[offset] == 6,
      let address = IPAddress(octets: octets, family: width == 4 ? AF_INET : AF_INET6)
    else { return nil }
    let port = place.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self)
    return Endpoint(address: address, port: port)
  }

  /// The FNV-1a hash of a place without the checksum itself.
  private static func checksum(_ place: UnsafeRawBufferPointer) -> UInt32 {
    place.dropFirst(4).reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
  }
}

/// The guardian's side of a ``LastWill``: read only once the daemon is dead.
package struct InheritedWill: ~Copyable {
  private let memory: SharedMemory

  package init(_ descriptor: consuming Descriptor) throws(SystemError) {
    memory = try SharedMemory(inherited: descriptor)
  }

  /// What is to be sent; `nil` for nothing.
  package var contents: LastWill.Contents? {
    LastWill.contents(of: UnsafeRawBufferPointer(memory.bytes))
  }
}
