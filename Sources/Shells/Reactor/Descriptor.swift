// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// A file descriptor with one owner: never copied, closed exactly once.
package struct Descriptor: ~Copyable, Sendable {
  package let rawValue: CInt

  /// Takes over a descriptor that nobody else will close.
  package init(adopting rawValue: CInt) { self.rawValue = rawValue }

  deinit { _ = close(rawValue) }

  /// Gives the descriptor away unclosed.
  package consuming func release() -> CInt {
    let value = rawValue
    discard self
    return value
  }

  /// Makes reads and writes return `EAGAIN` where they would wait.
  package func makeNonblocking() throws(SystemError) {
    let flags = try SystemError.check(fcntl(rawValue, F_GETFL), "read descriptor flags")
    try SystemError.check(fcntl(rawValue, F_SETFL, flags | O_NONBLOCK), "set O_NONBLOCK")
  }

  /// Opens a socket that no child inherits.
  package static func socket(
    family: CInt,
    type: SocketType,
    nonblocking: Bool = true
  ) throws(SystemError) -> Descriptor {
    Descriptor(
      adopting: try SystemError.check(
        wack_socket(family, type.rawValue, nonblocking ? 1 : 0),
        "open a socket"
      )
    )
  }

  /// Accepts one waiting connection; `nil` when there is none.
  ///
  /// The connection is nonblocking, and no child inherits it.
  package func accept() throws(SystemError) -> Descriptor? {
    while true {
      let accepted = wack_accept(rawValue)
      if accepted >= 0 { return Descriptor(adopting: accepted) }
      switch errno {
      case EINTR, ECONNABORTED: continue
      case EAGAIN: return nil
      default: throw SystemError("accept a connection", .last)
      }
    }
  }

  /// Sets an integer socket option.
  package func setOption(
    level: CInt,
    name: CInt,
    value: CInt,
    _ attempt: @autoclosure () -> String
  ) throws(SystemError) {
    var value = value
    try SystemError.check(
      setsockopt(rawValue, level, name, &value, socklen_t(MemoryLayout<CInt>.size)),
      attempt()
    )
  }
}

/// How a socket carries data.
package struct SocketType: Sendable, Equatable {
  fileprivate let rawValue: CInt

  /// SOCK_DGRAM.
  package static let datagram = SocketType(rawValue: 2)
  /// SOCK_STREAM.
  package static let stream = SocketType(rawValue: 1)
}

/// The two ends of a pipe; no child inherits them unless they are handed to it by name.
package struct Pipe: ~Copyable {
  package let readEnd: Descriptor
  package let writeEnd: Descriptor

  package init() throws(SystemError) {
    var ends: [CInt] = [-1, -1]
    try SystemError.check(wack_pipe(&ends), "open a pipe")
    readEnd = Descriptor(adopting: ends[0])
    writeEnd = Descriptor(adopting: ends[1])
  }

  /// Gives both ends away.
  package consuming func split() -> (readEnd: CInt, writeEnd: CInt) {
    (readEnd.release(), writeEnd.release())
  }
}
