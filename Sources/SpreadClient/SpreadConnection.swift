// SPDX-License-Identifier: Apache-2.0

import Addresses
import GroupModel
import Reactor
import SessionClient
import SessionWire
import Synchronization

/// A session with a Spread daemon: groups to join, messages to send, and one sequence of events.
///
///     let spread = try await SpreadConnection.connect(to: "4803@web1")
///     try await spread.join("news")
///     try await spread.send(Array("hello".utf8), to: ["news"])
///     for try await event in spread.events {
///       if case .message(let message) = event { print(message.sender, message.text ?? "?") }
///     }
///
/// It speaks the client protocol of Spread 4, with `spreadd` or a genuine daemon, by unix socket or
/// TCP. A lost session is opened again, and its groups are joined anew: `disconnected` and
/// `connected` tell when. Whoever reads the events slowly slows the daemon down and not this
/// process: no more than ``Options/eventLimit`` wait.
///
/// Every method may be called from any task. The work is done on a thread of its own.
public final class SpreadConnection: Sendable {
  /// What happens in the session, in the daemon's order; for one reader at a time.
  ///
  /// It ends with the session: after ``close()``, or by an error if the session is lost and
  /// ``Options/reconnects`` is off.
  public let events: SpreadEvents

  private let mailbox: Mailbox<SessionThread.Command>
  private let worker: Worker<SessionThread.Nothing>

  /// Opens a session.
  ///
  /// - Parameters:
  ///   - address: `PORT` for the unix socket of the daemon on this machine, `PORT@HOST` for TCP,
  ///     or the path of a unix socket. Nothing stands for `4803`.
  ///   - options: how the session behaves.
  /// - Returns: the open session.
  /// - Throws: why there is no session.
  public static func connect(
    to address: String = "",
    options: Options = Options()
  ) async throws(SpreadError) -> SpreadConnection {
    guard let place = SpreadAddress(text: address) else { throw .invalidAddress(address) }
    guard options.name.utf8.count <= ConnectRequest.longestName,
      options.name.utf8.allSatisfy({ (0x24...0x7E).contains($0) })
    else { throw .invalidName(options.name) }
    let connection: SpreadConnection
    do throws(SystemError) {
      connection = try SpreadConnection(to: place, options: options)
    } catch {
      throw .unreachable("\(error)")
    }
    try await connection.ask { .awaitOpening($0) }
    return connection
  }

  private init(to address: SpreadAddress, options: Options) throws(SystemError) {
    let mailbox = try Mailbox<SessionThread.Command>()
    self.mailbox = mailbox
    let buffer = EventBuffer(limit: options.eventLimit) { mailbox.post(.goOn) }
    events = SpreadEvents(buffer: buffer)
    worker = try Worker(name: "spread-client", capacity: 1) { SessionThread.Nothing() }
    // The queue is empty: the first job is always taken.
    _ = worker.submit { _ in
      SessionThread.run(to: address, options: options, commands: mailbox, events: buffer)
    }
  }

  deinit { mailbox.post(.close(nil)) }

  /// Joins a group; the first event of it is a view with this session in it.
  ///
  /// - Throws: `invalidGroup` unless the name has 1 to 31 bytes of 0x24 to 0x7E.
  public func join(_ group: String) async throws(SpreadError) {
    guard let name = GroupName(text: group) else { throw .invalidGroup(group) }
    try await ask { .join(name.name, $0) }
  }

  /// Leaves a group; `left` is the last event of it.
  ///
  /// - Throws: `invalidGroup`, as ``join(_:)`` does.
  public func leave(_ group: String) async throws(SpreadError) {
    guard let name = GroupName(text: group) else { throw .invalidGroup(group) }
    try await ask { .leave(name.name, $0) }
  }

  /// Sends one message to groups, which this session need not be in, or to private names.
  ///
  /// Returns when the message is on its way, and waits while too much is: a daemon that does not
  /// keep up slows the sender down. There is no receipt; with a service from `fifo` on, a message to
  /// one's own private name comes back after all that was sent before.
  ///
  /// - Parameters:
  ///   - payload: at most ``Options/longestMessage`` bytes less 32 for each group.
  ///   - groups: 1 to 43; genuine daemons lose messages to more.
  ///   - service: what is asked of its delivery.
  ///   - tag: a number for the receivers.
  ///   - selfDiscard: whether this session gets no copy of it.
  /// - Throws: why it was not sent; `disconnected` while there is no session.
  public func send(
    _ payload: [UInt8],
    to groups: [String],
    service: SpreadService = .agreed,
    tag: Int16 = 0,
    selfDiscard: Bool = false
  ) async throws(SpreadError) {
    var names: [InlineName] = []
    for group in groups {
      guard let name = GroupName(destination: Array(group.utf8)) else {
        throw .invalidGroup(group)
      }
      names.append(name.name)
    }
    guard (1...Options.mostGroups).contains(names.count) else {
      throw .tooManyGroups(limit: Options.mostGroups)
    }
    let multicast = SessionMulticast(
      service: service.value,
      options: selfDiscard ? .selfDiscard : [],
      tag: tag,
      groups: names,
      data: payload[...]
    )
    try await ask { .send(multicast, $0) }
  }

  /// Ends the session, once what was sent is with the daemon.
  public func close() async {
    await withCheckedContinuation { mailbox.post(.close($0)) }
  }

  private func ask(
    _ command: (SessionThread.Answer) -> SessionThread.Command
  ) async throws(SpreadError) {
    let result = await withCheckedContinuation { mailbox.post(command($0)) }
    try result.get()
  }
}

extension SpreadConnection {
  /// How a session behaves.
  public struct Options: Sendable, Hashable {
    /// The name of the session at its daemon: 1 to 10 bytes of 0x24 to 0x7E; empty lets the daemon
    /// invent one.
    public var name = ""
    /// Whether views, transitional signals and one's own leaves are told.
    public var wantsMembership = true
    /// Whether a lost session is opened again, and its groups are joined anew.
    public var reconnects = true
    /// The pauses between attempts grow up to this.
    public var longestPause: Duration = .seconds(5)
    /// The most events that wait for the reader before reading from the daemon stops.
    public var eventLimit = 1_000
    /// The most bytes of a message's payload and its groups, 32 for each.
    ///
    /// A daemon ends the session for more than it takes; the default fits every release.
    public var longestMessage = 139_952

    static let mostGroups = 43

    public init() {}
  }
}
