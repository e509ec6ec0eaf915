// SPDX-License-Identifier: Apache-2.0

import Addresses
import Machine
import Reactor
import SessionNode
import Sessions
import Transport

/// The clients' listeners and connections: reads for the engine, and writes what it says.
///
/// Nothing here waits: a client that does not send, or does not read, costs its own memory only.
final class Clients {
  private struct Connection {
    let stream: StreamConnection
    var watch: EventLoop.Watch?
    var interests: EventLoop.Readiness = .readable
    /// Whether the client ended its side, so that nothing more is read.
    var isEnded = false
    /// Whether the kernel takes no more for now.
    var isBlocked = false
    /// Whether it waits to be read because the ring takes no more.
    var isStalled = false
  }

  /// The most connections that are accepted from one listener in a turn.
  private static let acceptLimit = 64
  /// How long no connection is accepted after the system had no room for one.
  private static let pause: Duration = .milliseconds(100)

  /// What the engine is told.
  var feed: (SessionsEngine.Event) -> Void = { _ in }
  /// Whether more may be read.
  var mayRead: () -> Bool = { true }
  /// Whether a client passes the method `IP`.
  var admits: (StreamConnection.Peer) -> Bool = { _ in false }

  private let loop: EventLoop
  private let noted: (String) -> Void
  private var listeners: [(listener: StreamListener, watch: EventLoop.Watch)] = []
  private var connections: [SessionsEngine.ID: Connection] = [:]
  private var opened: UInt64 = 0
  /// Sessions with something to write, which is done at the end of the turn.
  private var ready: [SessionsEngine.ID] = []
  /// Sessions that wait to be read, the longest waiting first.
  private var stalled: [SessionsEngine.ID] = []
  /// When there was first something to do at the end of the turn.
  private var dueSince: Instant?
  private var pausedUntil: Instant?

  init(loop: EventLoop, noted: @escaping (String) -> Void) {
    (self.loop, self.noted) = (loop, noted)
    loop.addAlarm(
      next: { [unowned self] in dueSince },
      fire: { [unowned self] _ in finishTurn() }
    )
    loop.addAlarm(
      next: { [unowned self] in pausedUntil },
      fire: { [unowned self] _ in
        pausedUntil = nil
        acceptAll()
      }
    )
  }

  /// Where clients are awaited.
  var places: [StreamListener.Place] { listeners.map(\.listener.place) }

  func serve(_ listener: StreamListener) throws(SystemError) {
    let number = listeners.count
    let watch = try listener.watch(on: loop) { [unowned self] in accept(number) }
    listeners.append((listener, watch))
  }

  /// Gives the unix sockets other permissions; says so of each that cannot have them.
  func setMode(_ mode: UInt32) {
    for (listener, _) in listeners {
      do throws(SystemError) {
        try listener.setMode(mode)
      } catch {
        noted("\(listener.place) keeps its permissions: \(error)")
      }
    }
  }

  /// Takes no more clients.
  func stopListening() {
    for listener in listeners { loop.remove(listener.watch) }
    listeners = []
    pausedUntil = nil
  }

  /// Called after every event and deadline of the engine: sees whether stalled clients can be read again.
  func noteProgress() {
    if dueSince == nil, !stalled.isEmpty, mayRead() { dueSince = BootClock.now }
  }

  // MARK: - Connecting

  private func acceptAll() {
    for number in listeners.indices { accept(number) }
  }

  private func accept(_ number: Int) {
    guard pausedUntil == nil, listeners.indices.contains(number) else { return }
    for _ in 0..<Self.acceptLimit {
      do {
        guard let stream = try listeners[number].listener.accept() else { return }
        open(stream)
      } catch {
        // The connection waits in the backlog; the loop must not spin meanwhile.
        noted("cannot accept a client: \(error)")
        pausedUntil = BootClock.now + Self.pause
        return
      }
    }
  }

  private func open(_ stream: StreamConnection) {
    opened += 1
    let id = SessionsEngine.ID(opened)
    connections[id] = Connection(stream: stream)
    watchAnew(id, for: .readable)
    guard connections[id]?.watch != nil else {
      connections[id] = nil
      return
    }
    let peer: SessionsEngine.Peer =
      switch stream.peer {
      case .user(let user): .user(user)
      case .address(let address): .address(address)
      }
    feed(.opened(id, peer, isAdmitted: admits(stream.peer)))
  }

