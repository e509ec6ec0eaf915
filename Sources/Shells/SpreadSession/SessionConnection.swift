// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import GroupModel
import Machine
package import Reactor
package import SessionClient
package import SessionWire
import Transport

/// One client's session with a Spread daemon on a loop: the engine, and its socket.
///
/// Nothing here waits: not for the daemon, not for the look-up of its name.
package final class SessionConnection {
  /// The most bytes of one read, and the most reads in one turn of the loop.
  private static let chunk = 64 << 10
  private static let readsPerTurn = 16

  package let address: SpreadAddress

  private let loop: EventLoop
  private let handler: (SessionClientEngine.Notice) -> Void
  /// Set once, at the end of the initialiser.
  private var driver: Driver<SessionClientEngine>?
  private var lookup: HostLookup?
  private var stream: OutgoingStream?
  private var watch: EventLoop.Watch?
  private var alarms: [EventLoop.Alarm] = []
  /// Where connecting is tried next if the present attempt fails.
  private var places: [OutgoingStream.Place] = []
  private var isConnected = false
  private var isPaused = false
  /// When what was queued is to be sent: at the end of the turn, all of it together.
  private var flushDue: Instant?
  /// Bytes of messages that were taken, and that the engine has not seen yet.
  private var promised = 0

  /// Connects as soon as the loop runs; `handler` is called from the loop only.
  package init(
    to address: SpreadAddress,
    settings: SessionClientEngine.Settings,
    seed: UInt64,
    on loop: EventLoop,
    handler: @escaping (SessionClientEngine.Notice) -> Void
  ) throws(SystemError) {
    (self.address, self.loop, self.handler) = (address, loop, handler)
    let engine = SessionClientEngine(
      settings,
      random: SplitMix64(seed: seed),
      startingAt: BootClock.now
    )
    let driver = Driver(engine) { [unowned self] in perform($0) }
    self.driver = driver
    if case .remote(let host, _) = address, IPAddress(text: host) == nil {
      lookup = try HostLookup(on: loop)
    }
    alarms = [
      driver.schedule(on: loop),
      loop.addAlarm(
        next: { [unowned self] in flushDue },
        fire: { [unowned self] _ in flush() }
      ),
    ]
  }

  deinit {
    if let watch { loop.remove(watch) }
    for alarm in alarms { loop.remove(alarm) }
  }

  /// Told of the socket of a new connection, and by `nil` of the end of one, before that is reported.
  package var socketChanged: (CInt?) -> Void = { _ in }

  /// The session's private name; `nil` unless it is open.
  package var privateName: InlineName? { driver?.machine.privateName }

  /// Why the session was lost while it ended, with what was sent last; `nil` if it was not.
  package var cutOff: DisconnectReason? { driver?.machine.cutOff }

  /// Whether a lost session will be opened again.
  package var isReconnecting: Bool {
    driver.map { $0.machine.settings.reconnects && !$0.machine.isOver } ?? false
  }

  /// Says something in the session.
  ///
  /// - Throws: why it is not said; after `congested`, `writable` follows.
  package func send(_ message: ClientMessage) throws(GroupRefusal) {
    guard let driver else { throw .disconnected }
    if let refusal = driver.machine.refusal(of: message, besides: promised) {
      if refusal == .congested { driver.feed(.wantsRoom) }
      throw refusal
    }
    promised += message.length
    driver.feed(.send(message))
  }

  /// Ends the session; `closed(.requested)` is the last notice.
  package func leave() { driver?.feed(.leave) }

  /// Gives up the present connection, of which the user cannot make sense.
  package func abandon(_ text: String) { driver?.feed(.abandon(.protocolViolation(text))) }

  /// Stops or goes on reading, so that a slow user slows the daemon down and not this process.
  package func pause(_ isPaused: Bool) {
    guard isPaused != self.isPaused else { return }
    self.isPaused = isPaused
    if !isPaused, isConnected { rewatch() } else { updateInterests() }
  }

  // MARK: - Effects

  private func perform(_ effect: SessionClientEngine.Effect) {
    switch effect {
    case .connect: connect()
    case .write(let bytes):
      promised = max(0, promised - bytes.count)
      stream?.queue(bytes)
      if flushDue == nil { flushDue = BootClock.now }
    case .close: close()
    case .tell(let notice): handler(notice)
    }
  }

  private func connect() {
    switch address {
    case .local(let port): places = SpreadAddress.localDirectories.map { .unix("\($0)/\(port)") }
    case .path(let path): places = [.unix(path)]
    case .remote(let host, let port):
      if let address = IPAddress(text: host) {
        places = [.tcp(Endpoint(address: address, port: port))]
        break
      }
      lookup?.find(host) { [unowned self] result in
        switch result {
        case .success(let addresses):
          places = addresses.map { .tcp(Endpoint(address: $0, port: port)) }
          tryNext(after: "")
        case .failure(let failure): driver?.feed(.failed("look up \(host): \(failure.text)"))
        }
      }
      return
    }
    tryNext(after: "")
  }

  /// Tries the remaining places one after the other; `problem` is what became of the last one.
  private func tryNext(after problem: String) {
    var problem = problem
    while !places.isEmpty {
      do throws(SystemError) {
        let stream = try OutgoingStream(connectingTo: places.removeFirst())
        self.stream = stream
        watch = try loop.watch(stream.descriptor, for: .writable) { [unowned self] in
          take($0)
        }
        return
      } catch {
        problem = "\(error)"
        drop()
      }
    }
    driver?.feed(.failed(problem))
  }

  /// Ends the present connection, and whatever was to become one.
  private func close() {
    lookup?.cancel()
    places = []
    drop()
  }

  private func drop() {
    if let watch { loop.remove(watch) }
    if isConnected {
      // Whoever else holds the socket, the daemon is to see its end now.
      stream?.end()
      socketChanged(nil)
    }
    (watch, stream, isConnected, flushDue, promised) = (nil, nil, false, nil, 0)
  }

  // MARK: - The socket

  private func take(_ readiness: EventLoop.Readiness) {
    guard let stream else { return }
    guard isConnected else {
      do throws(SystemError) {
        try stream.confirm()
      } catch {
        drop()
        tryNext(after: "\(error)")
        return
      }
      (isConnected, places) = (true, [])
      socketChanged(stream.descriptor.rawValue)
      updateInterests()
      driver?.feed(.opened)
      return
    }
    if readiness.contains(.writable) { flush() }
    if isPaused {
      // What is left unread stays with the kernel, which would report the end again and again.
      if readiness.contains(.ended), let watch {
        loop.remove(watch)
        self.watch = nil
      }
      return
    }
    if !readiness.isDisjoint(with: [.readable, .ended]) { read() }
  }

  private func read() {
    for _ in 0..<Self.readsPerTurn {
      guard let stream, !isPaused else { return }
      switch stream.read(limit: Self.chunk) {
      case .bytes(let bytes):
        driver?.feed(.received(bytes))
        if bytes.count < Self.chunk { return }
      case .nothing: return
      case .ended: return lose("the daemon closed the connection")
      case .failed(let error): return lose("\(error)")
      }
    }
  }

  private func lose(_ text: String) {
    drop()
    driver?.feed(.failed(text))
  }

  private func flush() {
    flushDue = nil
    guard let stream, isConnected else { return }
    let hadUnsent = stream.unsent > 0
    let count = stream.flush()
    if hadUnsent { updateInterests() }
    if count > 0 { driver?.feed(.written(count)) }
  }

  private func updateInterests() {
    guard let stream, let watch, isConnected else { return }
    var interests: EventLoop.Readiness = isPaused ? [] : .readable
    if stream.unsent > 0 { interests.insert(.writable) }
    // A watch that cannot be changed is noticed by the end of the connection at the latest.
    try? loop.change(watch, to: interests)
  }

  /// Watches the socket again after a pause that may have ended its watch.
  private func rewatch() {
    guard watch == nil, let stream else { return updateInterests() }
    do throws(SystemError) {
      watch = try loop.watch(stream.descriptor, for: .readable) { [unowned self] in take($0) }
      updateInterests()
    } catch {
      lose("\(error)")
    }
  }
}
