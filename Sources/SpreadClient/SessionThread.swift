// SPDX-License-Identifier: Apache-2.0

import Addresses
import GroupModel
import Reactor
import SessionClient
import SessionWire
import SpreadSession

/// What runs on the thread of a ``SpreadConnection``: the loop, the session, and who waits for it.
final class SessionThread {
  struct Nothing: Sendable {}

  typealias Answer = CheckedContinuation<Result<Void, SpreadError>, Never>

  /// What other threads ask for; every answer is given exactly once.
  enum Command: Sendable {
    case awaitOpening(Answer)
    case join(InlineName, Answer)
    case leave(InlineName, Answer)
    case send(SessionMulticast, Answer)
    case close(CheckedContinuation<Void, Never>?)
    /// The reader of the events has made room.
    case goOn
  }

  private let loop: EventLoop
  private let options: SpreadConnection.Options
  private let events: EventBuffer
  private let mailbox: Mailbox<Command>
  private var connection: SessionConnection?
  private var opening: Answer?
  private var closing: [CheckedContinuation<Void, Never>] = []
  /// What is joined again in a new session, in order.
  private var groups: [InlineName] = []
  /// Messages that wait for room, in order.
  private var waiting: [(message: ClientMessage, answer: Answer)] = []
  private var wasOpen = false
  /// Why the session is over; `nil` as long as it is not, or if that was asked for.
  private var failure: SpreadError?

  /// Runs a session until it is over, and answers everything that is asked meanwhile.
  static func run(
    to address: SpreadAddress,
    options: SpreadConnection.Options,
    commands: Mailbox<Command>,
    events: EventBuffer
  ) {
    var failure: SpreadError?
    do throws(SystemError) {
      let loop = try EventLoop()
      let session = try SessionThread(
        on: loop,
        to: address,
        options: options,
        commands: commands,
        events: events
      )
      try loop.run()
      failure = session.failure
    } catch {
      failure = .unreachable("\(error)")
      events.finish(failure)
    }
    events.finish()
    commands.close { [failure] in refuse($0, failure) }
  }

  private init(
    on loop: EventLoop,
    to address: SpreadAddress,
    options: SpreadConnection.Options,
    commands: Mailbox<Command>,
    events: EventBuffer
  ) throws(SystemError) {
    (self.loop, self.options, self.events, mailbox) = (loop, options, events, commands)
    var settings = SessionClientEngine.Settings(name: Array(options.name.utf8))
    settings.wantsMembership = options.wantsMembership
    settings.reconnects = options.reconnects
    settings.longestPause = options.longestPause
    settings.longestMessage = options.longestMessage
    var random = SystemRandomNumberGenerator()
    connection = try SessionConnection(
      to: address,
      settings: settings,
      seed: random.next(),
      on: loop
    ) { [unowned self] in take($0) }
    try commands.deliver(on: loop) { [unowned self] in take($0) }
  }

  // MARK: - Commands

  /// Answers what comes when the session is over, which it may be before anybody awaits its opening.
  private static func refuse(_ command: Command, _ failure: SpreadError?) {
    switch command {
    case .awaitOpening(let answer): answer.resume(returning: .failure(failure ?? .closed))
    case .join(_, let answer), .leave(_, let answer),
      .send(_, let answer):
      answer.resume(returning: .failure(.closed))
    case .close(let done): done?.resume()
    case .goOn: break
    }
  }

  private func take(_ command: Command) {
    switch command {
    case .awaitOpening(let answer): opening = answer
    case .join(let group, let answer):
      if !groups.contains(group) { groups.append(group) }
      submit(.join(group), answer)
    case .leave(let group, let answer):
      groups.removeAll { $0 == group }
      submit(.leave(group), answer)
    case .send(let multicast, let answer): submit(.multicast(multicast), answer)
    case .close(let done):
      if let done { closing.append(done) }
      connection?.leave()
    case .goOn: connection?.pause(false)
    }
  }

  /// Sends a message behind those that wait.
  private func submit(_ message: ClientMessage, _ answer: Answer) {
    guard waiting.isEmpty else {
      waiting.append((message, answer))
      return
    }
    if let result = attempt(message) {
      answer.resume(returning: result)
    } else {
      waiting.append((message, answer))
    }
  }

  /// `nil` if the message has to wait.
  private func attempt(_ message: ClientMessage) -> Result<Void, SpreadError>? {
    do throws(GroupRefusal) {
      try connection?.send(message)
      return .success(())
    } catch {
      return error == .congested ? nil : outcome(of: message, refusedFor: SpreadError(error))
    }
  }

  /// What becomes of a message that is not sent: a membership is a wish that outlasts the session.
  private func outcome(
    of message: ClientMessage,
    refusedFor error: SpreadError
  ) -> Result<Void, SpreadError> {
    if case .multicast = message { return .failure(error) }
    return options.reconnects ? .success(()) : .failure(error)
  }

  private func sendWaiting() {
    while let first = waiting.first, let result = attempt(first.message) {
      waiting.removeFirst()
      first.answer.resume(returning: result)
    }
  }

  // MARK: - Notices

  private func take(_ notice: SessionClientEngine.Notice) {
    switch notice {
    case .opened(let name, _):
      wasOpen = true
      opening?.resume(returning: .success(()))
      opening = nil
      add(.connected(privateName: name.text))
      // Nothing is under way yet, so that there is room for these.
      for group in groups { try? connection?.send(.join(group)) }
    case .message(let message):
      if let own = connection?.privateName { add(SpreadEvent(message, to: own)) }
    case .writable: sendWaiting()
    case .closed(.requested): end(nil)
    case .closed(let reason):
      endWaiting { outcome(of: $0, refusedFor: .disconnected) }
      add(.disconnected(reason: reason.text))
      if !options.reconnects { end(SpreadError(reason)) }
    case .failed(let reason, let pause):
      // Who asks for a session is told at once that there is none.
      if !wasOpen || pause == nil { end(SpreadError(reason)) }
    }
  }

  private func add(_ event: SpreadEvent) {
    if events.add(event) { connection?.pause(true) }
  }

  private func endWaiting(with outcome: (ClientMessage) -> Result<Void, SpreadError>) {
    for entry in waiting { entry.answer.resume(returning: outcome(entry.message)) }
    waiting = []
  }

  private func end(_ error: SpreadError?) {
    failure = error
    opening?.resume(returning: .failure(error ?? .closed))
    opening = nil
    endWaiting { _ in .failure(.disconnected) }
    events.finish(error)
    for done in closing { done.resume() }
    closing = []
    loop.stop()
  }
}
