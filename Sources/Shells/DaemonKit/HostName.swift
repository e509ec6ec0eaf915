// SPDX-License-Identifier: Apache-2.0

package import Addresses
import Glibc

/// Look-ups of host names.
package enum HostName {
  /// The name of this machine.
  package static var own: String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
    return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// The first address of a host, IPv4 before IPv6; `nil` if the name is not known.
  ///
  /// Blocks, perhaps for long: to be called at start only.
  package static func address(_ name: String) -> IPAddress? {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(name, nil, &hints, &list) == 0 else { return nil }
    defer { freeaddrinfo(list) }
    var found: [IPAddress] = []
    var next = list
    while let entry = next {
      if let address = text(of: entry.pointee).flatMap(IPAddress.init(text:)) {
        found.append(address)
      }
      next = entry.pointee.ai_next
    }
    return found.min()
  }

  private static func text(of entry: addrinfo) -> String? {
    var buffer = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    let length = socklen_t(buffer.count)
    let result = getnameinfo(
      entry.ai_addr,
      entry.ai_addrlen,
      &buffer,
      length,
      nil,
      0,
      NI_NUMERICHOST
    )
    guard result == 0 else { return nil }
    return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
