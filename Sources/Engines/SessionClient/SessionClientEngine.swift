// SPDX-License-Identifier: Apache-2.0

package import GroupModel
package import Machine
package import SessionWire

/// A client's side of one session with a Spread daemon, ours or a genuine one: bytes of the stream
/// go in, messages come out.
///
/// It says when to connect, goes through the handshake, and begins anew with growing pauses when a
/// session is lost. Nothing that the daemon sends can make it hold more than one message.
package struct SessionClientEngine: StateMachine {
  package enum Event: Sendable, Equatable {
    /// The connection asked for by ``Effect/connect`` is there.
    case opened
    /// It could not be made, or has ended; the text says why.
    case failed(String)
    /// What the daemon sent next.
    case received([UInt8])
    /// So many bytes of ``Effect/write(_:)`` are with the kernel.
    case written(Int)
    /// Say something; without effect unless the session is open.
    case send(ClientMessage)
    /// A message was refused for congestion: its user waits for ``Notice/writable``.
    case wantsRoom
    /// The user cannot make sense of the connection.
    case abandon(DisconnectReason)
    /// End the session for good.
    case leave
  }

  package enum Effect: Sendable, Equatable {
    /// Connect to the daemon; answered by `opened` or `failed`.
    case connect
    /// Send these bytes behind those before.
    case write([UInt8])
    /// Close the connection, and forget what of it was not sent; not answered.
    case close
    case tell(Notice)
  }

  /// What the user of a session hears.
  package enum Notice: Sendable, Equatable {
    /// The session is open, under this private name.
    case opened(InlineName, Version)
    case message(DaemonMessage)
    /// The open session is over, with all memberships; the last notice if the user asked for it.
    case closed(DisconnectReason)
    /// An attempt to open one failed; the next one follows then, or none if `nil`.
    case failed(DisconnectReason, retryAfter: Duration?)
    /// After a refusal for congestion there is room again.
    case writable
  }

  package struct Settings: Sendable, Equatable {
    /// The name to ask for: 1 to 10 bytes of 0x24 to 0x7E; empty lets the daemon invent one.
    package var name: [UInt8]
    package var wantsMembership = true
    /// How the client authenticates; the daemon must allow it.
    package var method = "NULL"
    /// Whether a lost or refused session is tried again.
    package var reconnects = true
    /// How long connecting and the handshake may take together.
    package var handshakeTimeout: Duration = .seconds(10)
    /// The pause before the first new attempt; doubled for each further one.
    package var firstPause: Duration = .milliseconds(100)
    package var longestPause: Duration = .seconds(5)
    /// How long a session must have lasted so that pauses begin from the shortest again.
    package var steadyAfter: Duration = .seconds(5)
    /// How long what was asked for before a leave may take to come back, and how long the daemon may
    /// then take to close the session.
    package var farewell: Duration = .seconds(1)
    /// The most bytes that wait to be sent.
    package var longestBacklog = 4 << 20
    /// The most bytes of one message's payload and its groups, 32 for each.
    ///
    /// What classic releases take. A genuine daemon ends the session for more than it takes.
    package var longestMessage = 143_952
    /// The most groups of one message: genuine daemons lose messages to more.
    package var mostGroups = 43
    /// What is accepted of a daemon.
    package var limits = MessageFrame.Limits(groups: 1 << 16, body: 64 << 20)

    package init(name: [UInt8]) { self.name = name }
  }

  enum Phase: Sendable, Equatable {
    case waiting(until: Instant)
    case connecting(until: Instant)
    case methods(until: Instant)
    case acceptance(until: Instant)
    case open(since: Instant)
    /// What was asked for before the end is still to come back.
    case parting(until: Instant)
    case leaving(until: Instant)
    case ended
  }

  package let settings: Settings
  var phase: Phase
  var random: SplitMix64
  /// What the session is called; `nil` unless it is open.
  package internal(set) var privateName: InlineName?
  /// Bytes that are not with the kernel yet.
  package internal(set) var unsent = 0
  /// Why the connection was lost after ``Event/leave`` and before all that was sent had come to the
  /// daemon; `nil` if it was not.
  package internal(set) var cutOff: DisconnectReason?
  /// Attempts since a session last was steady.
  var attempts = 0
  var input: [UInt8] = []
  /// Whether a user waits for ``Notice/writable``.
  var owesRoom = false

  /// Connects at once.
  package init(_ settings: Settings, random: SplitMix64, startingAt now: Instant) {
    (self.settings, self.random) = (settings, random)
    phase = .waiting(until: now)
  }

  package var nextDeadline: Instant? {
    switch phase {
    case .waiting(let until), .connecting(let until), .methods(let until), .acceptance(let until),
      .parting(let until), .leaving(let until):
      until
    case .open, .ended: nil
    }
  }

  /// Whether nothing more will happen.
  package var isOver: Bool { phase == .ended }

  /// Why a message should not be sent now; `pending` bytes are under way to the engine.
  package func refusal(of message: ClientMessage, besides pending: Int = 0) -> GroupRefusal? {
    guard case .open = phase else { return .disconnected }
    switch message {
    case .join(let group), .leave(let group):
      if GroupName(destination: group.bytes)?.isPrivate == true { return .privateName }
    case .kill: break
    case .multicast(let multicast):
      let limit = settings.mostGroups
      guard (1...limit).contains(multicast.groups.count / NameField.length) else {
        return .destinations(limit: limit)
      }
      let length = multicast.groups.count + multicast.data.count
      guard length <= settings.longestMessage else {
        return .tooLong(limit: settings.longestMessage - multicast.groups.count)
      }
    }
    return unsent + pending < settings.longestBacklog ? nil : .congested
  }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch event {
    case .opened:
      guard case .connecting(let until) = phase else { return }
      phase = .methods(until: until)
      let request = ConnectRequest(
        wantsMembership: settings.wantsMembership,
        name: settings.name
      )
      write(request.bytes, into: &effects)
    case .failed(let text): lose(.unreachable(text), at: now, into: &effects)
    case .received(let bytes): receive(bytes, at: now, into: &effects)
    case .written(let count):
      unsent = max(0, unsent - count)
      offerRoom(into: &effects)
    case .send(let message):
      guard let privateName else { return }
      write(message.bytes(from: privateName), into: &effects)
    case .wantsRoom:
      owesRoom = true
      offerRoom(into: &effects)
    case .abandon(let reason):
      guard privateName != nil else { return }
      effects.append(.close)
      lose(reason, at: now, into: &effects)
    case .leave: leave(at: now, into: &effects)
    }
  }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    guard let due = nextDeadline, due <= now else { return }
    switch phase {
    case .waiting:
      phase = .connecting(until: now + settings.handshakeTimeout)
      effects.append(.connect)
    case .connecting, .methods, .acceptance:
      effects.append(.close)
      let text = "the daemon does not answer"
      lose(.unreachable(text), at: now, into: &effects)
    case .parting: kill(at: now, into: &effects)
    case .leaving: end(into: &effects)
    case .open, .ended: break
    }
  }

  private mutating func offerRoom(into effects: inout EffectQueue<Effect>) {
    guard owesRoom, unsent <= settings.longestBacklog / 2, case .open = phase else { return }
    owesRoom = false
    effects.append(.tell(.writable))
  }

  mutating func write(_ bytes: [UInt8], into effects: inout EffectQueue<Effect>) {
    unsent += bytes.count
    effects.append(.write(bytes))
  }
}

extension ClientMessage {
  /// The length of the message in bytes.
  package var length: Int {
    switch self {
    case .join, .leave, .kill: MessageHeader.length + NameField.length
    case .multicast(let multicast):
      MessageHeader.length + multicast.groups.count + multicast.data.count
    }
  }
}
