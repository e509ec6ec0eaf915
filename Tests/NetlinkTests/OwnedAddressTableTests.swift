// SPDX-License-Identifier: Apache-2.0

import Addresses
import Glibc
import Namespaces
import Reactor
import Testing

@testable import Netlink

@Suite("The guardian's table")
struct OwnedAddressTableTests {
  private let one = OwnedAddress(index: 2, address: address("10.0.0.101/32"))
  private let two = OwnedAddress(
    index: 7,
    address: address("2001:db8::1/64", on: "a-longest-name0")
  )

  /// A copy of the table as another process would map it.
  private func bytes(of table: OwnedAddressTable) throws -> [UInt8] {
    let copy = table.withDescriptor { dup($0) }
    let memory = try SharedMemory(inherited: Descriptor(adopting: copy))
    return Array(memory.bytes)
  }

  private func contents(_ bytes: [UInt8]) throws -> OwnedAddressTable.Contents {
    try bytes.withUnsafeBytes { try OwnedAddressTable.contents(of: $0) }
  }

  @Test("What is noted is read back, through another mapping")
  func roundTrip() throws {
    let table = try OwnedAddressTable(capacity: 4)
    #expect(table.willAdd(one))
    #expect(table.willAdd(two))
    #expect(table.willAdd(one))
    #expect(
      try contents(bytes(of: table)) == .init(isClean: false, addresses: [one, two], rejected: 0)
    )
    #expect(!table.markClean())
    table.didRemove(one)
    #expect(try contents(bytes(of: table)).addresses == [two])
    table.didRemove(two)
    table.didRemove(two)
    #expect(table.markClean())
    #expect(try contents(bytes(of: table)) == .init(isClean: true, addresses: [], rejected: 0))
  }

  @Test("A full table refuses, and has room again after a removal")
  func full() throws {
    let table = try OwnedAddressTable(capacity: 1)
    #expect(table.willAdd(one))
    #expect(!table.willAdd(two))
    table.didRemove(one)
    #expect(table.willAdd(two))
  }

  @Test("A torn entry is never acted on: every byte of an entry is covered")
  func torn() throws {
    let table = try OwnedAddressTable(capacity: 2)
    #expect(table.willAdd(one))
    #expect(table.willAdd(two))
    let whole = try bytes(of: table)
    for offset in 128..<192 {
      var torn = whole
      torn[offset] ^= 0x40
      let seen = try contents(torn)
      #expect(seen.addresses == [one])
      // A damaged mark makes the entry a free one; any other damage is noticed.
      #expect(seen.rejected == (offset == 128 ? 0 : 1))
    }
  }

  @Test("Bytes that are no table are refused with the reason, whatever they are")
  func garbage() throws {
    let whole = try bytes(of: OwnedAddressTable(capacity: 2))
    #expect(throws: OwnedAddressTable.FormatError.tooShort(10)) {
      try contents([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    }
    var other = whole
    other[0] ^= 1
    #expect(throws: OwnedAddressTable.FormatError.unknownFormat) { try contents(other) }
    other = whole
    other[8] = 3
    #expect(throws: OwnedAddressTable.FormatError.wrongCapacity(3)) { try contents(other) }
    var random = SystemRandomNumberGenerator()
    for _ in 0..<2_000 {
      var noise = whole
      for offset in 64..<noise.count { noise[offset] = UInt8.random(in: 0...255, using: &random) }
      (noise[64], noise[128]) = (0xA5, 0xA5)
      #expect(try contents(noise).addresses == [])
    }
  }

  @Test("A child cannot be handed something that could shrink under it")
  func unsealed() throws {
    let path = "\(temporaryFolder)/wack-table-\(getpid())"
    let fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    unlink(path)
    // A noncopyable value cannot pass through the macro's closure.
    var refusal: SystemError?
    do throws(SystemError) {
      _ = try SharedMemory(inherited: Descriptor(adopting: fd))
    } catch {
      refusal = error
    }
    #expect(refusal == SystemError("map shared memory", Errno(EINVAL)))
  }
}
