// SPDX-License-Identifier: Apache-2.0

import Addresses
import GroupModel
import Machine
import SessionWire
import Sessions

/// An engine with what it says sorted by connection, and without a group layer.
struct Desk {
  private(set) var engine: SessionsEngine
  private var settings: SessionsEngine.Settings
  private(set) var now = Instant.boot
  /// What each connection was sent, and whether it was finished or closed.
  private(set) var written: [SessionsEngine.ID: [UInt8]] = [:]
  private(set) var finished: Set<SessionsEngine.ID> = []
  private(set) var closed: [SessionsEngine.ID] = []
  private(set) var connects: [InlineName] = []
  private(set) var requests: [GroupRequest] = []
  private(set) var crashes: [InlineName] = []
  private(set) var notes: [SessionsEngine.Note] = []
  /// Connections whose kernel buffers are full.
  var stuck: Set<SessionsEngine.ID> = []
  /// What was written to them and is unsent: messages.
  private(set) var unsent: [SessionsEngine.ID: [[UInt8]]] = [:]
  private var opened: UInt64 = 0

  init(_ change: (inout SessionsEngine.Settings) -> Void = { _ in }) {
    settings = SessionsEngine.Settings(
      me: "dA",
      daemons: [
        .init(node: "dB", address: .v4(IPv4Address(2))),
        .init(node: "dA", address: .v4(IPv4Address(1))),
      ]
    )
    change(&settings)
    engine = SessionsEngine(settings: settings)
  }

  /// The operator has chosen anew.
  mutating func configure(_ change: (inout SessionsEngine.Settings) -> Void) {
    change(&settings)
    feed(.configured(settings))
  }

  mutating func feed(_ event: SessionsEngine.Event) {
    var effects = EffectQueue<SessionsEngine.Effect>()
    engine.handle(event, at: now, into: &effects)
    perform(effects.takeAll())
  }

  mutating func advance(_ duration: Duration) {
    let end = now + duration
    while let due = engine.nextDeadline, due <= end {
      now = max(now, due)
      var effects = EffectQueue<SessionsEngine.Effect>()
      engine.advance(to: now, into: &effects)
      perform(effects.takeAll())
    }
    now = end
  }

  private mutating func perform(_ effects: [SessionsEngine.Effect]) {
    for effect in effects {
      switch effect {
      case .connect(let name): connects.append(name)
      case .request(let request, _): requests.append(request)
      case .crash(let name): crashes.append(name)
      case .ready(let id): feed(.flushed(id))
      case .write(let id, let pieces):
        guard !stuck.contains(id) else {
          unsent[id] = pieces
          let bytes = pieces.reduce(0) { $0 + $1.count }
          feed(.blocked(id, messages: pieces.count, bytes: bytes))
          continue
        }
        written[id, default: []] += pieces.flatMap(\.self)
        feed(.flushed(id))
      case .finish(let id): finished.insert(id)
      case .close(let id): closed.append(id)
      case .note(let note): notes.append(note)
      }
    }
  }

  /// The kernel takes all again.
  mutating func unstick(_ id: SessionsEngine.ID) {
    stuck.remove(id)
    written[id, default: []] += (unsent.removeValue(forKey: id) ?? []).flatMap(\.self)
    feed(.flushed(id))
  }

  mutating func open(
    _ peer: SessionsEngine.Peer = .user(0),
    isAdmitted: Bool = false
  ) -> SessionsEngine.ID {
    opened += 1
    let id = SessionsEngine.ID(opened)
    feed(.opened(id, peer, isAdmitted: isAdmitted))
    return id
  }

  /// Connects a client and has it accepted.
  mutating func accept(_ name: String, wantsMembership: Bool = true) -> SessionsEngine.ID {
    let id = open()
    let request = ConnectRequest(wantsMembership: wantsMembership, name: Array(name.utf8))
    feed(.received(id, request.bytes))
    feed(.received(id, MethodChoice(["NULL"]).bytes))
    written[id] = []
    return id
  }

  mutating func say(_ message: ClientMessage, as name: String, _ id: SessionsEngine.ID) {
    feed(.received(id, message.bytes(from: Self.name("#\(name)#dA"))))
  }

  /// The group layer delivers a message to sessions.
  mutating func deliver(
    _ data: [UInt8] = [1],
    from sender: String = "x",
    at node: NodeID = "dA",
    options: MessageType = [],
    to receivers: [String]
  ) {
    let envelope = SessionEnvelope(options: options, hint: Hint(0), groups: nil, data: data[...])
    let message = GroupMessage(
      sender: MemberID(node: node, process: Self.name(sender)),
      groups: ["g"],
      service: .agreed,
      payload: envelope.bytes[...]
    )
    feed(.message(message, to: receivers.map(Self.name)))
  }

  /// The messages that a connection was sent after the handshake.
  func messages(_ id: SessionsEngine.ID) -> [DaemonMessage] {
    var rest = (written[id] ?? [])[...]
    var messages: [DaemonMessage] = []
    let limits = MessageFrame.Limits(groups: 10_000, body: 1 << 24)
    while case .complete(let frame, let length)? = try? MessageFrame.parse(
      rest,
      from: .daemon,
      limits: limits
    ) {
      if let message = try? DaemonMessage(frame) { messages.append(message) }
      rest = rest.dropFirst(length)
    }
    return messages
  }

  static func name(_ text: String) -> InlineName { InlineName(Array(text.utf8)) ?? .empty }
}
