// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// Datagrams of one length on their way to one address, which the kernel takes in one call: it goes
/// once through its layers for all of them, and cuts them apart where the device cannot.
package struct Segments: ~Copyable {
  /// The most datagrams of one call (`UDP_MAX_SEGMENTS` of older kernels).
  private static let most = 64
  /// The most bytes of one call: what fits an IP packet, with all that may come before it.
  private static let room = 65_000

  /// Longer ones the kernel refused: they do not fit a frame.
  private var longest = Segments.room
  /// Made with the first run.
  private var bytes: UnsafeMutableRawBufferPointer?
  package private(set) var length = 0
  private var segment = 0

  package init() {}

  deinit { bytes?.deallocate() }

  /// Takes as many as may go together off the start; returns how many those are.
  ///
  /// With one alone nothing is to be sent by ``send(_:_:_:)``.
  package mutating func run(of datagrams: ArraySlice<[UInt8]>) -> Int {
    guard let first = datagrams.first, !first.isEmpty, first.count <= longest,
      datagrams.count > 1
    else { return 1 }
    var count = 1
    length = first.count
    for next in datagrams.dropFirst() {
      guard count < Self.most, !next.isEmpty, next.count <= first.count,
        length + next.count <= Self.room
      else { break }
      count += 1
      length += next.count
      // The kernel cuts at equal distances, so a shorter one is the last.
      if next.count < first.count { break }
    }
    guard count > 1 else { return 1 }
    segment = first.count
    let bytes = self.bytes ?? .allocate(byteCount: Self.room, alignment: 64)
    self.bytes = bytes
    var place = 0
    for datagram in datagrams.prefix(count) {
      let end = place + datagram.count
      datagram.withUnsafeBytes { bytes[place..<end].copyBytes(from: $0) }
      place = end
    }
    return count
  }

  /// Sends what the last run took to a socket address (a sockaddr); `false` if it is to be sent one
  /// by one.
  package mutating func send(
    _ socket: borrowing Descriptor,
    _ address: UnsafeRawPointer,
    _ size: UInt32
  ) -> Bool {
    guard let start = bytes?.baseAddress else { return false }
    let address = address.assumingMemoryBound(to: sockaddr.self)
    while true {
      let fd = socket.rawValue
      if wack_send_segments(fd, start, length, UInt16(segment), address, size) >= 0 { return true }
      switch errno {
      case EINTR: continue
      // Not fit for a frame, or the device cannot do the checksums of parts.
      case EINVAL, EMSGSIZE: longest = min(longest, segment - 1)
      case EIO, ENOPROTOOPT, EOPNOTSUPP: longest = 0
      default: break  // not ours: what it is shows when they are sent one by one
      }
      return false
    }
  }
}
