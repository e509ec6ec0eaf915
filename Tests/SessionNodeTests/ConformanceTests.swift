// SPDX-License-Identifier: Apache-2.0

import GroupConformance
import GroupModel
import Machine
import SessionClient
import SessionNode
import SessionWire
import Sessions
import Testing

/// Daemons with one client each, whose engine and translator are those of the session adapter; what
/// lies between them is a stream that takes no more than the daemon reads.
final class SessionBackend: GroupBackend {
  /// A user and the connection of its engine.
  private struct User {
    var engine: SessionClientEngine
    var translator: GroupTranslator?
    var told: [GroupEvent] = []
    var isToldOfLoss = false
    var connection: SessionsEngine.ID?
    /// What the daemon has not read yet.
    var output: [UInt8] = []
    /// How much of what the daemon said was heard.
    var heard = 0
    var isAlive = true
  }

  let capabilities: GroupCapabilities = [
    .safe, .transitional, .cameTogether, .openGroups, .privateNames,
  ]
  private let network = SessionNetwork(["a", "b", "c"])
  private var users: [User] = []

  init() {
    for host in 0..<3 {
      var settings = SessionClientEngine.Settings(name: Array("user".utf8))
      settings.longestBacklog = 1 << 20
      let engine = SessionClientEngine(
        settings,
        random: SplitMix64(seed: UInt64(host)),
        startingAt: network.now
      )
      users.append(User(engine: engine))
    }
    settle()
  }

  func submit(_ request: GroupRequest, by user: Int) -> GroupRefusal? {
    guard users[user].isAlive else { return .disconnected }
    let message: ClientMessage
    switch request {
    case .join(let group): message = .join(group.name)
    case .leave(let group): message = .leave(group.name)
    case .multicast(let groups, let service, let tag, let payload):
      message = .multicast(
        SessionMulticast(
          service: service,
          tag: tag,
          groups: groups.map(\.name),
          data: payload[...]
        )
      )
    case .disconnect:
      feed(.leave, to: user)
      return nil
    }
    if let refusal = users[user].engine.refusal(of: message) {
      if refusal == .congested { feed(.wantsRoom, to: user) }
      return refusal
    }
    feed(.send(message), to: user)
    return nil
  }

  func events(of user: Int) -> [GroupEvent] { users[user].told }

  func settle() {
    for _ in 0..<100 {
      network.advance(.milliseconds(20))
      for user in users.indices where users[user].isAlive { pump(user) }
    }
  }

  func crash(_ user: Int) {
    users[user].isAlive = false
    if let id = users[user].connection { network.end(id) }
  }

  func restart(_ user: Int) {
    network.restart(user)
    // The kernel closes a dead process's connections.
    users[user].connection = nil
    feed(.failed("the daemon closed the connection"), to: user)
  }

  func part(_ parts: [[Int]]) { network.part(parts) }

  // MARK: - Streams

  private func pump(_ user: Int) {
    if let due = users[user].engine.nextDeadline, due <= network.now {
      var effects = EffectQueue<SessionClientEngine.Effect>()
      users[user].engine.advance(to: network.now, into: &effects)
      perform(effects.takeAll(), of: user)
    }
    while let id = users[user].connection, !users[user].output.isEmpty,
      network.nodes[user]?.mayRead == true
    {
      let piece = Array(users[user].output.prefix(SessionNode.longestRead))
      users[user].output.removeFirst(piece.count)
      network.send(piece, id)
      feed(.written(piece.count), to: user)
    }
    guard let id = users[user].connection, let connection = network.connections[id] else { return }
    let news = Array(connection.received.dropFirst(users[user].heard))
    users[user].heard = connection.received.count
    if !news.isEmpty { feed(.received(news), to: user) }
    if connection.isClosed, users[user].connection == id {
      users[user].connection = nil
      feed(.failed("the daemon closed the connection"), to: user)
    }
  }

  private func feed(_ event: SessionClientEngine.Event, to user: Int) {
    var effects = EffectQueue<SessionClientEngine.Effect>()
    users[user].engine.handle(event, at: network.now, into: &effects)
    perform(effects.takeAll(), of: user)
  }

  private func perform(_ effects: [SessionClientEngine.Effect], of user: Int) {
    for effect in effects {
      switch effect {
      case .connect:
        users[user].connection = network.open(user)
        (users[user].output, users[user].heard) = ([], 0)
        feed(.opened, to: user)
      case .write(let bytes): users[user].output += bytes
      case .close:
        if let id = users[user].connection { network.end(id) }
        users[user].connection = nil
      case .tell(let notice): tell(notice, to: user)
      }
    }
  }

  private func tell(_ notice: SessionClientEngine.Notice, to user: Int) {
    switch notice {
    case .opened(let name, _):
      guard let translator = try? GroupTranslator(privateName: name) else { return }
      users[user].translator = translator
      users[user].isToldOfLoss = false
      users[user].told.append(.connected(translator.me))
    case .message(let message):
      guard let event = try? users[user].translator?.event(message) else { return }
      users[user].told.append(event)
    case .closed(let reason):
      users[user].isToldOfLoss = true
      users[user].told.append(.disconnected(reason))
    case .failed(let reason, _):
      guard !users[user].isToldOfLoss else { return }
      users[user].isToldOfLoss = true
      users[user].told.append(.disconnected(reason))
    case .writable: break
    }
  }
}

@Suite("Sessions with our daemon, as a backend of groups")
struct ConformanceTests {
  @Test("The session adapter's engine conforms", arguments: GroupConformance.scenarios.indices)
  func conformance(index: Int) {
    let scenario = GroupConformance.scenarios[index]
    for finding in scenario.run(SessionBackend()) {
      Issue.record("\(scenario.name): \(finding.prefix(2_000))")
    }
  }
}
