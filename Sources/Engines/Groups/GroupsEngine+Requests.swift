// SPDX-License-Identifier: Apache-2.0

package import GroupModel
import GroupsWire
import Machine

/// What local processes ask for.
extension GroupsEngine {
  /// Why a request would not be taken; `nil` if it would.
  ///
  /// To be asked before ``Event/request(_:from:)``, which can only count and note a refusal. A
  /// disconnect is always taken.
  package func refusal(of request: GroupRequest, from process: InlineName) -> GroupRefusal? {
    switch obstacle(to: request, from: process) {
    case nil: nil
    case .notConnected: .disconnected
    case .privateName: .privateName
    case .destinations: .destinations(limit: Multicast.destinationLimit)
    case .tooLong: .tooLong(limit: settings.longestPayload)
    case .congested: .congested
    }
  }

  /// What stands in the way of a request.
  private enum Obstacle {
    case notConnected(DropReason)
    case privateName
    case destinations
    case tooLong
    case congested

    var reason: DropReason {
      switch self {
      case .notConnected(let reason): reason
      case .privateName: .privateName
      case .destinations: .destinations
      case .tooLong: .tooLong
      case .congested: .congested
      }
    }
  }

  /// The one rule of what is taken, both for those who ask first and for those who do not.
  private func obstacle(to request: GroupRequest, from process: InlineName) -> Obstacle? {
    guard locals.contains(process) else { return .notConnected(.unknownProcess) }
    guard locals.isConnected(process) else { return .notConnected(.disconnecting) }
    switch request {
    case .disconnect: return nil
    case .join(let group), .leave(let group):
      if group.isPrivate { return .privateName }
    case .multicast(let groups, _, _, let payload):
      guard (1...Multicast.destinationLimit).contains(groups.count) else { return .destinations }
      guard payload.count <= settings.longestPayload else { return .tooLong }
    }
    return hasRoom ? nil : .congested
  }

  mutating func connect(_ process: InlineName, into effects: inout EffectQueue<Effect>) {
    guard GroupName(process.bytes) != nil else { return refuse(process, .badName, &effects) }
    guard !locals.contains(process) else { return refuse(process, .nameTaken, &effects) }
    guard locals.count < settings.localProcesses else {
      return refuse(process, .tooManyProcesses, &effects)
    }
    locals.add(process)
    tell(process, .connected(MemberID(node: settings.me, process: process)), into: &effects)
  }

  mutating func crash(_ process: InlineName, into effects: inout EffectQueue<Effect>) {
    guard locals.contains(process) else { return drop(.unknownProcess) }
    let isNew = locals.isConnected(process)
    locals.lose(process)
    if isNew { submit(.disconnect(process: process), into: &effects) }
  }

  mutating func take(
    _ request: GroupRequest,
    from process: InlineName,
    into effects: inout EffectQueue<Effect>
  ) {
    if let obstacle = obstacle(to: request, from: process) {
      return refuse(process, obstacle.reason, &effects)
    }
    switch request {
    case .join(let group):
      submit(.join(process: process, group: group), into: &effects)
    case .leave(let group):
      submit(.leave(process: process, group: group), into: &effects)
    case .multicast(let groups, let service, let tag, let payload):
      let multicast = Multicast(
        sender: process,
        tag: tag,
        destinations: groups,
        payload: payload[...]
      )
      submit(.data(multicast), service: service, into: &effects)
    case .disconnect:
      locals.beginLeaving(process)
      submit(.disconnect(process: process), into: &effects)
    }
  }

  /// How much is held back.
  package var held: (requests: Int, bytes: Int) { (outbox.items.count, outbox.bytes) }

  /// Whether a name is in use, or was and its disconnect has had no place in the order yet.
  package func isTaken(_ process: InlineName) -> Bool { locals.contains(process) }

  /// Whether one more request can be held back.
  package var hasRoom: Bool {
    outbox.items.count < settings.heldRequests && outbox.bytes < settings.heldBytes
  }

  private mutating func refuse(
    _ process: InlineName,
    _ reason: DropReason,
    _ effects: inout EffectQueue<Effect>
  ) {
    drop(reason)
    effects.append(.note(.refused(process, because: reason)))
  }

  /// Gives the ring a message, or holds it back behind those that are.
  private mutating func submit(
    _ message: GroupsMessage,
    service: Service = .agreed,
    into effects: inout EffectQueue<Effect>
  ) {
    outbox.append(Outbox.Item(service: service, payload: message.bytes))
    flush(into: &effects)
  }

  /// Lets go what was held back, unless there is still a reason to hold it.
  mutating func flush(into effects: inout EffectQueue<Effect>) {
    guard isSettled, !isBusy, !outbox.isCongested, !outbox.items.isEmpty else { return }
    for item in outbox.takeAll() {
      effects.append(.submit(service: item.service, payload: item.payload))
    }
  }
}
