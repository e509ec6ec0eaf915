// SPDX-License-Identifier: Apache-2.0

import Addresses
import CNetlink
import Glibc
import Machine
import Reactor

/// A netlink socket for requests; each call waits for the kernel, which may hold its lock for long.
package final class NetlinkConnection {
  /// One change as the kernel is asked for it.
  struct Request {
    enum Kind {
      case add(AddressOptions)
      case renew(AddressOptions)
      case remove
    }
    let kind: Kind
    let index: UInt32
    let prefix: IPPrefix
  }

  /// How one request of a batch ended.
  enum Answer {
    case acknowledged
    case refused(Errno, text: String?)
    case lost
    /// It was not sent, for it was too late.
    case expired
  }

  /// How many requests go to the kernel in one datagram; the rest follow in the next.
  static let batchLimit = 512

  private let socket: OpaquePointer
  private let buffer = RouteBuffer()

  /// - Throws: what failed, which without privileges is nothing: asking is allowed to all.
  package init() throws(NetlinkError) {
    guard let socket = nl_socket_alloc() else {
      throw NetlinkError("open a netlink socket", .kernel(Errno(ENOMEM), text: nil))
    }
    self.socket = socket
    let result = nl_connect(socket, NETLINK_ROUTE)
    guard result == 0 else {
      let error = Errno.last
      nl_socket_free(socket)
      throw NetlinkError("open a netlink socket", .kernel(error, text: nil))
    }
    wack_request_error_texts(socket)
    _ = wack_size_receive_buffer(socket, 4 << 20)
  }

  deinit { nl_socket_free(socket) }

  // MARK: - Asking

  /// Lists all interfaces.
  package func links() throws(NetlinkError) -> [NetworkLink] {
    try dump(wack_message_new_link, "list interfaces") { message in
      if case .link(let link) = message.event() { link } else { nil }
    }
  }

  /// Lists the addresses of all interfaces.
  package func addresses() throws(NetlinkError) -> [NetworkAddress] {
    try dump(wack_message_new_address, "list addresses") { message in
      if case .address(let address) = message.event() { address } else { nil }
    }
  }

  /// Lists the hosts that the kernel knows the hardware addresses of.
  package func neighbors() throws(NetlinkError) -> [NetworkNeighbor] {
    try dump(wack_message_new_neighbor, "list neighbours") { $0.neighbor() }
  }

  private func dump<Value>(
    _ kind: CInt,
    _ attempt: String,
    _ pick: (RouteMessage) -> Value?
  ) throws(NetlinkError) -> [Value] {
    // The kernel marks a list during which something changed; the next one may be whole.
    for _ in 0..<5 {
      if let values = try dumpOnce(kind, attempt, pick) { return values }
    }
    throw NetlinkError(attempt, .kernel(Errno(EAGAIN), text: "the list kept changing"))
  }

  private func dumpOnce<Value>(
    _ kind: CInt,
    _ attempt: String,
    _ pick: (RouteMessage) -> Value?
  ) throws(NetlinkError) -> [Value]? {
    discardOldAnswers()
    guard wack_request_dump(socket, kind) >= 0 else {
      throw NetlinkError(attempt, .kernel(.last, text: nil))
    }
    var values: [Value] = []
    var interrupted = false
    var ended = false
    var failure: Errno?
    while !ended {
      let result = read { message in
        if message.isInterrupted { interrupted = true }
        if message.kind == wack_message_done {
          ended = true
        } else if message.kind == wack_message_error {
          failure = message.error()?.errno
          ended = true
        } else if let value = pick(message) {
          values.append(value)
        }
      }
      switch result {
      case .read: continue
      case .empty: throw NetlinkError(attempt, .noAnswer)
      case .overrun: return nil
      case .failed(let errno): failure = errno
      }
      break
    }
    if let failure { throw NetlinkError(attempt, .kernel(failure, text: nil)) }
    return interrupted ? nil : values
  }

  // MARK: - Changing

  /// Asks for all changes in one datagram and returns the answers, one for each, in order.
  ///
  /// From `limit` on nothing is sent any more: the clock is read right before each send, for this
  /// thread may have waited for the kernel, or stood still with the whole process.
  func change(_ requests: [Request], until limit: Instant? = nil) -> [Answer] {
    var answers: [Answer] = []
    answers.reserveCapacity(requests.count)
    var rest = requests[...]
    while !rest.isEmpty {
      answers += changeBatch(rest.prefix(Self.batchLimit), until: limit)
      rest = rest.dropFirst(Self.batchLimit)
    }
    return answers
  }

  private func changeBatch(_ requests: ArraySlice<Request>, until limit: Instant?) -> [Answer] {
    discardOldAnswers()
    var datagram: [UInt8] = []
    var waiting: [UInt32: Int] = [:]
    var answers = [Answer](repeating: .lost, count: requests.count)
    for (position, request) in requests.enumerated() {
      guard let message = request.message() else {
        answers[position] = .refused(Errno(ENOMEM), text: nil)
        continue
      }
      defer { nlmsg_free(message) }
      // Fills in the port and the sequence number, and asks for an answer.
      nl_complete_msg(socket, message)
      guard let header = nlmsg_hdr(message) else { continue }
      waiting[header.pointee.nlmsg_seq] = position
      datagram += UnsafeRawBufferPointer(start: header, count: Int(header.pointee.nlmsg_len))
      while datagram.count % 4 != 0 { datagram.append(0) }
    }
    guard !datagram.isEmpty else { return answers }
    if let limit, BootClock.now >= limit {
      for position in waiting.values { answers[position] = .expired }
      return answers
    }
    let sent = datagram.withUnsafeMutableBytes {
      nl_sendto(socket, $0.baseAddress, $0.count)
    }
    guard sent >= 0 else {
      let errno = Errno.last
      for position in waiting.values { answers[position] = .refused(errno, text: nil) }
      return answers
    }
    collect(&answers, waiting: waiting)
    return answers
  }

  private func collect(_ answers: inout [Answer], waiting: [UInt32: Int]) {
    var waiting = waiting
    while !waiting.isEmpty {
      let result = read { message in
        guard message.kind == wack_message_error,
          let position = waiting.removeValue(forKey: message.sequence)
        else { return }
        if let (errno, text) = message.error() {
          answers[position] = .refused(errno, text: text)
        } else {
          answers[position] = .acknowledged
        }
      }
      switch result {
      // After an overrun the answers that fitted are still there.
      case .read, .overrun: continue
      case .empty, .failed: return
      }
    }
  }

  // MARK: - Reading

  /// Reads one datagram, for which it waits at most a second: the kernel answers during the send.
  private func read(_ body: (RouteMessage) -> Void) -> RouteBuffer.Result {
    var wait = pollfd(fd: nl_socket_get_fd(socket), events: Int16(POLLIN), revents: 0)
    var ready = poll(&wait, 1, 1_000)
    while ready < 0, errno == EINTR { ready = poll(&wait, 1, 1_000) }
    guard ready > 0 else { return .empty }
    return buffer.read(from: wait.fd, body)
  }

  private func discardOldAnswers() {
    let fd = nl_socket_get_fd(socket)
    while true {
      switch buffer.read(from: fd, { _ in }) {
      case .read, .overrun: continue
      case .empty, .failed: return
      }
    }
  }
}

