// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Reactor
import SessionWire

@testable import Transport

/// A daemon that says what a test has it say, to one client at a time, on a unix socket.
final class FakeDaemon {
  private enum Phase {
    case connect
    case choice
    case open
  }

  private let listener: UnixListener
  private let loop: EventLoop
  private var connection: UnixConnection?
  private var watches: [EventLoop.Watch] = []
  private(set) var accepted = 0
  /// What the present client said after the handshake.
  private(set) var said: [ClientMessage] = []
  private var input: [UInt8] = []
  private var name = InlineName.empty
  private var phase = Phase.connect
  /// Whether the client is read at all.
  var reads = true
  /// What the client gets instead of an accepted session.
  var refusal: Refusal?

  init(path: String, on loop: EventLoop) throws {
    self.loop = loop
    listener = try UnixListener(path: path)
    watches = [
      try loop.watch(listener.descriptor, for: .readable) { [unowned self] _ in accept() }
    ]
  }

  deinit { for watch in watches { loop.remove(watch) } }

  func say(_ message: DaemonMessage) { _ = connection?.write(message.bytes()) }

  func say(_ bytes: [UInt8]) { _ = connection?.write(bytes) }

  /// Ends the client's connection.
  func hangUp() {
    if watches.count > 1 { loop.remove(watches.removeLast()) }
    connection = nil
  }

  private func accept() {
    guard let accepted = try? listener.accept() else { return }
    hangUp()
    (connection, input, said, phase) = (accepted, [], [], .connect)
    self.accepted += 1
    let watch = try? loop.watch(accepted.descriptor, for: .readable) { [unowned self] _ in
      if reads { read() }
    }
    if let watch { watches.append(watch) }
  }

  private func read() {
    switch connection?.read(limit: 1 << 20) {
    case .bytes(let bytes):
      input += bytes
      while step() {}
    case .ended: hangUp()
    case .nothing, nil: break
    }
  }

  /// Answers one unit of what came in; `false` for want of bytes.
  private func step() -> Bool {
    switch phase {
    case .connect:
      guard case .complete(let request, let length) = try? ConnectRequest.parse(input[...]) else {
        return false
      }
      input.removeFirst(length)
      name = InlineName(Array("#".utf8) + request.name + Array("#fake".utf8)) ?? .empty
      phase = .choice
      if let refusal {
        say([refusal.byte])
        hangUp()
      } else {
        say(MethodList.methods(["NULL"]).bytes)
      }
    case .choice:
      guard case .complete(_, let length) = MethodChoice.parse(input[...]) else { return false }
      input.removeFirst(length)
      say(Acceptance.accepted(.own, privateName: name.bytes).bytes(for: .own))
      phase = .open
    case .open:
      let limits = MessageFrame.Limits(groups: 100, body: 1 << 20)
      let parsed = try? MessageFrame.parse(input[...], from: .client, limits: limits)
      guard case .complete(let frame, let length) = parsed else { return false }
      input.removeFirst(length)
      guard let message = try? ClientMessage(frame, of: name) else { return false }
      said.append(message)
      if message == .kill { hangUp() }
    }
    return connection != nil
  }
}
