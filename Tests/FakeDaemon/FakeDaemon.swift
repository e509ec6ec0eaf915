// SPDX-License-Identifier: Apache-2.0

import GroupModel
package import Reactor
package import SessionWire
import Transport

/// A daemon that says what a test has it say, to one client at a time, on a unix socket.
package final class FakeDaemon {
  private enum Phase {
    case connect
    case choice
    case open
  }

  private let listener: UnixListener
  private let loop: EventLoop
  private var connection: UnixConnection?
  private var watches: [EventLoop.Watch] = []
  package private(set) var accepted = 0
  /// What the present client said after the handshake.
  package private(set) var said: [ClientMessage] = []
  private var input: [UInt8] = []
  private var output: [UInt8] = []
  private var name = InlineName.empty
  private var phase = Phase.connect
  /// Whether the client is read at all.
  package var reads = true
  /// Whether a join, a leave and a message are answered as if nobody else were there.
  package var answers = false
  /// What the client gets instead of an accepted session.
  package var refusal: Refusal?

  package init(path: String, on loop: EventLoop) throws {
    self.loop = loop
    listener = try UnixListener(path: path)
    watches = [
      try loop.watch(listener.descriptor, for: .readable) { [unowned self] _ in accept() }
    ]
  }

  deinit { for watch in watches { loop.remove(watch) } }

  package func say(_ message: DaemonMessage) { say(message.bytes()) }

  package func say(_ bytes: [UInt8]) {
    output += bytes
    pump()
  }

  /// Writes what the client takes, and waits for it to take the rest.
  private func pump() {
    guard let connection, watches.count > 1 else { return }
    while connection.flush(), connection.isFlushed, !output.isEmpty {
      let piece = output.prefix(1 << 18)
      output.removeFirst(piece.count)
      _ = connection.write(piece)
    }
    let isDone = output.isEmpty && connection.isFlushed
    try? loop.change(watches[1], to: isDone ? .readable : [.readable, .writable])
  }

  /// Ends the client's connection.
  package func hangUp() {
    if watches.count > 1 { loop.remove(watches.removeLast()) }
    connection = nil
  }

  private func accept() {
    guard let accepted = try? listener.accept() else { return }
    hangUp()
    (connection, input, output, said, phase) = (accepted, [], [], [], .connect)
    self.accepted += 1
    let watch = try? loop.watch(accepted.descriptor, for: .readable) { [unowned self] _ in
      pump()
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
      if answers { answer(message) }
      if message == .kill { hangUp() }
    }
    return connection != nil
  }

  private func answer(_ message: ClientMessage) {
    switch message {
    case .join(let group):
      let view = MembershipMessage(
        group: group,
        cause: .join,
        id: GroupID(process: 1, time: 2, index: UInt32(truncatingIfNeeded: said.count)),
        members: [name],
        sets: [[name]],
        ownSet: 0
      )
      say(.membership(view))
    case .leave(let group): say(.selfLeave(group: group))
    case .multicast(let multicast): say(.regular(sender: name, multicast))
    case .kill: break
    }
  }
}
