// SPDX-License-Identifier: Apache-2.0

import Addresses
import Glibc
package import Reactor

/// What the guardian does: it waits for the daemon's end and removes the addresses left behind.
///
/// Everything that could fail or take memory is prepared while the daemon lives.
package final class GuardianDuty {
  /// What became of the addresses.
  package struct Result: Sendable, Equatable {
    package var removed: [OwnedAddress] = []
    /// They had gone before.
    package var gone: [OwnedAddress] = []
    package var failed: [OwnedAddress] = []
    /// Why the last of ``failed`` failed.
    package var reason: Errno?
    /// Entries of the table that were damaged and not acted on.
    package var rejected = 0
  }

  private let daemon: Descriptor
  private let memory: SharedMemory
  private let connection: NetlinkConnection

  /// Checks what was inherited: the end of a ``Handover`` and the table.
  package init(daemon: consuming Descriptor, table: consuming Descriptor) throws {
    self.daemon = daemon
    let memory = try SharedMemory(inherited: table)
    _ = try OwnedAddressTable.contents(of: UnsafeRawBufferPointer(memory.bytes))
    self.memory = memory
    connection = try NetlinkConnection()
  }

  /// Returns when the daemon has ended, however; keeps open what it put into this keeping.
  package func waitForEnd() { Handover.keepUntilEnd(of: daemon) }

  /// Removes what the table lists; `nil` if the daemon left nothing to do.
  package func removeAll() throws -> Result? {
    let contents = try OwnedAddressTable.contents(of: UnsafeRawBufferPointer(memory.bytes))
    if contents.isClean, contents.addresses.isEmpty { return nil }
    var result = Result(rejected: contents.rejected)
    var rest = contents.addresses
    for round in 0..<3 where !rest.isEmpty {
      if round > 0 { usleep(50_000) }
      result.failed = []
      removeOnce(rest, into: &result)
      rest = result.failed
    }
    return result
  }

  private func removeOnce(_ addresses: [OwnedAddress], into result: inout Result) {
    let answers = connection.change(
      addresses.map { .init(kind: .remove, index: $0.index, prefix: $0.address.prefix) }
    )
    for (address, answer) in zip(addresses, answers) {
      switch answer {
      case .acknowledged:
        result.removed.append(address)
      case .refused(let errno, _) where [EADDRNOTAVAIL, ENODEV].contains(errno.rawValue):
        // An address goes with its interface, and with the primary address of its network.
        result.gone.append(address)
      case .refused(let errno, _):
        result.failed.append(address)
        result.reason = errno
      case .lost, .expired:
        result.failed.append(address)
        result.reason = Errno(ENOBUFS)
      }
    }
  }
}

extension GuardianDuty.Result: CustomStringConvertible {
  package var description: String {
    var parts: [String] = []
    func add(_ what: String, _ addresses: [OwnedAddress]) {
      guard !addresses.isEmpty else { return }
      parts.append("\(what) " + addresses.map(\.description).joined(separator: " "))
    }
    add("removed", removed)
    add("already gone", gone)
    add("could not remove", failed)
    if let reason, !failed.isEmpty { parts.append("\(reason)") }
    if rejected > 0 { parts.append("ignored \(rejected) damaged entries") }
    return parts.isEmpty ? "it had no addresses" : parts.joined(separator: "; ")
  }
}
