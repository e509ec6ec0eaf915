// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// Buffers into which one system call reads several datagrams.
///
/// A short batch also says that nothing is left, so a lone datagram costs one call and not two.
package final class DatagramBatch {
  /// The most datagrams of one call.
  package static let count = 16
  /// More than any UDP datagram holds, so none is ever cut.
  package static let bufferSize = 65_536

  // Pages of the buffers that no datagram reaches are never touched and cost no memory.
  private let buffers = UnsafeMutableRawBufferPointer.allocate(
    byteCount: count * bufferSize,
    alignment: 64
  )
  private let sources = UnsafeMutableBufferPointer<sockaddr_storage>.allocate(capacity: count)
  private let slices = UnsafeMutableBufferPointer<iovec>.allocate(capacity: count)
  private let messages = UnsafeMutableBufferPointer<wack_mmsghdr>.allocate(capacity: count)
  private let controls = UnsafeMutableRawBufferPointer.allocate(
    byteCount: count * wack_control_size,
    alignment: 16
  )

  package init() {
    sources.initialize(repeating: sockaddr_storage())
    slices.initialize(repeating: iovec())
    messages.initialize(repeating: wack_mmsghdr())
    for index in 0..<Self.count {
      slices[index].iov_base = buffers.baseAddress?.advanced(by: index * Self.bufferSize)
      slices[index].iov_len = Self.bufferSize
      messages[index].header.msg_iov = slices.baseAddress?.advanced(by: index)
      messages[index].header.msg_iovlen = 1
      messages[index].header.msg_name = UnsafeMutableRawPointer(
        sources.baseAddress?.advanced(by: index)
      )
      messages[index].header.msg_control = controls.baseAddress?.advanced(
        by: index * wack_control_size
      )
    }
  }

  deinit {
    buffers.deallocate()
    sources.deallocate()
    slices.deallocate()
    messages.deallocate()
    controls.deallocate()
  }

  /// Lets the kernel hand over several datagrams of one sender and length as one (``segment(_:)``);
  /// returns whether it does.
  package static func joinDatagrams(of socket: borrowing Descriptor) -> Bool {
    var on: CInt = 1
    let size = socklen_t(MemoryLayout<CInt>.size)
    let (level, name) = (CInt(wack_udp), CInt(wack_udp_gro))
    return setsockopt(socket.rawValue, level, name, &on, size) == 0
  }

  /// Reads at most `limit` waiting datagrams; 0 when none waits.
  package func receive(
    from socket: borrowing Descriptor,
    limit: Int = count
  ) throws(SystemError) -> Int {
    let wanted = max(1, min(limit, Self.count))
    for index in 0..<wanted {
      messages[index].header.msg_namelen = socklen_t(MemoryLayout<sockaddr_storage>.size)
      messages[index].header.msg_controllen = wack_control_size
    }
    while true {
      let result = wack_recvmmsg(socket.rawValue, messages.baseAddress, UInt32(wanted))
      if result >= 0 { return result }
      switch errno {
      case EINTR: continue
      case EAGAIN: return 0
      default: throw SystemError("receive datagrams", .last)
      }
    }
  }

  /// How long the datagrams are, but for the last, that came as the one at this place of the last
  /// batch; `nil` if it is one.
  package func segment(_ index: Int) -> Int? {
    let size = Int(wack_segment_size(&messages[index]))
    return size > 0 ? size : nil
  }

  /// The bytes of one datagram of the last batch, valid until the next.
  package func bytes(_ index: Int) -> UnsafeRawBufferPointer {
    let start = index * Self.bufferSize
    let length = min(Int(messages[index].length), Self.bufferSize)
    return UnsafeRawBufferPointer(rebasing: buffers[start..<start + length])
  }

  /// The socket address (a sockaddr) that sent one datagram of the last batch, valid until the next.
  package func source(_ index: Int) -> UnsafeRawBufferPointer {
    let size = MemoryLayout<sockaddr_storage>.stride
    let start = index * size
    return UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(sources)[start..<start + size])
  }
}

extension Descriptor {
  /// The process at the other end of a unix stream socket, as the kernel vouches for it.
  package func peerCredentials() throws(SystemError) -> PeerCredentials {
    var credentials = wack_ucred()
    try SystemError.check(
      wack_peer_credentials(rawValue, &credentials),
      "read the credentials of a peer"
    )
    return PeerCredentials(
      process: credentials.pid,
      user: credentials.uid,
      group: credentials.gid
    )
  }
}

/// Who is at the other end of a unix socket (SO_PEERCRED).
package struct PeerCredentials: Sendable, Equatable {
  package let process: Int32
  package let user: UInt32
  package let group: UInt32
}
