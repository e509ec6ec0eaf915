// SPDX-License-Identifier: Apache-2.0

package import Addresses
import Glibc
package import Reactor

/// A listening stream socket for clients: TCP of either family, or unix.
package final class StreamListener {
  /// Where it listens.
  package enum Place: Sendable, Hashable, CustomStringConvertible {
    case tcp(Endpoint)
    case unix(String)

    package var description: String {
      switch self {
      case .tcp(let endpoint): "\(endpoint)"
      case .unix(let path): path
      }
    }
  }

  private static let backlog: Int32 = 1_024
  /// How long an idle TCP connection is trusted, in seconds; it is asked thrice in as long again.
  private static let idle: CInt = 30

  /// Where it listens, with the port that the kernel chose if 0 was asked for.
  package let place: Place
  private let tcp: TCPSocket?
  private let unix: UnixListener?

  /// Binds a TCP port and listens.
  ///
  /// `reuse` takes over a port of which old connections remain. An IPv6 socket takes IPv6 only.
  ///
  /// - Throws: what failed; `EADDRINUSE` when another process listens there.
  package init(_ endpoint: Endpoint, reuse: Bool) throws(SystemError) {
    let isIPv4 = endpoint.address.bitWidth == 32
    let socket = try Descriptor.socket(family: isIPv4 ? AF_INET : AF_INET6, type: .stream)
    if !isIPv4 {
      let level = CInt(IPPROTO_IPV6)
      try socket.setOption(level: level, name: IPV6_V6ONLY, value: 1, "set IPV6_V6ONLY")
    }
    if reuse {
      try socket.setOption(level: SOL_SOCKET, name: SO_REUSEADDR, value: 1, "set SO_REUSEADDR")
    }
    let fd = socket.rawValue
    _ = try endpoint.withSocketAddress { (address, length) throws(SystemError) in
      try SystemError.check(Glibc.bind(fd, address, length), "bind TCP \(endpoint)")
    }
    try SystemError.check(listen(fd, Self.backlog), "listen on TCP \(endpoint)")
    place = .tcp(try Endpoint.own(of: socket))
    (tcp, unix) = (TCPSocket(socket), nil)
  }

  /// Listens on a unix socket at a path, as ``UnixListener`` does.
  package init(path: String, mode: UInt32) throws(SystemError) {
    (tcp, unix) = (nil, try UnixListener(path: path, mode: mode, backlog: Self.backlog))
    place = .unix(path)
  }

  /// Gives a unix socket's file to another user, who may then remove it; TCP has none.
  package func give(toUser user: UInt32, group: UInt32) throws(SystemError) {
    try unix?.give(toUser: user, group: group)
  }

  /// Gives a unix socket's file other permissions; TCP has none.
  package func setMode(_ mode: UInt32) throws(SystemError) {
    guard case .unix(let path) = place else { return }
    // Somebody may have put another file there meanwhile, or a link to one of ours.
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else {
      throw SystemError("change the permissions of \(path)", Errno(ENOTSOCK))
    }
    try SystemError.check(chmod(path, mode_t(mode & 0o777)), "change the permissions of \(path)")
  }

  /// Accepts one waiting connection; `nil` when there is none.
  package func accept() throws(SystemError) -> StreamConnection? {
    if let unix {
      guard let accepted = try unix.descriptor.accept() else { return nil }
      let peer = try accepted.peerCredentials()
      return StreamConnection(accepted, peer: .user(peer.user))
    }
    guard let accepted = try tcp?.descriptor.accept() else { return nil }
    Self.prepare(accepted)
    // A client that reset the connection meanwhile has no address any more.
    guard let peer = try? Endpoint.peer(of: accepted) else { return try accept() }
    return StreamConnection(accepted, peer: .address(peer.address))
  }

  /// Options of a client's connection, none of which is worth losing it for.
  private static func prepare(_ accepted: borrowing Descriptor) {
    let tcp = CInt(IPPROTO_TCP)
    try? accepted.setOption(level: tcp, name: TCP_NODELAY, value: 1, "")
    // A client whose machine is gone says nothing: it is to be known in a minute, not in hours.
    try? accepted.setOption(level: SOL_SOCKET, name: SO_KEEPALIVE, value: 1, "")
    try? accepted.setOption(level: tcp, name: TCP_KEEPIDLE, value: idle, "")
    try? accepted.setOption(level: tcp, name: TCP_KEEPINTVL, value: idle / 3, "")
    try? accepted.setOption(level: tcp, name: TCP_KEEPCNT, value: 3, "")
  }

  /// Calls `handler` whenever connections wait.
  package func watch(
    on loop: EventLoop,
    handler: @escaping () -> Void
  ) throws(SystemError) -> EventLoop.Watch {
    let fd = (unix?.descriptor.rawValue ?? tcp?.descriptor.rawValue) ?? -1
    return try loop.watch(fileDescriptor: fd, for: .readable) { _ in handler() }
  }
}

/// Keeps a listening socket open.
private final class TCPSocket {
  let descriptor: Descriptor

  init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
}

/// One client's connection, nonblocking; what is not sent yet is at most the last batch.
package final class StreamConnection {
  /// Who is at the other end.
  package enum Peer: Sendable, Hashable {
    /// A user on this machine, by unix socket.
    case user(UInt32)
    case address(IPAddress)
  }

  /// How far a batch has come.
  package enum Progress: Sendable, Equatable {
    /// All of it is with the kernel.
    case done
    /// The kernel takes no more; so many pieces, and bytes, are not wholly with it.
    case blocked(pieces: Int, bytes: Int)
    /// The connection has failed.
    case failed
  }

  package let peer: Peer
  package let descriptor: Descriptor
  private var unsent: [UInt8] = []
  private var sent = 0
  /// Where each piece ends in ``unsent``.
  private var ends: [Int] = []

  init(_ descriptor: consuming Descriptor, peer: Peer) {
    self.descriptor = descriptor
    self.peer = peer
  }

  /// Reads at most `limit` bytes.
  package func read(limit: Int) -> UnixConnection.Input { descriptor.readBytes(limit: limit) }

  /// Sends pieces in order; the batch before must be done.
  package func write(_ pieces: [[UInt8]]) -> Progress {
    // One copy and one call: cheaper than a list of pieces for messages of usual size.
    unsent.removeAll(keepingCapacity: unsent.capacity <= 1 << 20)
    ends.removeAll(keepingCapacity: true)
    sent = 0
    for piece in pieces {
      unsent += piece
      ends.append(unsent.count)
    }
    return resume()
  }

  /// Sends what is left of the last batch.
  package func resume() -> Progress {
    while sent < unsent.count {
      let count = unsent[sent...].withUnsafeBytes {
        Glibc.send(descriptor.rawValue, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
      }
      if count >= 0 {
        sent += count
      } else if errno == EAGAIN {
        let pieces = ends.count - (ends.firstIndex { $0 > sent } ?? ends.count)
        return .blocked(pieces: pieces, bytes: unsent.count - sent)
      } else if errno != EINTR {
        return .failed
      }
    }
    return .done
  }

  /// Ends the own side of the stream.
  package func finish() { _ = shutdown(descriptor.rawValue, CInt(SHUT_WR)) }
}
