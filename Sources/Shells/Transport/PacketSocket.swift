// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Reactor

/// One end of a connection between two processes of one machine that keeps packets apart.
package final class PacketSocket {
  /// What a read found.
  package enum Input: Sendable, Equatable {
    case packet([UInt8])
    /// Nothing for the present.
    case nothing
    /// The other end is gone.
    case ended
  }

  package let descriptor: Descriptor
  private var buffer: [UInt8]

  /// Takes over an end, which becomes nonblocking; packets of more than `limit` bytes are cut.
  package init(adopting descriptor: consuming Descriptor, limit: Int) throws(SystemError) {
    try descriptor.makeNonblocking()
    self.descriptor = descriptor
    buffer = Array(repeating: 0, count: limit)
  }

  /// Makes a connection; no child inherits its ends unless they are handed to it by name.
  package static func pair() throws(SystemError) -> (CInt, CInt) {
    var ends: [CInt] = [-1, -1]
    let type = CInt(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
    try SystemError.check(socketpair(AF_UNIX, type, 0, &ends), "open a pair of sockets")
    return (ends[0], ends[1])
  }

  /// Sends one packet; returns false when the other end is gone or takes nothing now.
  package func send(_ packet: [UInt8]) -> Bool {
    while true {
      let count = packet.withUnsafeBytes {
        Glibc.send(descriptor.rawValue, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
      }
      if count < 0, errno == EINTR { continue }
      return count == packet.count
    }
  }

  package func receive() -> Input {
    while true {
      let count = read(descriptor.rawValue, &buffer, buffer.count)
      if count > 0 { return .packet(Array(buffer[..<count])) }
      if count == 0 { return .ended }
      switch errno {
      case EINTR: continue
      case EAGAIN: return .nothing
      default: return .ended  // not ours: error numbers
      }
    }
  }
}
