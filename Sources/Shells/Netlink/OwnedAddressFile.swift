// SPDX-License-Identifier: Apache-2.0

package import Addresses
import Glibc
import Synchronization

/// The addresses that this daemon has on interfaces of this machine since it booted, in a file.
///
/// It outlives a daemon that was killed together with its guardian: the next one takes over what it
/// finds there. An address that the kernel has removed is struck out, so that the host's own
/// address, given later, is never taken for one of ours. The file is not forced to the disk, since
/// addresses do not outlive the machine either; it names the boot it speaks of, and that of another
/// boot is of no account.
package final class OwnedAddressFile: AddressJournal {
  private struct State {
    /// What the file says is there, with the indices of the interfaces it was added to.
    ///
    /// An interface that comes back under its name has another index. None for what was left.
    var written: [InterfaceAddress: Set<UInt32>] = [:]
    var descriptor: CInt = -1
    /// Lines in the file, with those that no longer count.
    var lines = 0
  }

  /// What an earlier daemon of this boot had, or may have had.
  package let left: [InterfaceAddress]

  private let state = Mutex(State())
  private let next: any AddressJournal
  private let path: String
  private let boot: String

  /// Reads the file and begins it anew; `next` is told of each address too.
  ///
  /// Without a path, or where it cannot be written, only `next` remembers.
  package init(path: String?, next: any AddressJournal) {
    self.next = next
    self.path = path ?? ""
    boot = Self.text(of: "/proc/sys/kernel/random/boot_id") ?? ""
    guard let path else {
      left = []
      return
    }
    left = Self.addresses(in: Self.text(of: path) ?? "", boot: boot)
    state.withLock { state in
      for address in left { state.written[address] = [] }
      rewrite(&state)
      if state.descriptor < 0 {
        // Perhaps only the folder cannot be written.
        state.descriptor = Self.begin(path, O_APPEND)
      }
    }
  }

  deinit { state.withLock { if $0.descriptor >= 0 { close($0.descriptor) } } }

  package func willAdd(_ address: OwnedAddress) -> Bool {
    state.withLock { state in
      guard state.descriptor >= 0 else { return }
      let isNew = state.written[address.address] == nil
      state.written[address.address, default: []].insert(address.index)
      if isNew { append(Self.line(address.address), to: &state) }
    }
    return next.willAdd(address)
  }

  package func didRemove(_ address: OwnedAddress) {
    state.withLock { state in
      guard state.descriptor >= 0, var indices = state.written[address.address] else { return }
      indices.remove(address.index)
      guard indices.isEmpty else {
        state.written[address.address] = indices
        return
      }
      state.written[address.address] = nil
      append(Self.strike + Self.line(address.address), to: &state)
    }
    next.didRemove(address)
  }

  private static let title = "wackamole addresses, boot "
  /// Before an address that is gone.
  private static let strike = "- "
  /// So many lines that no longer count are borne before the file is written anew.
  private static let slack = 1_024

  private func append(_ line: String, to state: inout State) {
    Self.append(line + "\n", to: state.descriptor)
    state.lines += 1
    if state.lines > 2 * state.written.count + Self.slack { rewrite(&state) }
  }

  /// Writes the file anew beside the old one, and puts it in its place; without that the old one
  /// goes on.
  private func rewrite(_ state: inout State) {
    let new = path + ".new"
    unlink(new)
    let descriptor = Self.begin(new, O_EXCL | O_APPEND)
    guard descriptor >= 0 else { return }
    let lines = [Self.title + boot] + state.written.keys.map(Self.line).sorted()
    guard Self.append(lines.joined(separator: "\n") + "\n", to: descriptor),
      rename(new, path) == 0
    else {
      close(descriptor)
      unlink(new)
      return
    }
    if state.descriptor >= 0 { close(state.descriptor) }
    (state.descriptor, state.lines) = (descriptor, state.written.count)
  }

  /// Opens a regular file to be written; a pipe would wait for a reader.
  private static func begin(_ path: String, _ flags: CInt) -> CInt {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | flags, 0o600)
    guard descriptor >= 0 else { return -1 }
    guard isRegular(descriptor) else {
      close(descriptor)
      return -1
    }
    return descriptor
  }

  private static func isRegular(_ descriptor: CInt) -> Bool {
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  /// What the lines of a file of this boot leave, in the order they were added.
  private static func addresses(in text: String, boot: String) -> [InterfaceAddress] {
    let lines = text.split(separator: "\n").map(String.init)
    guard lines.first == title + boot else { return [] }
    var order: [InterfaceAddress] = []
    var present: Set<InterfaceAddress> = []
    for line in lines.dropFirst() {
      if line.hasPrefix(strike) {
        if let gone = address(String(line.dropFirst(strike.count))) { present.remove(gone) }
      } else if let added = address(line) {
        order.append(added)
        present.insert(added)
      }
    }
    return order.filter { present.remove($0) != nil }
  }

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

  @discardableResult
  private static func append(_ text: String, to descriptor: CInt) -> Bool {
    let bytes = Array(text.utf8)
    return write(descriptor, bytes, bytes.count) == bytes.count
  }

  /// The text of a file of at most 1 MiB, without the line feed at its end.
  private static func text(of path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = read(descriptor, &bytes, bytes.count)
    guard count >= 0 else { return nil }
    let text = String(decoding: bytes[..<count], as: UTF8.self)
    return text.hasSuffix("\n") ? String(text.dropLast()) : text
  }
}
