// SPDX-License-Identifier: Apache-2.0

package import Addresses
import Glibc
package import Reactor

/// A nonblocking UDP socket that is bound to one address and never lets IP fragment.
///
/// Nothing that the network does to it is fatal: a datagram that cannot be sent is lost, as it
/// could be on the wire, and counted by the name of the reason.
package final class UDPSocket {
  package struct Options: Sendable, Equatable {
    /// The kernel's receive buffer in bytes; beyond the system's limit where privileges allow.
    package var receiveBuffer: CInt = 4 << 20
    /// The kernel's send buffer in bytes; beyond the system's limit where privileges allow.
    package var sendBuffer: CInt = 1 << 20
    /// Whether several sockets may bind the address and port: for groups of IP multicast.
    package var reuseAddress = false
    /// The interface of link-local addresses and of multicast; the routing table's choice if `nil`.
    package var interface: InterfaceName?

    package init() {}
  }

  /// The address and port it is bound to, with the port the kernel chose if 0 was asked for.
  package let local: Endpoint
  package private(set) var statistics = UDPStatistics()

  private let descriptor: Descriptor
  private let batch = DatagramBatch()
  /// What was read, and how much of it has been handed over.
  private var waiting: [(bytes: [UInt8], source: Endpoint)] = []
  private var handed = 0
  private var segments = Segments()
  /// The index of ``Options/interface``, or 0.
  private let scope: UInt32

  /// Opens and binds a socket.
  ///
  /// - Throws: what failed; `EADDRNOTAVAIL` when the machine does not have the address.
  package init(bind endpoint: Endpoint, options: Options = Options()) throws(SystemError) {
    scope = try Self.index(of: options.interface)
    let family = endpoint.address.bitWidth == 32 ? AF_INET : AF_INET6
    descriptor = try .socket(family: family, type: .datagram)
    if family == AF_INET6 {
      try descriptor.setOption(level: ipv6Level, name: IPV6_V6ONLY, value: 1, "set IPV6_V6ONLY")
      try descriptor.setOption(
        level: ipv6Level,
        name: IPV6_MTU_DISCOVER,
        value: IPV6_PMTUDISC_OMIT,
        "disbelieve the path"
      )
    } else {
      // OMIT believes no ICMP message about the path: a forged one could otherwise silence the ring.
      // What is longer than a frame is sent in fragments: proposals of many members may be, and are
      // lost for good if they are refused.
      try descriptor.setOption(
        level: ipv4Level,
        name: IP_MTU_DISCOVER,
        value: IP_PMTUDISC_OMIT,
        "disbelieve the path"
      )
    }
    if options.reuseAddress {
      try descriptor.setOption(level: SOL_SOCKET, name: SO_REUSEADDR, value: 1, "set SO_REUSEADDR")
    }
    try descriptor.setBuffer(force: SO_RCVBUFFORCE, plain: SO_RCVBUF, options.receiveBuffer)
    try descriptor.setBuffer(force: SO_SNDBUFFORCE, plain: SO_SNDBUF, options.sendBuffer)
    let fd = descriptor.rawValue
    _ = try endpoint.withSocketAddress(scope: scope) { (address, length) throws(SystemError) in
      try SystemError.check(Glibc.bind(fd, address, length), "bind UDP \(endpoint)")
    }
    local = try Endpoint.own(of: descriptor)
    // Where the kernel does not know it, each datagram comes by itself.
    _ = DatagramBatch.joinDatagrams(of: descriptor)
  }

  // MARK: - Receiving

  /// Hands at most `limit` waiting datagrams to `deliver`, or somewhat more that came as one; returns
  /// how many there were.
  ///
  /// Each datagram is one array of exactly its size. Whoever is handed one may ask for more: what
  /// was read before then comes first.
  @discardableResult
  package func receive(limit: Int = 64, _ deliver: ([UInt8], Endpoint) -> Void) -> Int {
    var received = 0
    // A short batch says that nothing is left.
    var isShort = false
    while true {
      if handed == waiting.count {
        guard received < limit, !isShort else { return received }
        let wanted = min(DatagramBatch.count, limit - received)
        switch read(wanted) {
        case .some(let count): isShort = count < wanted
        // The kernel has taken the error off the socket: what waits behind it can be read.
        case .none: received += 1
        }
        continue
      }
      let datagram = waiting[handed]
      handed += 1
      received += 1
      deliver(datagram.bytes, datagram.source)
    }
  }

  /// Fills ``waiting``; returns how many the kernel gave, or `nil` after an error.
  private func read(_ wanted: Int) -> Int? {
    waiting.removeAll(keepingCapacity: true)
    handed = 0
    let count: Int
    do {
      count = try batch.receive(from: descriptor, limit: wanted)
    } catch {
      statistics.count(receiveFailure: error.errno)
      return nil
    }
    for index in 0..<count {
      guard let source = Endpoint(socketAddress: batch.source(index)) else {
        statistics.count(receiveFailure: Errno(EAFNOSUPPORT))
        continue
      }
      let bytes = batch.bytes(index)
      statistics.bytesReceived &+= UInt64(bytes.count)
      let length = batch.segment(index) ?? bytes.count
      var start = 0
      repeat {
        let end = min(start + max(length, 1), bytes.count)
        statistics.received &+= 1
        waiting.append((bytes: [UInt8](bytes[start..<end]), source: source))
        start = end
      } while start < bytes.count
    }
    return count
  }

  /// Hands over everything that waits, for a machine that wants its sockets emptied.
  ///
  /// Ends after 65,536 datagrams even if a flood keeps the socket full.
  @discardableResult
  package func drain(_ deliver: ([UInt8], Endpoint) -> Void) -> Int {
    receive(limit: 65_536, deliver)
  }

  /// Calls `deliver` with the datagrams as they arrive, at most `limit` in one turn.
  package func deliver(
    on loop: EventLoop,
    limit: Int = 64,
    to deliver: @escaping ([UInt8], Endpoint) -> Void
  ) throws(SystemError) -> EventLoop.Watch {
    try loop.watch(descriptor, for: .readable) { [self] _ in receive(limit: limit, deliver) }
  }

  // MARK: - Sending

  /// Sends one datagram; returns why the kernel did not take it, or `nil`.
  @discardableResult
  package func send(_ bytes: some Collection<UInt8>, to endpoint: Endpoint) -> SendFailure? {
    let sent: Int? = bytes.withContiguousStorageIfAvailable { send(buffer: $0, to: endpoint) }
    let result = sent ?? Array(bytes).withUnsafeBufferPointer { send(buffer: $0, to: endpoint) }
    guard result < 0 else {
      statistics.sent &+= 1
      statistics.bytesSent &+= UInt64(result)
      return nil
    }
    let failure = SendFailure(Errno(CInt(-result)))
    statistics.count(failure)
    return failure
  }

  /// Sends datagrams to one endpoint, in their order, in as few calls as the kernel takes them.
  package func send(_ datagrams: [[UInt8]], to endpoint: Endpoint) {
    var rest = datagrams[...]
    while let first = rest.first {
      let run = segments.run(of: rest)
      rest = rest.dropFirst(run)
      guard run > 1 else {
        send(first, to: endpoint)
        continue
      }
      let sent = endpoint.withSocketAddress(scope: scope) { address, length in
        segments.send(descriptor, address, length)
      }
      if sent {
        statistics.sent &+= UInt64(run)
        statistics.bytesSent &+= UInt64(segments.length)
        continue
      }
      // What is wrong with one of them the others need not suffer from.
      for datagram in datagrams[(rest.startIndex - run)..<rest.startIndex] {
        send(datagram, to: endpoint)
      }
    }
  }

  /// Returns the number of bytes sent, or the negated errno.
  private func send(buffer: UnsafeBufferPointer<UInt8>, to endpoint: Endpoint) -> Int {
    endpoint.withSocketAddress(scope: scope) { address, length in
      var interrupted = 0
      while true {
        let sent = sendto(
          descriptor.rawValue,
          buffer.baseAddress,
          buffer.count,
          CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL),
          address,
          length
        )
        if sent >= 0 { return sent }
        guard errno == EINTR, interrupted < 8 else { return -Int(errno) }
        interrupted += 1
      }
    }
  }

  // MARK: - Multicast

  /// Receives what is sent to a multicast group, on the interface of the options.
  package func join(_ group: IPAddress) throws(SystemError) {
    let attempt = "join multicast group \(group)"
    switch group {
    case .v4(let address):
      var request = ip_mreqn()
      request.imr_multiaddr.s_addr = address.rawValue.bigEndian
      request.imr_ifindex = CInt(bitPattern: scope)
      try descriptor.setOption(level: ipv4Level, name: IP_ADD_MEMBERSHIP, bytesOf: request, attempt)
    case .v6(let address):
      var request = ipv6_mreq()
      request.ipv6mr_multiaddr = in6_addr(address)
      request.ipv6mr_interface = scope
      try descriptor.setOption(level: ipv6Level, name: IPV6_JOIN_GROUP, bytesOf: request, attempt)
    }
  }

  /// Chooses where and how far datagrams to multicast groups go.
  ///
  /// They may cross `hops` - 1 routers; with `loopback`, sockets on this machine receive them too.
  package func prepareMulticastSend(hops: CInt = 1, loopback: Bool) throws(SystemError) {
    switch local.address {
    case .v4:
      var request = ip_mreqn()
      request.imr_ifindex = CInt(bitPattern: scope)
      try descriptor.setOption(
        level: ipv4Level,
        name: IP_MULTICAST_IF,
        bytesOf: request,
        "set IP_MULTICAST_IF"
      )
      try descriptor.setOption(
        level: ipv4Level,
        name: IP_MULTICAST_TTL,
        value: hops,
        "set IP_MULTICAST_TTL"
      )
      try descriptor.setOption(
        level: ipv4Level,
        name: IP_MULTICAST_LOOP,
        value: loopback ? 1 : 0,
        "set IP_MULTICAST_LOOP"
      )
    case .v6:
      try descriptor.setOption(
        level: ipv6Level,
        name: IPV6_MULTICAST_IF,
        value: CInt(bitPattern: scope),
        "set IPV6_MULTICAST_IF"
      )
      try descriptor.setOption(
        level: ipv6Level,
        name: IPV6_MULTICAST_HOPS,
        value: hops,
        "set IPV6_MULTICAST_HOPS"
      )
      try descriptor.setOption(
        level: ipv6Level,
        name: IPV6_MULTICAST_LOOP,
        value: loopback ? 1 : 0,
        "set IPV6_MULTICAST_LOOP"
      )
    }
  }

  // MARK: - Opening

  private static func index(of interface: InterfaceName?) throws(SystemError) -> UInt32 {
    guard let interface else { return 0 }
    let index = if_nametoindex(interface.text)
    guard index > 0 else { throw SystemError("find interface \(interface)", .last) }
    return index
  }
}

private let ipv4Level = CInt(IPPROTO_IP)
private let ipv6Level = CInt(IPPROTO_IPV6)

extension Descriptor {
  /// Sizes a buffer, beyond the system's limit if this process may.
  fileprivate func setBuffer(force: CInt, plain: CInt, _ size: CInt) throws(SystemError) {
    do {
      try setOption(level: SOL_SOCKET, name: force, value: size, "")
    } catch {
      try setOption(level: SOL_SOCKET, name: plain, value: size, "size a socket buffer")
    }
  }

  fileprivate func setOption<Value>(
    level: CInt,
    name: CInt,
    bytesOf value: Value,
    _ attempt: @autoclosure () -> String
  ) throws(SystemError) {
    let fd = rawValue
    let result = withUnsafeBytes(of: value) {
      setsockopt(fd, level, name, $0.baseAddress, socklen_t($0.count))
    }
    try SystemError.check(result, attempt())
  }
}
