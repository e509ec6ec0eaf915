// SPDX-License-Identifier: Apache-2.0

import Addresses
package import GroupModel
package import Machine
internal import SessionWire

/// The clients of one daemon: handshakes, their messages, and what they are sent.
///
/// Source: the Spread 4 client protocol. Where the genuine daemon blocks, crashes, loses messages or
/// lets clients speak with a daemon's voice, this one does not; existing clients see no difference:
///
/// - A handshake may arrive in any pieces, with messages behind it, and has a time limit; one that is
///   refused is read on for a moment, so that the code is not lost in a reset.
/// - Messages with bits that only daemons may set end the session; up to 100 groups are delivered.
/// - Joins and leaves of names that no group can have are without effect, as are those private
///   names in a list of destinations that do not parse.
/// - What waits for a client is limited in messages and in bytes; nobody waits for a slow client.
///
/// ```
///   connecting --CONNECT--> choosing --choice--> open --kill, end, illegal, slow--> (closed)
///       |                       |
///       +---- refused, late ----+---> refused --end, late--> (closed)
/// ```
package struct SessionsEngine: StateMachine {
  private(set) var settings: Settings
  var sessions: [ID: Session] = [:]
  var names: [InlineName: Holder] = [:]
  /// How many sessions that were not refused each peer has.
  var peers: [Peer: Int] = [:]
  /// How many sessions were not refused.
  var active = 0
  /// How many clients are being told why they are refused.
  var farewells = 0
  /// How many sessions are in their handshake.
  var handshakes = 0
  var handshakeDeadlines = Deadlines()
  var farewellDeadlines = Deadlines()
  /// What waits for all clients that do not read.
  var backlog = Backlog()
  /// How many messages were made for clients.
  var parcels: UInt64 = 0
  /// How many names were invented.
  var invented: UInt64 = 0
  /// The places of daemons in the order of members.
  private(set) var places: [NodeID: Int] = [:]
  /// What stands for daemons in group ids, by the digest of their names.
  private(set) var addresses: [UInt64: UInt32] = [:]
  package internal(set) var statistics = Statistics()

  package init(settings: Settings) {
    self.settings = settings
    configure(settings)
  }

  private mutating func configure(_ settings: Settings) {
    let me = self.settings.me
    self.settings = settings
    self.settings.me = me
    (places, addresses) = ([:], [:])
    for (place, daemon) in settings.daemons.enumerated() {
      places[daemon.node] = place
      if case .v4(let address) = daemon.address {
        addresses[daemon.node.digest] = address.rawValue
      }
    }
  }

  package var nextDeadline: Instant? {
    guard let first = handshakeDeadlines.first else { return farewellDeadlines.first }
    guard let second = farewellDeadlines.first else { return first }
    return min(first, second)
  }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch event {
    case .opened(let id, let peer, let isAdmitted):
      open(id, Session(peer: peer, isAdmitted: isAdmitted), at: now, into: &effects)
    case .received(let id, let bytes): receive(bytes, from: id, at: now, into: &effects)
    case .ended(let id): end(id, at: now, into: &effects)
    case .flushed(let id): flush(id, into: &effects)
    case .blocked(let id, let messages, let bytes):
      block(id, messages: messages, bytes: bytes, into: &effects)
    case .message(let message, let receivers):
      deliver(message, to: receivers, into: &effects)
    case .view(let view, let receivers): deliver(view, to: receivers, into: &effects)
    case .transitional(let group, let ending, let name):
      tellTransition(group, ending: ending, to: name, into: &effects)
    case .left(let group, let name):
      tell(.selfLeave(group: group.name), to: name, into: &effects)
    case .configured(let settings):
      configure(settings)
      // They stay in order, as whoever comes next has as long from now.
      handshakeDeadlines.bringForward(to: now + self.settings.handshakeTime)
    case .released(let name):
      if names[name] == .leaving { names[name] = nil }
    }
  }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    while let due = handshakeDeadlines.first, due <= now, let id = handshakeDeadlines.firstID {
      handshakeDeadlines.removeFirst()
      giveUpHandshake(id, at: now, into: &effects)
    }
    while let due = farewellDeadlines.first, due <= now, let id = farewellDeadlines.firstID {
      farewellDeadlines.removeFirst()
      if case .refused = sessions[id]?.phase { close(id, .refused, into: &effects) }
    }
  }
}

