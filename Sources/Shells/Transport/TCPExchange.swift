// SPDX-License-Identifier: Apache-2.0

package import Addresses
import Glibc
package import Reactor

/// A TCP connection that sends one thing and reads what comes, on the loop.
package final class TCPExchange {
  /// What has happened; nothing follows an end or a failure.
  package enum Event: Sendable, Equatable {
    case connected
    case bytes([UInt8])
    case ended
    case failed(Errno)
  }

  private enum Phase {
    case connecting
    case reading
  }

  private let descriptor: Descriptor
  private let loop: EventLoop
  private let request: [UInt8]
  private let handler: (Event) -> Void
  private var watch: EventLoop.Watch?
  private var phase = Phase.connecting

  /// Begins to connect; `request` is sent as soon as that is done, and should be short.
  ///
  /// - Throws: what failed at once, such as a network that cannot be reached.
  package init(
    to endpoint: Endpoint,
    sending request: [UInt8],
    on loop: EventLoop,
    handler: @escaping (Event) -> Void
  ) throws(SystemError) {
    (self.loop, self.request, self.handler) = (loop, request, handler)
    let family =
      switch endpoint.address {
      case .v4: AF_INET
      case .v6: AF_INET6
      }
    descriptor = try .socket(family: family, type: .stream)
    let fd = descriptor.rawValue
    let result = endpoint.withSocketAddress { connect(fd, $0, $1) }
    if result < 0, errno != EINPROGRESS { throw SystemError("connect to \(endpoint)", .last) }
    watch = try loop.watch(descriptor, for: .writable) { [weak self] _ in self?.turn() }
  }

  deinit { if let watch { loop.remove(watch) } }

  private func turn() {
    switch phase {
    case .connecting: finishConnecting()
    case .reading: read()
    }
  }

  private func finishConnecting() {
    var failure: CInt = 0
    var size = socklen_t(MemoryLayout<CInt>.size)
    let fd = descriptor.rawValue
    guard getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0, failure == 0 else {
      return fail(Errno(failure))
    }
    phase = .reading
    if let watch { try? loop.change(watch, to: .readable) }
    if !request.isEmpty {
      let sent = request.withUnsafeBytes { send(fd, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
      // A new connection takes some kilobytes at once; one that does not is no good.
      guard sent == request.count else { return fail(sent < 0 ? .last : Errno(EAGAIN)) }
    }
    handler(.connected)
  }

  private func read() {
    var buffer = [UInt8](repeating: 0, count: 4_096)
    let count = Glibc.read(descriptor.rawValue, &buffer, buffer.count)
    if count > 0 { return handler(.bytes(Array(buffer[..<count]))) }
    if count < 0, errno == EINTR || errno == EAGAIN { return }
    let error = Errno.last
    stop()
    handler(count == 0 ? .ended : .failed(error))
  }

  private func fail(_ error: Errno) {
    stop()
    handler(.failed(error))
  }

  private func stop() {
    if let watch { loop.remove(watch) }
    watch = nil
  }
}
