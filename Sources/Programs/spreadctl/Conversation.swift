// SPDX-License-Identifier: Apache-2.0

import Addresses
import ArgumentParser
import DaemonKit
import GroupModel
import Machine
import Reactor
import SessionClient
import SessionWire
import SpreadSession

/// Which daemon a command is a client of.
struct SessionOptions: ParsableArguments {
  @Option(
    name: .shortAndLong,
    help: "The daemon: PORT, PORT@HOST, or the path of its socket. Default: 4803."
  )
  var spread = ""

  @Option(name: .shortAndLong, help: "The session's name, 1 to 10 characters. Default: any.")
  var name = ""

  func validate() throws {
    guard SpreadAddress(text: spread) != nil else {
      throw ValidationError("'\(spread)' is not PORT, PORT@HOST, or an absolute path")
    }
    guard name.utf8.count <= ConnectRequest.longestName,
      name.utf8.allSatisfy({ (0x24...0x7E).contains($0) })
    else {
      throw ValidationError(
        "'\(name)' cannot be a session's name: use 1 to 10 ASCII characters but blank, !, \", and #"
      )
    }
  }
}

/// One session with a daemon, from connecting to the end of the command.
final class Conversation {
  let loop: EventLoop
  private let address: SpreadAddress
  private let handler: (SessionClientEngine.Notice) -> Void
  private var connection: SessionConnection?
  private var signals: SignalWatcher?
  private var failure: CommandFailure?
  private var wasOpen = false
  private(set) var isEnding = false
  /// Whether a signal asked for the end.
  private(set) var isInterrupted = false

  /// `handler` hears what happens; failures to connect and the end are dealt with here.
  init(
    _ options: SessionOptions,
    wantsMembership: Bool = true,
    reconnects: Bool,
    handler: @escaping (SessionClientEngine.Notice) -> Void
  ) throws(CommandFailure) {
    guard let address = SpreadAddress(text: options.spread) else {
      throw CommandFailure(text: "'\(options.spread)' is no address", code: 2)
    }
    (self.address, self.handler) = (address, handler)
    var settings = SessionClientEngine.Settings(name: Array(options.name.utf8))
    settings.wantsMembership = wantsMembership
    settings.reconnects = reconnects
    // A large daemon of this project takes more than classic releases do, and says no if not.
    settings.longestMessage = 8 << 20
    settings.mostGroups = ClientMessage.mostGroups
    do throws(SystemError) {
      loop = try EventLoop()
      signals = try SignalWatcher([.terminate, .interrupt], on: loop) { [unowned self] _ in
        isInterrupted = true
        end()
      }
      connection = try SessionConnection(
        to: address,
        settings: settings,
        seed: Entropy.word(),
        on: loop
      ) { [unowned self] in take($0) }
    } catch {
      throw CommandFailure(text: "\(error)")
    }
  }

  /// The session's private name; `nil` unless it is open.
  var privateName: InlineName? { connection?.privateName }

  /// Sees that a session which ended by itself took along all that was sent.
  ///
  /// - Throws: that it was lost before.
  func confirmSent() throws(CommandFailure) {
    guard !isInterrupted, let reason = connection?.cutOff else { return }
    throw CommandFailure(
      text: "what was sent last may be lost, as the daemon ended the session, perhaps for a "
        + "message longer than its MaxMessageSize: \(reason.text)"
    )
  }

  /// Runs until the session has ended.
  ///
  /// - Throws: why it could not be used.
  func run() throws(CommandFailure) {
    do throws(SystemError) {
      try loop.run()
    } catch {
      throw CommandFailure(text: "\(error)")
    }
    if let failure { throw failure }
  }

  func send(_ message: ClientMessage) throws(GroupRefusal) {
    guard let connection else { throw .disconnected }
    try connection.send(message)
  }

  /// Leaves the session once what was said is with the daemon.
  func end() {
    guard !isEnding else { return }
    isEnding = true
    connection?.leave()
  }

  func fail(_ text: String, code: Int32 = 1) {
    failure = failure ?? CommandFailure(text: text, code: code)
    end()
  }

  private func take(_ notice: SessionClientEngine.Notice) {
    switch notice {
    case .opened:
      if wasOpen { Terminal.error("spreadctl: connected again") }
      wasOpen = true
      handler(notice)
    case .message, .writable: handler(notice)
    case .closed(.requested): loop.stop()
    case .closed(let reason):
      handler(notice)
      // Without reconnection it is said at the end.
      if isReconnecting { Terminal.error("spreadctl: the session is lost: \(reason.text)") }
    case .failed(let reason, let pause):
      if pause == nil || !wasOpen {
        // What was never there is not waited for.
        let isAbsent = if case .unreachable = reason { true } else { false }
        failure = CommandFailure(
          text: "cannot connect to Spread at \(address): \(reason.text)",
          code: isAbsent ? 3 : 1
        )
        loop.stop()
      }
    }
    // Without reconnection the engine is at its end, and no further notice comes.
    if case .closed(let reason) = notice, reason != .requested, !isReconnecting {
      failure = failure ?? CommandFailure(text: "the session is lost: \(reason.text)")
      loop.stop()
    }
  }

  private var isReconnecting: Bool { connection?.isReconnecting ?? false }
}
