// SPDX-License-Identifier: Apache-2.0

import Addresses
import CNetlink
import Glibc
import Reactor

/// One message of a netlink datagram; valid only while the datagram is being read.
struct RouteMessage {
  let header: UnsafeMutablePointer<nlmsghdr>

  var kind: CInt { CInt(header.pointee.nlmsg_type) }
  var sequence: UInt32 { header.pointee.nlmsg_seq }
  var isInterrupted: Bool { CInt(header.pointee.nlmsg_flags) & wack_flag_interrupted != 0 }

  /// The error an NLMSG_ERROR carries, `nil` for an acknowledgement; `EBADMSG` if it is cut.
  func error() -> (errno: Errno, text: String?)? {
    guard nlmsg_valid_hdr(header, CInt(MemoryLayout<nlmsgerr>.size)) != 0,
      let body = nlmsg_data(header)
    else { return (Errno(EBADMSG), nil) }
    let code = body.loadUnaligned(as: nlmsgerr.self).error
    guard code != 0 else { return nil }
    return (Errno(-code), wack_error_text(header).map { String(cString: $0) })
  }

  /// What the message says of a link or an address; `nil` for everything else.
  func event() -> NetworkEvent? {
    switch kind {
    case wack_message_new_link: link().map { .link($0) }
    case wack_message_del_link: link().map { .linkGone(index: $0.index, name: $0.name) }
    case wack_message_new_address: address().map { .address($0) }
    case wack_message_del_address:
      address().map { .addressGone(index: $0.index, prefix: $0.prefix) }
    // Other kinds are not subscribed to.
    default: nil
    }
  }

  private func link() -> NetworkLink? {
    let size = CInt(MemoryLayout<ifinfomsg>.size)
    guard nlmsg_valid_hdr(header, size) != 0, let body = nlmsg_data(header) else { return nil }
    let info = body.loadUnaligned(as: ifinfomsg.self)
    // Bridges report their ports with a family of their own.
    guard CInt(info.ifi_family) == AF_UNSPEC,
      let rawName = attribute(IFLA_IFNAME, after: size),
      let end = rawName.firstIndex(of: 0),
      let name = InterfaceName(String(decoding: rawName[..<end], as: UTF8.self))
    else { return nil }
    let mtu = attribute(IFLA_MTU, after: size)
    return NetworkLink(
      index: UInt32(bitPattern: info.ifi_index),
      name: name,
      mac: attribute(IFLA_ADDRESS, after: size).flatMap { MACAddress(octets: $0) },
      isUp: info.ifi_flags & UInt32(IFF_UP) != 0,
      isRunning: info.ifi_flags & UInt32(IFF_RUNNING) != 0,
      flags: info.ifi_flags,
      mtu: mtu.flatMap { $0.count == 4 ? $0.loadUnaligned(as: UInt32.self) : nil } ?? 0
    )
  }

