// SPDX-License-Identifier: Apache-2.0

import Glibc
import Machine
package import Reactor

/// A service on a unix socket: a client sends one line, gets one reply, and is disconnected.
///
/// Bounded in everything: connections, bytes of a request, and the time a client may take.
package final class LineServer {
  /// One line from one client.
  package struct Request: Sendable, Equatable {
    /// Without the line break.
    package let line: String
    package let peer: PeerCredentials
  }

  package struct Limits: Sendable, Equatable {
    package var connections = 32
    /// The longest request in bytes, line break included.
    package var request = 4_096
    /// How long a client may take from connecting to having read the reply.
    package var time: Duration = .seconds(5)

    package init() {}
  }

  /// Requests that were not answered, by reason.
  package struct Statistics: Sendable, Equatable {
    package fileprivate(set) var answered: UInt64 = 0
    package fileprivate(set) var tooMany: UInt64 = 0
    package fileprivate(set) var tooLong: UInt64 = 0
    package fileprivate(set) var tooSlow: UInt64 = 0
    /// The client went away, or sent something that is not UTF-8.
    package fileprivate(set) var broken: UInt64 = 0
  }

  private enum Phase {
    case reading
    case waiting
    case replying
  }

  private struct Client {
    let connection: UnixConnection
    let deadline: Instant
    var watch: EventLoop.Watch?
    var request: [UInt8] = []
    var phase = Phase.reading
  }

  package private(set) var statistics = Statistics()

  private let listener: UnixListener
  private let loop: EventLoop
  private let limits: Limits
  private let handler: (Request, @escaping (String) -> Void) -> Void
  private var clients: [UInt64: Client] = [:]
  private var accepted: UInt64 = 0
  private var listening: EventLoop.Watch?
  private var alarm: EventLoop.Alarm?

  /// Serves until the value goes away.
  ///
  /// `handler` gets a request and the function that answers it, which may be called later; its
  /// second call, or one after the client has gone, does nothing.
  package init(
    _ listener: UnixListener,
    on loop: EventLoop,
    limits: Limits = Limits(),
    handler: @escaping (Request, @escaping (String) -> Void) -> Void
  ) throws(SystemError) {
    (self.listener, self.loop, self.limits, self.handler) = (listener, loop, limits, handler)
    listening = try loop.watch(listener.descriptor, for: .readable) { [weak self] _ in
      self?.acceptAll()
    }
    alarm = loop.addAlarm(
      next: { [weak self] in self?.clients.values.lazy.map(\.deadline).min() },
      fire: { [weak self] now in self?.expire(at: now) }
    )
  }

  deinit {
    if let listening { loop.remove(listening) }
    if let alarm { loop.remove(alarm) }
    for client in clients.values { if let watch = client.watch { loop.remove(watch) } }
  }

  private func acceptAll() {
    for _ in 0..<limits.connections {
      // A failure (too many open files) passes; the connection waits in the backlog meanwhile.
      guard let connection = try? listener.accept() else { return }
      guard clients.count < limits.connections else {
        statistics.tooMany &+= 1
        continue
      }
      accepted += 1
      let id = accepted
      clients[id] = Client(connection: connection, deadline: BootClock.now + limits.time)
      do {
        clients[id]?.watch = try loop.watch(connection.descriptor, for: .readable) {
          [weak self] in self?.serve(id, $0)
        }
      } catch {
        drop(id, counting: \.broken)
      }
    }
  }

  private func serve(_ id: UInt64, _ readiness: EventLoop.Readiness) {
    guard let client = clients[id] else { return }
    switch client.phase {
    case .reading: read(id, client.connection)
    // Watched for nothing but its end.
    case .waiting: drop(id, counting: \.broken)
    case .replying: flush(id)
    }
  }

  private func read(_ id: UInt64, _ connection: UnixConnection) {
    switch connection.read(limit: limits.request) {
    case .nothing:
      return
    case .ended:
      drop(id, counting: \.broken)
    case .bytes(let bytes):
      clients[id]?.request += bytes
      takeLine(id)
    }
  }

  private func takeLine(_ id: UInt64) {
    guard let client = clients[id] else { return }
    guard let end = client.request.firstIndex(of: UInt8(ascii: "\n")) else {
      if client.request.count >= limits.request { drop(id, counting: \.tooLong) }
      return
    }
    guard end < limits.request else {
      drop(id, counting: \.tooLong)
      return
    }
    guard let line = String(validating: client.request[..<end], as: UTF8.self) else {
      drop(id, counting: \.broken)
      return
    }
    // What else the client sends is never read: the reply is the last thing that happens.
    if let watch = client.watch { try? loop.change(watch, to: []) }
    clients[id]?.phase = .waiting
    handler(Request(line: line, peer: client.connection.peer)) { [weak self] reply in
      self?.answer(id, reply)
    }
  }

  private func answer(_ id: UInt64, _ reply: String) {
    guard let client = clients[id], client.phase == .waiting else { return }
    clients[id]?.phase = .replying
    guard client.connection.write(reply.utf8) else {
      drop(id, counting: \.broken)
      return
    }
    flush(id)
  }

  private func flush(_ id: UInt64) {
    guard let client = clients[id] else { return }
    guard client.connection.flush() else {
      drop(id, counting: \.broken)
      return
    }
    if client.connection.isFlushed {
      drop(id, counting: \.answered)
    } else if let watch = client.watch {
      try? loop.change(watch, to: .writable)
    }
  }

  private func drop(_ id: UInt64, counting reason: WritableKeyPath<Statistics, UInt64>) {
    guard let client = clients.removeValue(forKey: id) else { return }
    if let watch = client.watch { loop.remove(watch) }
    statistics[keyPath: reason] &+= 1
  }

  private func expire(at now: Instant) {
    for id in clients.filter({ $0.value.deadline <= now }).keys.sorted() {
      drop(id, counting: \.tooSlow)
    }
  }
}

