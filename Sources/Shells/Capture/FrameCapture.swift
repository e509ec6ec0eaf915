// SPDX-License-Identifier: Apache-2.0

package import Addresses
import CPcap
import Glibc
package import Reactor

/// Receives the ARP packets and the neighbour discovery of one interface, by libpcap.
///
/// Frames come at once, cut to ``snapLength`` bytes, our own included. The handle ends with its
/// interface; one that returns under the same name needs another.
package final class FrameCapture {
  /// Enough for Ethernet, IPv6 and a neighbour advertisement with its option.
  package static let snapLength: CInt = 128
  /// ARP, neighbour solicitations and neighbour advertisements (RFC 4861).
  package static let filter =
    "arp or (icmp6 and (ip6[40] == 135 or ip6[40] == 136))"

  package struct Statistics: Sendable, Equatable {
    package let received: UInt32
    /// Lost because they were not read in time.
    package let dropped: UInt32
  }

  package let interface: InterfaceName
  private let handle: OpaquePointer
  private let fileDescriptor: CInt

  /// - Throws: what failed; capturing needs CAP_NET_RAW.
  package init(_ interface: InterfaceName) throws(CaptureError) {
    let attempt = "open \(interface) to receive frames"
    self.interface = interface
    let handle = try PcapHandle.open(
      interface,
      attempt: attempt,
      configure: { handle in
        pcap_set_snaplen(handle, Self.snapLength)
        pcap_set_immediate_mode(handle, 1)
        pcap_set_buffer_size(handle, 1 << 18)
      },
      filter: { wack_pcap_accept($0, Self.filter) }
    )
    var text = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
    let descriptor = pcap_get_selectable_fd(handle)
    guard pcap_setnonblock(handle, 1, &text) == 0, descriptor >= 0 else {
      pcap_close(handle)
      throw CaptureError(attempt: attempt, reason: "it cannot be read without waiting")
    }
    (self.handle, fileDescriptor) = (handle, descriptor)
  }

  deinit { pcap_close(handle) }

  /// Hands over at most `limit` waiting frames; returns how many there were.
  ///
  /// - Throws: what failed; the capture is of no use from then on.
  @discardableResult
  package func read(
    limit: Int = 64,
    _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(CaptureError) -> Int {
    for count in 0..<limit {
      var header: UnsafeMutablePointer<pcap_pkthdr>?
      var bytes: UnsafePointer<UInt8>?
      let result = pcap_next_ex(handle, &header, &bytes)
      guard result > 0, let header, let bytes else {
        if result == 0 { return count }
        let reason = String(cString: pcap_geterr(handle))
        throw CaptureError(attempt: "receive frames on \(interface)", reason: reason)
      }
      body(UnsafeRawBufferPointer(start: bytes, count: Int(header.pointee.caplen)))
    }
    return limit
  }

  /// Calls `frame` with the frames as they arrive, and `failed` once if the capture has ended.
  ///
  /// The caller removes the watch before it gives the capture up.
  package func deliver(
    on loop: EventLoop,
    frame: @escaping (UnsafeRawBufferPointer) -> Void,
    failed: @escaping (CaptureError) -> Void
  ) throws(SystemError) -> EventLoop.Watch {
    var ended = false
    return try loop.watch(fileDescriptor: fileDescriptor, for: .readable) { [self] _ in
      guard !ended else { return }
      do throws(CaptureError) {
        try read(frame)
      } catch {
        ended = true
        failed(error)
      }
    }
  }

  /// What the kernel has counted so far.
  package var statistics: Statistics {
    var counts = pcap_stat()
    guard pcap_stats(handle, &counts) == 0 else { return Statistics(received: 0, dropped: 0) }
    return Statistics(received: counts.ps_recv, dropped: counts.ps_drop)
  }
}
