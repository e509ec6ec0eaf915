// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The address of a unix datagram socket, by path or, with a leading `@`, by abstract name.
struct LocalAddress {
  private var form = sockaddr_un()
  private let length: socklen_t

  /// Is `nil` if the name is empty or too long.
  init?(_ name: String) {
    var bytes = Array(name.utf8)
    guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: form.sun_path) else {
      return nil
    }
    let isAbstract = bytes[0] == UInt8(ascii: "@")
    if isAbstract { bytes[0] = 0 }
    form.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &form.sun_path) { $0.copyBytes(from: bytes) }
    let offset = MemoryLayout<sockaddr_un>.size - MemoryLayout.size(ofValue: form.sun_path)
    length = socklen_t(offset + bytes.count + (isAbstract ? 0 : 1))
  }

  func withSocketAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Void) {
    withUnsafePointer(to: form) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
  }
}
