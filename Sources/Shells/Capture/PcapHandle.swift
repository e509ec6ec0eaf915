// SPDX-License-Identifier: Apache-2.0

import Addresses
import CPcap

/// Why frames could not be sent or received: what was attempted, and libpcap's reason.
package struct CaptureError: Error, Sendable, Equatable, CustomStringConvertible {
  package let attempt: String
  package let reason: String

  package var description: String { "\(attempt): \(reason)" }
}

enum PcapHandle {
  /// Opens an Ethernet interface, not promiscuous; the caller closes the handle.
  ///
  /// `configure` sets options of the handle before it is activated, `filter` says after it what is
  /// let through and returns 0.
  static func open(
    _ interface: InterfaceName,
    attempt: String,
    configure: (OpaquePointer) -> Void,
    filter: (OpaquePointer) -> CInt
  ) throws(CaptureError) -> OpaquePointer {
    var text = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
    guard let handle = pcap_create(interface.text, &text) else {
      let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      throw CaptureError(attempt: attempt, reason: String(decoding: bytes, as: UTF8.self))
    }
    pcap_set_promisc(handle, 0)
    configure(handle)
    let status = pcap_activate(handle)
    // A positive status is a warning.
    guard status >= 0, filter(handle) == 0 else {
      let detail = String(cString: pcap_geterr(handle))
      let reason = status < 0 ? String(cString: pcap_statustostr(status)) : detail
      pcap_close(handle)
      throw CaptureError(
        attempt: attempt,
        reason: detail.isEmpty || detail == reason ? reason : "\(reason): \(detail)"
      )
    }
    guard wack_pcap_is_ethernet(handle) != 0 else {
      pcap_close(handle)
      throw CaptureError(attempt: attempt, reason: "not an Ethernet interface")
    }
    return handle
  }
}
