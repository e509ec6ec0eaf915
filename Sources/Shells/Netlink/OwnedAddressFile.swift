// SPDX-License-Identifier: Apache-2.0

package import Addresses
import Glibc
import Synchronization

/// The addresses that this daemon ever put on an interface since the machine booted, in a file.
///
/// It outlives a daemon that was killed together with its guardian: the next one takes over what it
/// finds there. The file is not forced to the disk, since addresses do not outlive the machine
/// either; it names the boot it speaks of, and that of another boot is of no account.
package final class OwnedAddressFile: AddressJournal {
  private struct State {
    var written: Set<InterfaceAddress> = []
    var descriptor: CInt = -1
  }

  /// What an earlier daemon of this boot had, or may have had.
  package let left: [InterfaceAddress]

  private let state = Mutex(State())
  private let next: any AddressJournal

  /// Reads the file and begins it anew; `next` is told of each address too.
  ///
  /// Without a path, or where it cannot be written, only `next` remembers.
  package init(path: String?, next: any AddressJournal) {
    self.next = next
    guard let path else {
      left = []
      return
    }
    let boot = Self.text(of: "/proc/sys/kernel/random/boot_id") ?? ""
    let lines = (Self.text(of: path) ?? "").split(separator: "\n").map(String.init)
    left = lines.first == Self.title + boot ? lines.dropFirst().compactMap(Self.address) : []
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return }
    let kept = [Self.title + boot] + left.map(Self.line)
    Self.append(kept.joined(separator: "\n") + "\n", to: descriptor)
    state.withLock { state in
      state.descriptor = descriptor
      state.written = Set(left)
    }
  }

  deinit { state.withLock { if $0.descriptor >= 0 { close($0.descriptor) } } }

  package func willAdd(_ address: OwnedAddress) -> Bool {
    state.withLock { state in
      guard state.descriptor >= 0, state.written.insert(address.address).inserted else { return }
      Self.append(Self.line(address.address) + "\n", to: state.descriptor)
    }
    return next.willAdd(address)
  }

  package func didRemove(_ address: OwnedAddress) { next.didRemove(address) }

  private static let title = "wackamole addresses, boot "

  /// One address: interface, address and length, separated by blanks.
  private static func line(_ address: InterfaceAddress) -> String {
    "\(address.interface) \(address.prefix.address) \(address.prefix.length)"
  }

  private static func address(_ line: String) -> InterfaceAddress? {
    let parts = line.split(separator: " ")
    guard parts.count == 3, let interface = InterfaceName(parts[0]),
      let address = IPAddress(text: parts[1]), let length = Int(parts[2]),
      let prefix = IPPrefix(address: address, length: length)
    else { return nil }
    return InterfaceAddress(interface: interface, prefix: prefix)
  }

  private static func append(_ text: String, to descriptor: CInt) {
    let bytes = Array(text.utf8)
    _ = write(descriptor, bytes, bytes.count)
  }

  /// The text of a file of at most 1 MiB, without the line feed at its end.
  private static func text(of path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = read(descriptor, &bytes, bytes.count)
    guard count >= 0 else { return nil }
    let text = String(decoding: bytes[..<count], as: UTF8.self)
    return text.hasSuffix("\n") ? String(text.dropLast()) : text
  }
}
