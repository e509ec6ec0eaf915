// SPDX-License-Identifier: Apache-2.0

import CNetlink
import Glibc
package import Reactor

/// A socket on which the kernel reports changes of links and addresses, whoever makes them.
package final class NetlinkMonitor {
  /// What a read found.
  package enum Report: Sendable, Equatable {
    case event(NetworkEvent)
    /// Reports were lost: ask the kernel for everything anew.
    case overrun
  }

  private let socket: OpaquePointer
  private let buffer = RouteBuffer()

  package init(receiveBuffer: CInt = 4 << 20) throws(NetlinkError) {
    guard let socket = nl_socket_alloc() else {
      throw NetlinkError("open a netlink socket", .kernel(Errno(ENOMEM), text: nil))
    }
    self.socket = socket
    nl_socket_disable_seq_check(socket)
    let groups = [RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR]
    guard nl_connect(socket, NETLINK_ROUTE) == 0,
      groups.allSatisfy({ nl_socket_add_membership(socket, CInt($0.rawValue)) == 0 })
    else {
      let error = Errno.last
      nl_socket_free(socket)
      throw NetlinkError("subscribe to link and address changes", .kernel(error, text: nil))
    }
    _ = wack_size_receive_buffer(socket, receiveBuffer)
  }

  deinit { nl_socket_free(socket) }

  /// Reads at most `limit` datagrams of reports.
  package func read(limit: Int = 64, _ body: (Report) -> Void) {
    for _ in 0..<limit {
      let result = buffer.read(from: nl_socket_get_fd(socket)) { message in
        if let event = message.event() { body(.event(event)) }
      }
      switch result {
      case .read: continue
      case .overrun: body(.overrun)
      case .empty, .failed: return
      }
    }
  }

  /// Calls `handler` with the reports as they arrive.
  package func deliver(
    on loop: EventLoop,
    to handler: @escaping (Report) -> Void
  ) throws(SystemError) -> EventLoop.Watch {
    try loop.watch(fileDescriptor: nl_socket_get_fd(socket), for: .readable) { [self] _ in
      read(handler)
    }
  }
}