// MARK: - The end of a session

extension SessionsEngine {
  private mutating func end(_ id: ID, at now: Instant, into effects: inout EffectQueue<Effect>) {
    guard let session = sessions[id] else { return }
    switch session.phase {
    case .connecting where ConnectRequest.endsInName(session.input[...]):
      refuse(id, .illegalName, at: now, into: &effects)
    case .choosing where !session.input.isEmpty:
      refuse(id, .authentication, at: now, into: &effects)
    case .connecting, .choosing, .open: close(id, .ended, into: &effects)
    case .refused: close(id, .refused, into: &effects)
    }
  }

  /// Closes a connection, with whatever belongs to it.
  mutating func close(
    _ id: ID,
    _ reason: CloseReason,
    into effects: inout EffectQueue<Effect>
  ) {
    guard let session = sessions.removeValue(forKey: id) else { return }
    backlog.forget(session.output)
    statistics.count(reason)
    release(session)
    if case .open(let client) = session.phase {
      names[client.name] = .leaving
      effects.append(.crash(client.name))
      effects.append(.note(.closed(id, client.name, reason)))
    }
    effects.append(.close(id))
  }

  /// Tells a client why it is not served, and waits a moment for it to read that.
  mutating func refuse(
    _ id: ID,
    _ refusal: Refusal,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    guard let session = sessions[id] else { return }
    statistics.count(refusal)
    effects.append(.note(.refused(id, session.peer, refusal)))
    release(session)
    farewells += 1
    sessions[id]?.phase = .refused(isToldAll: false)
    sessions[id]?.input = []
    farewellDeadlines.add(id, due: now + settings.farewellTime)
    send([refusal.byte], to: id, into: &effects)
  }

  /// Gives back what a session holds in its present phase; it is about to leave it.
  private mutating func release(_ session: Session) {
    switch session.phase {
    case .refused:
      farewells -= 1
      return
    case .choosing(_, let name): names[name] = nil
    case .connecting, .open: break
    }
    if session.phase.isHandshake { handshakes -= 1 }
    active -= 1
    let left = (peers[session.peer] ?? 0) - 1
    peers[session.peer] = left > 0 ? left : nil
  }
}

// MARK: - For status

extension SessionsEngine {
  /// A session as an operator sees it.
  package struct Summary: Sendable, Equatable {
    package let id: ID
    package let name: InlineName
    package let peer: Peer
    package let wantsMembership: Bool
    /// What is not with the kernel.
    package let queuedMessages: Int
    package let queuedBytes: Int
    package let dropped: UInt64
  }

  /// The sessions that were accepted, in the order of connecting.
  package var summaries: [Summary] {
    sessions.keys.sorted().compactMap { id in
      guard let session = sessions[id], case .open(let client) = session.phase else { return nil }
      let waiting = session.output.waiting
      return Summary(
        id: id,
        name: client.name,
        peer: session.peer,
        wantsMembership: client.wantsMembership,
        queuedMessages: waiting.messages,
        queuedBytes: waiting.bytes,
        dropped: session.output.dropped
      )
    }
  }

  /// At most so many of ``summaries``: those for which most waits, then those that lost most.
  package func summaries(most: Int) -> [Summary] {
    let all = summaries
    guard all.count > most else { return all }
    let worst = all.sorted { left, right in
      (right.queuedMessages, right.dropped, left.id) < (left.queuedMessages, left.dropped, right.id)
    }
    return worst.prefix(most).sorted { $0.id < $1.id }
  }

  /// The bytes that wait for all clients that do not read.
  package var waitingBytes: Int { backlog.bytes }

  /// How many sessions are accepted, and how many on the way to it.
  package var counts: (open: Int, handshakes: Int) { (active - handshakes, handshakes) }
}