extension NetlinkConnection.Request {
  /// The request as a netlink message, to be freed by the caller; `nil` when memory is short.
  fileprivate func message() -> OpaquePointer? {
    var change = wack_address_change()
    change.index = index
    change.family = prefix.address.family
    change.prefix_length = CInt(prefix.length)
    change.scope = -1
    var label: String?
    switch kind {
    case .add(let options):
      change.apply(options)
      label = options.label
    case .renew(let options):
      change.apply(options)
      change.replace = 1
      label = options.label
    case .remove:
      change.remove = 1
    }
    return prefix.address.octets.withUnsafeBytes { octets in
      change.address = octets.baseAddress
      guard let label else { return wack_address_message(&change) }
      return label.withCString { text in
        change.label = text
        return wack_address_message(&change)
      }
    }
  }
}

extension wack_address_change {
  fileprivate mutating func apply(_ options: AddressOptions) {
    if let wanted = options.scope { scope = CInt(wanted) }
    if options.noPrefixRoute { flags |= wack_address_no_prefix_route }
    if options.noDuplicateDetection, family == AF_INET6 { flags |= wack_address_no_dad }
    if options.validLifetime != nil || options.preferredLifetime != nil {
      finite = 1
      valid = options.validLifetime ?? .max
      preferred = min(options.preferredLifetime ?? .max, valid)
    }
  }
}
