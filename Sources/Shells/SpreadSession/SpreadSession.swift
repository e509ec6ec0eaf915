// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import GroupModel
package import Reactor
package import SessionClient
import SessionWire

/// A session with a Spread daemon as a ``GroupConnection``: ours or a genuine one, by unix socket or
/// TCP; it comes back by itself when it is lost.
///
/// A daemon whose name, or whose clients' names, the port cannot express is left again.
package final class SpreadSession: GroupConnection {
  package let capabilities: GroupCapabilities = [
    .safe, .transitional, .cameTogether, .openGroups, .privateNames,
  ]

  private let noted: (Note) -> Void
  /// The name that the daemon must have; `nil` for any.
  private let expected: NodeID?
  private var handler: (GroupEvent) -> Void = { _ in }
  /// Set once, at the end of the initialiser.
  private var connection: SessionConnection?
  private var translator: GroupTranslator?
  /// Whether the user knows that there is no session.
  private var isToldOfLoss = false

  /// What an operator may want to read.
  package enum Note: Sendable, Equatable, CustomStringConvertible {
    case opened(name: String, daemon: String)
    case failed(DisconnectReason, retryAfter: Duration?)
    /// The daemon refused a request.
    case rejected(String)

    package var description: String {
      switch self {
      case .opened(let name, let daemon): "connected to Spread \(daemon) as \(name)"
      case .failed(let reason, let pause?): "no session: \(reason.text); again in \(pause)"
      case .failed(let reason, nil): "no session: \(reason.text)"
      case .rejected(let text): "the daemon refused a message to \(text)"
      }
    }
  }

  /// Connects as soon as the loop runs; a daemon of another name than `expected` is left again.
  package init(
    to address: SpreadAddress,
    expecting expected: NodeID? = nil,
    settings: SessionClientEngine.Settings,
    seed: UInt64,
    on loop: EventLoop,
    noted: @escaping (Note) -> Void
  ) throws(SystemError) {
    (self.noted, self.expected) = (noted, expected)
    connection = try SessionConnection(
      to: address,
      settings: settings,
      seed: seed,
      on: loop
    ) { [unowned self] in take($0) }
  }

  /// Calls `handler` with the socket of each new connection, and with `nil` at the end of one.
  package func whenSocketChanges(_ handler: @escaping (CInt?) -> Void) {
    connection?.socketChanged = handler
  }

  /// Who this is in the groups; `nil` unless the session is open.
  package var me: MemberID? { translator?.me }

  package func deliver(to handler: @escaping (GroupEvent) -> Void) { self.handler = handler }

  package func submit(_ request: GroupRequest) throws(GroupRefusal) {
    guard let connection else { throw .disconnected }
    switch request {
    case .join(let group): try connection.send(.join(group.name))
    case .leave(let group): try connection.send(.leave(group.name))
    case .multicast(let groups, let service, let tag, let payload):
      let multicast = SessionMulticast(
        service: service,
        tag: tag,
        groups: groups.map(\.name),
        data: payload[...]
      )
      try connection.send(.multicast(multicast))
    case .disconnect: connection.leave()
    }
  }

  private func take(_ notice: SessionClientEngine.Notice) {
    switch notice {
    case .opened(let name, let version):
      do throws(GroupTranslator.Failure) {
        let translator = try GroupTranslator(privateName: name)
        if let expected, translator.me.node != expected {
          connection?.abandon("the daemon is called \(translator.me.node), not \(expected)")
          return
        }
        self.translator = translator
        isToldOfLoss = false
        noted(.opened(name: name.text, daemon: "\(version)"))
        handler(.connected(translator.me))
      } catch {
        connection?.abandon(error.text)
      }
    case .message(let message): take(message)
    case .closed(let reason):
      translator = nil
      if reason != .requested {
        noted(.failed(reason, retryAfter: nil))
        // A session that was left at once, for the daemon's name, was none.
        guard !isToldOfLoss else { return }
      }
      isToldOfLoss = true
      handler(.disconnected(reason))
    case .failed(let reason, let pause):
      noted(.failed(reason, retryAfter: pause))
      guard !isToldOfLoss else { return }
      isToldOfLoss = true
      handler(.disconnected(reason))
    case .writable: break  // The port has no event for it: its users try again by themselves.
    }
  }

  private func take(_ message: DaemonMessage) {
    if case .rejected(_, _, let multicast) = message {
      noted(.rejected(multicast.destinations.map(\.text).joined(separator: " ")))
    }
    do throws(GroupTranslator.Failure) {
      if let event = try translator?.event(message) { handler(event) }
    } catch {
      connection?.abandon(error.text)
    }
  }
}

extension DisconnectReason {
  /// The reason in words.
  package var text: String {
    switch self {
    case .requested: "as requested"
    case .unreachable(let text), .refused(let text), .protocolViolation(let text): text
    }
  }
}
