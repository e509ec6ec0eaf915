// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Reactor

/// A listening unix stream socket at a path; the path goes away with it.
package final class UnixListener {
  package let path: String
  package let descriptor: Descriptor
  private var isBound = false

  /// Binds and listens.
  ///
  /// A socket file that nobody listens on any more is replaced; one that is in use is not.
  ///
  /// `mode` says who may connect, as in chmod(1); the file belongs to `group` where that is given; so
  /// many may wait to be accepted as `backlog`.
  ///
  /// - Throws: what failed; `EADDRINUSE` when another process listens there, `ENAMETOOLONG`
  ///   for more than 107 bytes.
  package init(
    path: String,
    mode: UInt32 = 0o600,
    group: UInt32? = nil,
    backlog: Int32 = 16
  ) throws(SystemError) {
    self.path = path
    descriptor = try .socket(family: AF_UNIX, type: .stream)
    let fd = descriptor.rawValue
    // The file has the socket's own mode, so that no permission is given between bind and chmod. The
    // umask would do as well, but is that of all threads.
    try SystemError.check(fchmod(fd, 0o600), "set the mode of a socket")
    var result = try UnixPath(path).withSocketAddress { Glibc.bind(fd, $0, $1) }
    if result < 0, errno == EADDRINUSE, try Self.isAbandoned(path) {
      unlink(path)
      result = try UnixPath(path).withSocketAddress { Glibc.bind(fd, $0, $1) }
    }
    try SystemError.check(result, "bind \(path)")
    isBound = true
    if let group {
      let owner = uid_t.max  // stays as it is
      try SystemError.check(chown(path, owner, group), "give \(path) to group \(group)")
    }
    try SystemError.check(chmod(path, mode_t(mode)), "set the mode of \(path)")
    try SystemError.check(listen(fd, backlog), "listen on \(path)")
  }

  // What stands at the path when binding failed belongs to somebody else.
  deinit { if isBound { unlink(path) } }

  /// Gives the socket's file to another user, who may then remove it.
  package func give(toUser user: UInt32, group: UInt32) throws(SystemError) {
    try SystemError.check(lchown(path, user, group), "change the owner of \(path)")
  }

  /// Accepts one waiting connection; `nil` when there is none.
  package func accept() throws(SystemError) -> UnixConnection? {
    guard let accepted = try descriptor.accept() else { return nil }
    return try UnixConnection(accepted)
  }

  /// Whether the path is a socket without a listener.
  private static func isAbandoned(_ path: String) throws(SystemError) -> Bool {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return false }
    let probe = try Descriptor.socket(family: AF_UNIX, type: .stream)
    let fd = probe.rawValue
    let result = try UnixPath(path).withSocketAddress { connect(fd, $0, $1) }
    return result < 0 && errno == ECONNREFUSED
  }
}

/// One end of a unix stream connection, nonblocking, with bounded buffers.
package final class UnixConnection {
  /// What a read found.
  package enum Input: Sendable, Equatable {
    case bytes([UInt8])
    /// Nothing for the present.
    case nothing
    /// The other end is done, or the connection failed.
    case ended
  }

  /// The most bytes that wait to be sent.
  package static let outputLimit = 16 << 20

  /// Who is at the other end.
  package let peer: PeerCredentials
  package let descriptor: Descriptor
  private var output: [UInt8] = []
  private var sent = 0

  init(_ descriptor: consuming Descriptor) throws(SystemError) {
    peer = try descriptor.peerCredentials()
    self.descriptor = descriptor
  }

  /// Connects to a listener.
  package convenience init(connectingTo path: String) throws(SystemError) {
    let descriptor = try Descriptor.socket(family: AF_UNIX, type: .stream)
    let fd = descriptor.rawValue
    let result = try UnixPath(path).withSocketAddress { connect(fd, $0, $1) }
    try SystemError.check(result, "connect to \(path)")
    try self.init(descriptor)
  }

  /// Whether everything written has gone to the kernel.
  package var isFlushed: Bool { sent == output.count }

  /// Reads at most `limit` bytes.
  package func read(limit: Int) -> Input { descriptor.readBytes(limit: limit) }

  /// Queues bytes and sends what the kernel takes; returns false when they do not fit the buffer
  /// or the connection has failed, and it should then be closed.
  package func write(_ bytes: some Sequence<UInt8>) -> Bool {
    output.append(contentsOf: bytes)
    guard output.count - sent <= Self.outputLimit else { return false }
    return flush()
  }

  /// Sends what the kernel takes; returns false when the connection has failed.
  package func flush() -> Bool {
    while sent < output.count {
      let count = output[sent...].withUnsafeBytes {
        Glibc.send(descriptor.rawValue, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
      }
      if count >= 0 {
        sent += count
      } else if errno == EAGAIN {
        return true
      } else if errno != EINTR {
        return false
      }
    }
    output.removeAll(keepingCapacity: true)
    sent = 0
    return true
  }
}

extension Descriptor {
  /// Reads at most `limit` bytes of a nonblocking stream.
  func readBytes(limit: Int) -> UnixConnection.Input {
    let fd = rawValue
    while true {
      var count = 0
      let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, used in
        count = Glibc.read(fd, buffer.baseAddress, limit)
        used = max(0, count)
      }
      if count > 0 { return .bytes(bytes) }
      if count == 0 { return .ended }
      switch errno {
      case EINTR: continue
      case EAGAIN: return .nothing
      default: return .ended
      }
    }
  }
}

/// A path in the kernel's form.
struct UnixPath {
  private var form = sockaddr_un()

  /// - Throws: `ENAMETOOLONG` beyond 107 bytes, `EINVAL` for none.
  init(_ path: String) throws(SystemError) {
    let bytes = Array(path.utf8)
    guard !bytes.isEmpty else { throw SystemError("use an empty socket path", Errno(EINVAL)) }
    guard bytes.count < MemoryLayout.size(ofValue: form.sun_path), !bytes.contains(0) else {
      throw SystemError("use \(path) as a socket path", Errno(ENAMETOOLONG))
    }
    form.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &form.sun_path) { $0.copyBytes(from: bytes) }
  }

  func withSocketAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
    withUnsafePointer(to: form) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}