/// The client's side of a ``LineServer``, for tools: it blocks.
package enum LineClient {
  /// Sends one line and returns the whole reply.
  ///
  /// Waits at most `timeout` for each part of the reply.
  ///
  /// - Throws: what failed; `ECONNREFUSED` or `ENOENT` when nothing serves the path, `EAGAIN`
  ///   after the time-out, `EMSGSIZE` for a reply beyond 64 MiB.
  package static func request(
    _ line: String,
    at path: String,
    timeout: Duration = .seconds(5)
  ) throws(SystemError) -> [UInt8] {
    let socket = try Descriptor.socket(family: AF_UNIX, type: .stream, nonblocking: false)
    let fd = socket.rawValue
    var limit = timeval()
    limit.tv_sec = Int(timeout.components.seconds)
    limit.tv_usec = Int(timeout.components.attoseconds / 1_000_000_000_000)
    let size = socklen_t(MemoryLayout<timeval>.size)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      try SystemError.check(setsockopt(fd, SOL_SOCKET, option, &limit, size), "set a time-out")
    }
    let connected = try UnixPath(path).withSocketAddress { connect(fd, $0, $1) }
    try SystemError.check(connected, "connect to \(path)")
    var unsent = Array(line.utf8)[...] + [UInt8(ascii: "\n")]
    while !unsent.isEmpty {
      let count = unsent.withUnsafeBytes { send(fd, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw SystemError("send to \(path)", .last) }
      unsent = unsent.dropFirst(count)
    }
    return try readAll(from: socket, path: path)
  }

  private static func readAll(
    from socket: borrowing Descriptor,
    path: String
  ) throws(SystemError) -> [UInt8] {
    var reply: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while reply.count <= 64 << 20 {
      let count = read(socket.rawValue, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw SystemError("read the reply from \(path)", .last) }
      if count == 0 { return reply }
      reply += buffer[..<count]
    }
    throw SystemError("read the reply from \(path)", Errno(EMSGSIZE))
  }
}
