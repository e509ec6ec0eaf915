// SPDX-License-Identifier: Apache-2.0

import Addresses
import Glibc
import Testing

@testable import Netlink

/// What a daemon finds of an earlier one of the same boot.
@Suite struct OwnedAddressFileTests {
  private struct NoJournal: AddressJournal {
    func willAdd(_ address: OwnedAddress) -> Bool { true }
    func didRemove(_ address: OwnedAddress) {}
  }

  /// A path that no other test has, in a folder that exists.
  private static func withPath(_ body: (String) throws -> Void) throws {
    let path = "/tmp/owned-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
    defer {
      unlink(path)
      unlink(path + ".new")
    }
    try body(path)
  }

  private static func owned(_ octet: UInt8, _ index: UInt32 = 3) -> OwnedAddress {
    OwnedAddress(index: index, address: address("192.0.2.\(octet)/24"))
  }

  private static func left(_ path: String) -> [InterfaceAddress] {
    OwnedAddressFile(path: path, next: NoJournal()).left
  }

  @Test func anAddressIsFoundByTheNextDaemon() throws {
    try Self.withPath { path in
      let file = OwnedAddressFile(path: path, next: NoJournal())
      #expect(file.left.isEmpty)
      #expect(file.willAdd(Self.owned(2)))
      #expect(file.willAdd(Self.owned(1)))
      #expect(Self.left(path) == [Self.owned(2).address, Self.owned(1).address])
    }
  }

  /// The operator may give the host an address that we had: it must not be taken for ours.
  @Test func anAddressThatWentIsStruckOut() throws {
    try Self.withPath { path in
      let file = OwnedAddressFile(path: path, next: NoJournal())
      _ = file.willAdd(Self.owned(1))
      _ = file.willAdd(Self.owned(2))
      file.didRemove(Self.owned(1))
      #expect(Self.left(path) == [Self.owned(2).address])
    }
  }

  @Test func whatWasLeftIsStruckOutToo() throws {
    try Self.withPath { path in
      _ = OwnedAddressFile(path: path, next: NoJournal()).willAdd(Self.owned(1))
      let next = OwnedAddressFile(path: path, next: NoJournal())
      #expect(next.left.count == 1)
      next.didRemove(Self.owned(1, 9))
      #expect(Self.left(path).isEmpty)
    }
  }

  @Test func addedAgainItCountsAgain() throws {
    try Self.withPath { path in
      let file = OwnedAddressFile(path: path, next: NoJournal())
      _ = file.willAdd(Self.owned(1))
      file.didRemove(Self.owned(1))
      _ = file.willAdd(Self.owned(1))
      #expect(Self.left(path) == [Self.owned(1).address])
    }
  }

  /// An interface taken away and made again has another index, and its old addresses go late.
  @Test func theOldInterfacesEndDoesNotStrikeTheNewOnesAddress() throws {
    try Self.withPath { path in
      let file = OwnedAddressFile(path: path, next: NoJournal())
      _ = file.willAdd(Self.owned(1, 3))
      _ = file.willAdd(Self.owned(1, 7))
      file.didRemove(Self.owned(1, 3))
      #expect(Self.left(path) == [Self.owned(1).address])
    }
  }

  @Test func theFileDoesNotGrowWithItsHistory() throws {
    try Self.withPath { path in
      let file = OwnedAddressFile(path: path, next: NoJournal())
      _ = file.willAdd(Self.owned(2))
      for _ in 0..<5_000 {
        _ = file.willAdd(Self.owned(1))
        file.didRemove(Self.owned(1))
      }
      var status = stat()
      #expect(stat(path, &status) == 0)
      #expect(status.st_size < 64 << 10)
      #expect(Self.left(path) == [Self.owned(2).address])
    }
  }

  /// Nobody reads the pipe: opening it as a file would wait for ever.
  @Test func aPipeInItsPlaceHoldsNobodyUp() throws {
    try Self.withPath { path in
      #expect(mkfifo(path, 0o600) == 0)
      let file = OwnedAddressFile(path: path, next: NoJournal())
      #expect(file.willAdd(Self.owned(1)))
      #expect(Self.left(path) == [Self.owned(1).address])
    }
  }
}
