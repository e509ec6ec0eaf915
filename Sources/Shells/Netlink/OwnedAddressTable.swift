// SPDX-License-Identifier: Apache-2.0

import Addresses
import Glibc
package import Reactor
import Synchronization

/// The addresses the daemon has or is about to have, in memory that it shares with its guardian.
///
/// The writer may be killed between any two instructions. So an entry is filled while it is marked
/// free, the mark is set last, and a checksum covers the rest; and it is freed by its mark alone.
/// A reader therefore sees each entry either whole or not at all.
package final class OwnedAddressTable: AddressJournal {
  /// What a reader found.
  package struct Contents: Sendable, Equatable {
    /// The daemon has removed everything and is about to end.
    package var isClean: Bool
    package var addresses: [OwnedAddress]
    /// Entries that are marked as valid and are not; nothing is done about them.
    package var rejected: Int
  }

  /// Why memory is not a table.
  package enum FormatError: Error, Sendable, Equatable {
    case tooShort(Int)
    case unknownFormat
    case wrongCapacity(UInt32)
  }

  package static let defaultCapacity = 8_192

  // Header: magic 0, capacity 8, clean 12. Entry: state 0, family 1, prefix length 2, length of
  // the name 3, interface index 4, generation 8, checksum 12, address 16, name 32. All in the
  // machine's own byte order, for reader and writer are on one machine.
  private static let magic: UInt64 = 0x3164_7267_6B63_6177
  private static let headerSize = 64
  private static let entrySize = 64
  private static let valid: UInt8 = 0xA5

  private struct State: ~Copyable {
    let memory: SharedMemory
    var slots: [OwnedAddress: Int] = [:]
    var free: [Int]
    var generation: UInt32 = 0
  }

  private let state: Mutex<State>

  /// Makes an empty table for at most `capacity` addresses.
  package init(capacity: Int = defaultCapacity) throws(SystemError) {
    let size = Self.headerSize + capacity * Self.entrySize
    let memory = try SharedMemory(name: "wackamole-addresses", size: size)
    memory.bytes.storeBytes(of: UInt32(capacity), toByteOffset: 8, as: UInt32.self)
    memory.bytes.storeBytes(of: Self.magic, toByteOffset: 0, as: UInt64.self)
    state = Mutex(State(memory: memory, free: Array((0..<capacity).reversed())))
  }

  // MARK: - Writing

  package func willAdd(_ address: OwnedAddress) -> Bool {
    state.withLock { state in
      if state.slots[address] != nil { return true }
      guard let slot = state.free.popLast() else { return false }
      state.slots[address] = slot
      state.generation &+= 1
      Self.write(
        address,
        generation: state.generation,
        into: Self.entry(slot, of: state.memory.bytes)
      )
      return true
    }
  }

  package func didRemove(_ address: OwnedAddress) {
    state.withLock { state in
      guard let slot = state.slots.removeValue(forKey: address) else { return }
      Self.entry(slot, of: state.memory.bytes).storeBytes(of: 0, as: UInt8.self)
      atomicMemoryFence(ordering: .releasing)
      state.free.append(slot)
    }
  }

  /// Tells the reader that there is nothing left to do; returns false if that is not so.
  package func markClean() -> Bool {
    state.withLock { state in
      guard state.slots.isEmpty else { return false }
      state.memory.bytes.storeBytes(of: 1, toByteOffset: 12, as: UInt8.self)
      atomicMemoryFence(ordering: .releasing)
      return true
    }
  }

  /// How many addresses are noted.
  package var count: Int { state.withLock { $0.slots.count } }

  /// Hands the descriptor of the memory to `body`, which may duplicate it and must not close it.
  package func withDescriptor<Result, Failure: Error>(
    _ body: (CInt) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result {
    try state.withLock { state throws(Failure) in try body(state.memory.descriptor.rawValue) }
  }

  private static func entry(
    _ slot: Int,
    of bytes: UnsafeMutableRawBufferPointer
  ) -> UnsafeMutableRawBufferPointer {
    let start = headerSize + slot * entrySize
    return UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + entrySize])
  }

  private static func write(
    _ address: OwnedAddress,
    generation: UInt32,
    into entry: UnsafeMutableRawBufferPointer
  ) {
    let prefix = address.address.prefix
    let name = Array(address.address.interface.text.utf8)
    entry.storeBytes(of: 0, as: UInt8.self)
    atomicMemoryFence(ordering: .releasing)
    entry[1] = prefix.address.family == AF_INET ? 4 : 6
    entry[2] = UInt8(truncatingIfNeeded: prefix.length)
    entry[3] = UInt8(truncatingIfNeeded: name.count)
    entry.storeBytes(of: address.index, toByteOffset: 4, as: UInt32.self)
    entry.storeBytes(of: generation, toByteOffset: 8, as: UInt32.self)
    for offset in 16..<entrySize { entry[offset] = 0 }
    for (offset, octet) in prefix.address.octets.enumerated() { entry[16 + offset] = octet }
    for (offset, byte) in name.prefix(16).enumerated() { entry[32 + offset] = byte }
    entry.storeBytes(
      of: checksum(UnsafeRawBufferPointer(entry)),
      toByteOffset: 12,
      as: UInt32.self
    )
    atomicMemoryFence(ordering: .releasing)
    entry[0] = valid
    atomicMemoryFence(ordering: .releasing)
  }

  // MARK: - Reading

  /// Reads a table, believing nothing of it that it does not check.
  package static func contents(
    of bytes: UnsafeRawBufferPointer
  ) throws(FormatError) -> Contents {
    atomicMemoryFence(ordering: .acquiring)
    guard bytes.count >= headerSize else { throw .tooShort(bytes.count) }
    guard bytes.loadUnaligned(as: UInt64.self) == magic else { throw .unknownFormat }
    let capacity = bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
    guard UInt64(capacity) * UInt64(entrySize) + UInt64(headerSize) == UInt64(bytes.count)
    else { throw .wrongCapacity(capacity) }
    var contents = Contents(isClean: bytes[12] == 1, addresses: [], rejected: 0)
    for slot in 0..<Int(capacity) {
      let start = headerSize + slot * entrySize
      guard bytes[start] == valid else { continue }
      let entry = UnsafeRawBufferPointer(rebasing: bytes[start..<start + entrySize])
      if let address = read(entry) {
        contents.addresses.append(address)
      } else {
        contents.rejected += 1
      }
    }
    return contents
  }

  private static func read(_ entry: UnsafeRawBufferPointer) -> OwnedAddress? {
    let width = entry[1] == 4 ? 4 : 16
    let index = entry.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
    guard entry.loadUnaligned(fromByteOffset: 12, as: UInt32.self) == checksum(entry),
      entry[1] == 4 || entry[1] == 6, (1...15).contains(entry[3]), index > 0,
      let name = InterfaceName(
        String(decoding: entry[32..<32 + Int(entry[3])], as: UTF8.self)
      ),
      let address = IPAddress(
        octets: entry[16..<16 + width],
        family: width == 4 ? AF_INET : AF_INET6
      ),
      let prefix = IPPrefix(address: address, length: Int(entry[2]))
    else { return nil }
    return OwnedAddress(
      index: index,
      address: InterfaceAddress(interface: name, prefix: prefix)
    )
  }

  /// The FNV-1a hash of an entry without its mark and the checksum itself.
  private static func checksum(_ entry: UnsafeRawBufferPointer) -> UInt32 {
    var hash: UInt32 = 0x811C_9DC5
    for offset in 1..<entrySize where !(12..<16).contains(offset) {
      hash = (hash ^ UInt32(entry[offset])) &* 0x0100_0193
    }
    return hash
  }
}
