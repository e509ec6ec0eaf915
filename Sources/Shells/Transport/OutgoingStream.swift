// SPDX-License-Identifier: Apache-2.0

package import Addresses
import Glibc
package import Reactor

/// A stream connection to a server, which neither connecting nor using waits for.
package final class OutgoingStream {
  /// Where a server listens.
  package enum Place: Sendable, Hashable, CustomStringConvertible {
    case unix(String)
    case tcp(Endpoint)

    package var description: String {
      switch self {
      case .unix(let path): path
      case .tcp(let endpoint): "\(endpoint)"
      }
    }
  }

  /// How long data may stay unacknowledged before a TCP connection counts as broken.
  private static let patience: CInt = 10
  /// How long an idle TCP connection is trusted, and how often it is asked then, in seconds.
  private static let idle: CInt = 5

  package let place: Place
  package let descriptor: Descriptor
  private var output: [UInt8] = []
  private var sent = 0

  /// Begins to connect; the descriptor is writable once that is decided, see ``confirm()``.
  ///
  /// - Throws: what the kernel knows at once: nobody listens, there is no route.
  package init(connectingTo place: Place) throws(SystemError) {
    self.place = place
    let result: CInt
    switch place {
    case .unix(let path):
      descriptor = try .socket(family: AF_UNIX, type: .stream)
      let fd = descriptor.rawValue
      result = try UnixPath(path).withSocketAddress { connect(fd, $0, $1) }
    case .tcp(let endpoint):
      let family = endpoint.address.bitWidth == 32 ? AF_INET : AF_INET6
      descriptor = try .socket(family: family, type: .stream)
      Self.prepare(descriptor)
      let fd = descriptor.rawValue
      result = endpoint.withSocketAddress { connect(fd, $0, $1) }
    }
    guard result < 0, errno != EINPROGRESS, errno != EINTR else { return }
    throw SystemError("connect to \(place)", .last)
  }

  /// Options that make a lost server known; without them the connection works too.
  private static func prepare(_ descriptor: borrowing Descriptor) {
    let tcp = CInt(IPPROTO_TCP)
    try? descriptor.setOption(level: tcp, name: TCP_NODELAY, value: 1, "set TCP_NODELAY")
    try? descriptor.setOption(level: SOL_SOCKET, name: SO_KEEPALIVE, value: 1, "set SO_KEEPALIVE")
    try? descriptor.setOption(level: tcp, name: TCP_KEEPIDLE, value: idle, "set TCP_KEEPIDLE")
    try? descriptor.setOption(level: tcp, name: TCP_KEEPINTVL, value: idle, "set TCP_KEEPINTVL")
    try? descriptor.setOption(level: tcp, name: TCP_KEEPCNT, value: 2, "set TCP_KEEPCNT")
    let limit = patience * 1_000
    let name = TCP_USER_TIMEOUT
    try? descriptor.setOption(level: tcp, name: name, value: limit, "set TCP_USER_TIMEOUT")
  }

  /// Finds out how connecting went, once the descriptor is writable.
  package func confirm() throws(SystemError) {
    var code: CInt = 0
    var length = socklen_t(MemoryLayout<CInt>.size)
    let result = getsockopt(descriptor.rawValue, SOL_SOCKET, SO_ERROR, &code, &length)
    try SystemError.check(result, "connect to \(place)")
    guard code == 0 else { throw SystemError("connect to \(place)", Errno(code)) }
  }

  /// Bytes that are not with the kernel yet.
  package var unsent: Int { output.count - sent }

  /// Puts bytes behind those that are not sent yet.
  package func queue(_ bytes: [UInt8]) {
    if sent > 1 << 16, sent * 2 > output.count {
      output.removeFirst(sent)
      sent = 0
    }
    output += bytes
  }

  /// Sends what the kernel takes; returns how much that was.
  ///
  /// A failure is not told here: it shows when the descriptor is read.
  package func flush() -> Int {
    let before = sent
    while sent < output.count {
      let count = output[sent...].withUnsafeBytes {
        Glibc.send(descriptor.rawValue, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
      }
      if count >= 0 {
        sent += count
      } else if errno != EINTR {
        break
      }
    }
    let taken = sent - before
    if sent == output.count {
      output.removeAll(keepingCapacity: output.capacity <= 1 << 20)
      sent = 0
    }
    return taken
  }

  /// Ends the connection in both directions, also where another process holds its socket.
  package func end() { shutdown(descriptor.rawValue, CInt(SHUT_RDWR)) }

  /// What a read found.
  package enum Input: Sendable, Equatable {
    case bytes([UInt8])
    /// Nothing for the present.
    case nothing
    /// The server closed the connection.
    case ended
    case failed(Errno)
  }

  /// Reads at most `limit` bytes.
  package func read(limit: Int) -> Input {
    let fd = descriptor.rawValue
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
      default: return .failed(.last)  // not ours: numbers of the kernel
      }
    }
  }
}
