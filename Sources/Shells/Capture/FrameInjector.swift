// SPDX-License-Identifier: Apache-2.0

package import Addresses
import CPcap

/// Sends Ethernet frames as they stand, by libpcap; one handle for each interface, kept open.
package final class FrameInjector {
  private var handles: [InterfaceName: OpaquePointer] = [:]

  package init() {}

  deinit { for handle in handles.values { pcap_close(handle) } }

  /// Opens the handle of an interface ahead of its first frame, which is the one that hurries.
  package func prepare(_ interface: InterfaceName) throws(CaptureError) {
    _ = try handle(of: interface)
  }

  /// Sends one frame.
  ///
  /// An interface that has gone and come back has another handle: after a failure the frame is tried
  /// once more on a new one.
  package func inject(_ frame: [UInt8], on interface: InterfaceName) throws(CaptureError) {
    if send(frame, on: try handle(of: interface)) { return }
    close(interface)
    let fresh = try handle(of: interface)
    guard send(frame, on: fresh) else {
      let reason = String(cString: pcap_geterr(fresh))
      close(interface)
      throw CaptureError(attempt: "send \(frame.count) bytes on \(interface)", reason: reason)
    }
  }

  private func send(_ frame: [UInt8], on handle: OpaquePointer) -> Bool {
    pcap_inject(handle, frame, frame.count) == CInt(truncatingIfNeeded: frame.count)
  }

  private func close(_ interface: InterfaceName) {
    if let handle = handles.removeValue(forKey: interface) { pcap_close(handle) }
  }

  private func handle(of interface: InterfaceName) throws(CaptureError) -> OpaquePointer {
    if let open = handles[interface] { return open }
    let handle = try Self.open(interface)
    handles[interface] = handle
    return handle
  }

  private static func open(_ interface: InterfaceName) throws(CaptureError) -> OpaquePointer {
    let attempt = "open \(interface) to send frames"
    return try PcapHandle.open(
      interface,
      attempt: attempt,
      configure: { handle in
        pcap_set_snaplen(handle, 64)
        // The least that libpcap takes: nothing is received on this handle.
        pcap_set_buffer_size(handle, 65_536)
      },
      filter: { wack_pcap_reject_all($0) }
    )
  }
}