  private func watchAnew(_ id: SessionsEngine.ID, for interests: EventLoop.Readiness) {
    guard let stream = connections[id]?.stream else { return }
    connections[id]?.interests = interests
    connections[id]?.watch = try? loop.watch(stream.descriptor, for: interests) {
      [unowned self] in
      serve(id, $0)
    }
  }

  // MARK: - Reading and writing

  private func serve(_ id: SessionsEngine.ID, _ readiness: EventLoop.Readiness) {
    guard let connection = connections[id] else { return }
    if readiness.contains(.writable), connection.isBlocked { resume(id) }
    if readiness.contains(.ended), connection.isEnded { return end(id) }
    if connection.isStalled { return dropWatch(id, readiness) }
    if !readiness.isDisjoint(with: [.readable, .ended]) { read(id) }
  }

  /// The end of a stalled client's stream would be reported in every turn until it may be read.
  private func dropWatch(_ id: SessionsEngine.ID, _ readiness: EventLoop.Readiness) {
    guard readiness.contains(.ended), let watch = connections[id]?.watch else { return }
    loop.remove(watch)
    connections[id]?.watch = nil
  }

  private func read(_ id: SessionsEngine.ID) {
    guard let connection = connections[id], !connection.isEnded else { return }
    guard mayRead() else { return stall(id) }
    switch connection.stream.read(limit: SessionNode.longestRead) {
    case .bytes(let bytes): feed(.received(id, bytes))
    case .nothing: break
    case .ended: end(id)
    }
  }

  /// The client's stream is over.
  private func end(_ id: SessionsEngine.ID) {
    connections[id]?.isEnded = true
    watch(id)
    feed(.ended(id))
  }

  private func stall(_ id: SessionsEngine.ID) {
    guard connections[id]?.isStalled == false else { return }
    connections[id]?.isStalled = true
    stalled.append(id)
    watch(id)
  }

  /// Asks the loop for what the connection's state needs.
  private func watch(_ id: SessionsEngine.ID) {
    guard let connection = connections[id] else { return }
    var interests: EventLoop.Readiness = []
    if !connection.isEnded, !connection.isStalled { interests.insert(.readable) }
    if connection.isBlocked { interests.insert(.writable) }
    guard let watch = connection.watch else {
      // It was stalled when its stream ended; what is left of that is read now.
      if !connection.isStalled { watchAnew(id, for: interests) }
      return
    }
    guard interests != connection.interests else { return }
    connections[id]?.interests = interests
    try? loop.change(watch, to: interests)
  }

  private func resume(_ id: SessionsEngine.ID) {
    guard let stream = connections[id]?.stream else { return }
    take(stream.resume(), of: id)
  }

  private func take(_ progress: StreamConnection.Progress, of id: SessionsEngine.ID) {
    switch progress {
    case .done:
      connections[id]?.isBlocked = false
      watch(id)
      feed(.flushed(id))
    case .blocked(let pieces, let bytes):
      connections[id]?.isBlocked = true
      watch(id)
      feed(.blocked(id, messages: pieces, bytes: bytes))
    case .failed: end(id)
    }
  }

  // MARK: - What the engine says

  func perform(_ effect: SessionsEngine.Effect) {
    switch effect {
    case .ready(let id):
      ready.append(id)
      if dueSince == nil { dueSince = BootClock.now }
    case .write(let id, let pieces):
      guard let stream = connections[id]?.stream else { return }
      take(stream.write(pieces), of: id)
    case .finish(let id): connections[id]?.stream.finish()
    case .close(let id):
      guard let connection = connections.removeValue(forKey: id) else { return }
      if let watch = connection.watch { loop.remove(watch) }
    case .note: break  // The daemon writes the log.
    case .connect, .request, .crash: break  // Between the engines; never handed out.
    }
  }

  /// Once a turn: what was delivered in it goes out together, then stalled clients are read again.
  private func finishTurn() {
    dueSince = nil
    let flushed = ready
    ready.removeAll(keepingCapacity: true)
    for id in flushed { feed(.flushed(id)) }
    guard !stalled.isEmpty else { return }
    let waiting = stalled
    stalled = []
    for (place, id) in waiting.enumerated() {
      guard mayRead() else {
        stalled.append(contentsOf: waiting[place...])
        return
      }
      connections[id]?.isStalled = false
      read(id)
      watch(id)
    }
  }
}
