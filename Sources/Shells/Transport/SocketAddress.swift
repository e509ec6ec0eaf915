// SPDX-License-Identifier: Apache-2.0

import Addresses
import Glibc
import Reactor

extension Endpoint {
  /// Calls `body` with the endpoint in the kernel's form.
  ///
  /// A link-local IPv6 address needs the index of its interface as `scope`.
  func withSocketAddress<Result, Failure: Error>(
    scope: UInt32 = 0,
    _ body: (UnsafePointer<sockaddr>, socklen_t) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    switch address {
    case .v4(let address):
      var form = sockaddr_in()
      form.sin_family = sa_family_t(AF_INET)
      form.sin_port = port.bigEndian
      form.sin_addr.s_addr = address.rawValue.bigEndian
      return try withRebound(&form, body)
    case .v6(let address):
      var form = sockaddr_in6()
      form.sin6_family = sa_family_t(AF_INET6)
      form.sin6_port = port.bigEndian
      form.sin6_addr = in6_addr(address)
      form.sin6_scope_id = address.isLinkLocal ? scope : 0
      return try withRebound(&form, body)
    }
  }

  /// Reads the kernel's form, a sockaddr; `nil` for another family.
  init?(socketAddress bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= MemoryLayout<sockaddr_in6>.size else { return nil }
    switch CInt(bytes.loadUnaligned(as: sa_family_t.self)) {
    case AF_INET:
      let form = bytes.loadUnaligned(as: sockaddr_in.self)
      self.init(
        address: .v4(IPv4Address(UInt32(bigEndian: form.sin_addr.s_addr))),
        port: UInt16(bigEndian: form.sin_port)
      )
    case AF_INET6:
      let form = bytes.loadUnaligned(as: sockaddr_in6.self)
      self.init(
        address: .v6(IPv6Address(form.sin6_addr)),
        port: UInt16(bigEndian: form.sin6_port)
      )
    default:
      return nil
    }
  }
}

private func withRebound<Form, Result, Failure: Error>(
  _ form: inout Form,
  _ body: (UnsafePointer<sockaddr>, socklen_t) throws(Failure) -> Result
) throws(Failure) -> Result {
  try withUnsafePointer(to: &form) { (pointer) throws(Failure) -> Result in
    try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      (generic) throws(Failure) -> Result in
      try body(generic, socklen_t(MemoryLayout<Form>.size))
    }
  }
}

extension IPv6Address {
  init(_ form: in6_addr) {
    self.init(UInt128(bigEndian: withUnsafeBytes(of: form) { $0.loadUnaligned(as: UInt128.self) }))
  }
}

extension in6_addr {
  init(_ address: IPv6Address) {
    self.init()
    withUnsafeMutableBytes(of: &self) {
      $0.storeBytes(of: address.rawValue.bigEndian, as: UInt128.self)
    }
  }
}

extension Endpoint {
  /// The address that a socket is bound to.
  static func own(of socket: borrowing Descriptor) throws(SystemError) -> Endpoint {
    let fd = socket.rawValue
    return try read("read a bound address") { getsockname(fd, $0, $1) }
  }

  /// The address of the other end.
  static func peer(of socket: borrowing Descriptor) throws(SystemError) -> Endpoint {
    let fd = socket.rawValue
    return try read("read a peer's address") { getpeername(fd, $0, $1) }
  }

  private static func read(
    _ attempt: String,
    _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
  ) throws(SystemError) -> Endpoint {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
    }
    try SystemError.check(result, attempt)
    let endpoint = withUnsafeBytes(of: storage) { Endpoint(socketAddress: $0) }
    guard let endpoint else { throw SystemError(attempt, Errno(EAFNOSUPPORT)) }
    return endpoint
  }
}