  private func address() -> NetworkAddress? {
    let size = CInt(MemoryLayout<ifaddrmsg>.size)
    guard nlmsg_valid_hdr(header, size) != 0, let body = nlmsg_data(header) else { return nil }
    let info = body.loadUnaligned(as: ifaddrmsg.self)
    // On point-to-point links IFA_ADDRESS is the other end.
    guard let octets = attribute(IFA_LOCAL, after: size) ?? attribute(IFA_ADDRESS, after: size),
      let address = IPAddress(octets: octets, family: CInt(info.ifa_family)),
      let prefix = IPPrefix(address: address, length: Int(info.ifa_prefixlen))
    else { return nil }
    let label = attribute(IFA_LABEL, after: size)
    let flags = attribute(IFA_FLAGS, after: size)
    let cache = attribute(IFA_CACHEINFO, after: size)
      .flatMap {
        $0.count >= MemoryLayout<ifa_cacheinfo>.size
          ? $0.loadUnaligned(as: ifa_cacheinfo.self) : nil
      }
    return NetworkAddress(
      index: info.ifa_index,
      prefix: prefix,
      label: label.map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) },
      scope: info.ifa_scope,
      flags: flags.flatMap { $0.count == 4 ? $0.loadUnaligned(as: UInt32.self) : nil }
        ?? UInt32(info.ifa_flags),
      validLifetime: cache.flatMap { $0.ifa_valid == .max ? nil : $0.ifa_valid },
      preferredLifetime: cache.flatMap { $0.ifa_prefered == .max ? nil : $0.ifa_prefered }
    )
  }

  /// The neighbour that the message tells of; `nil` for one without a known hardware address.
  func neighbor() -> NetworkNeighbor? {
    let size = CInt(MemoryLayout<ndmsg>.size)
    guard kind == wack_message_new_neighbor, nlmsg_valid_hdr(header, size) != 0,
      let body = nlmsg_data(header)
    else { return nil }
    let info = body.loadUnaligned(as: ndmsg.self)
    guard info.ndm_state & wack_neighbor_known != 0,
      let octets = attribute(NDA_DST, after: size),
      let address = IPAddress(octets: octets, family: CInt(info.ndm_family)),
      let hardware = attribute(NDA_LLADDR, after: size)
        .flatMap({ MACAddress(octets: $0) })
    else { return nil }
    let cache = attribute(NDA_CACHEINFO, after: size)
      .flatMap {
        $0.count >= MemoryLayout<nda_cacheinfo>.size
          ? $0.loadUnaligned(as: nda_cacheinfo.self) : nil
      }
    let isPermanent = info.ndm_state & wack_neighbor_permanent != 0
    let ticks = isPermanent ? 0 : cache?.ndm_confirmed ?? 0
    return NetworkNeighbor(
      index: UInt32(bitPattern: info.ndm_ifindex),
      neighbor: Neighbor(address, at: hardware),
      age: ticks / UInt32(max(1, sysconf(Int32(_SC_CLK_TCK))))
    )
  }

  private func attribute(_ kind: Int, after size: CInt) -> UnsafeRawBufferPointer? {
    guard let found = nlmsg_find_attr(header, size, CInt(kind)), let data = nla_data(found)
    else { return nil }
    return UnsafeRawBufferPointer(start: data, count: Int(nla_len(found)))
  }
}

extension IPAddress {
  /// Is `nil` unless there are as many octets as the family (AF_INET, AF_INET6) has.
  init?(octets: some Collection<UInt8>, family: CInt) {
    switch (family, octets.count) {
    case (AF_INET, 4):
      self = .v4(IPv4Address(octets.reduce(0) { $0 << 8 | UInt32($1) }))
    case (AF_INET6, 16):
      self = .v6(IPv6Address(octets.reduce(0) { $0 << 8 | UInt128($1) }))
    default:
      return nil
    }
  }

  /// AF_INET or AF_INET6.
  var family: CInt {
    switch self {
    case .v4: AF_INET
    case .v6: AF_INET6
    }
  }
}

/// A buffer for netlink datagrams, and what is done with each.
final class RouteBuffer {
  /// How a read ended.
  enum Result: Equatable {
    case read
    /// Nothing waits.
    case empty
    /// The kernel had no room and threw messages away.
    case overrun
    case failed(Errno)
  }

  // The kernel fills at most 32 KiB of a dump's datagram.
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)

  deinit { buffer.deallocate() }

  /// Reads one waiting datagram of the kernel and hands over its messages.
  func read(from fd: CInt, _ body: (RouteMessage) -> Void) -> Result {
    var sender = sockaddr_nl()
    var length = socklen_t(MemoryLayout<sockaddr_nl>.size)
    let count = withUnsafeMutablePointer(to: &sender) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        recvfrom(fd, buffer.baseAddress, buffer.count, CInt(MSG_DONTWAIT), $0, &length)
      }
    }
    guard count >= 0 else {
      switch errno {
      case EAGAIN: return .empty
      case EINTR: return .read
      case ENOBUFS: return .overrun
      default: return .failed(.last)
      }
    }
    // Other processes may write to our port; only the kernel has port 0.
    guard sender.nl_pid == 0, let start = buffer.baseAddress else { return .read }
    var remaining = CInt(count)
    var header = start.assumingMemoryBound(to: nlmsghdr.self)
    while nlmsg_ok(header, remaining) != 0 {
      body(RouteMessage(header: header))
      header = nlmsg_next(header, &remaining)
    }
    return .read
  }
}
