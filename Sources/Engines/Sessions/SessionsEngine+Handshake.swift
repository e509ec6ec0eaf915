// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import SessionWire

/// From the connection to the acceptance or refusal.
extension SessionsEngine {
  /// The most clients that are told why they are refused, at a time.
  private static let mostFarewells = 256
  /// How long a client that says nothing keeps its place when there is no other for the next one.
  private static let grace: Duration = .seconds(1)

  mutating func open(
    _ id: ID,
    _ session: Session,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    statistics.opened += 1
    makeRoom(at: now, into: &effects)
    let perPeer = settings.sessionsPerPeer
    if isFull || (perPeer > 0 && (peers[session.peer] ?? 0) >= perPeer) {
      guard farewells < Self.mostFarewells else {
        statistics.count(Refusal.quota)
        effects.append(.write(id, [[Refusal.quota.byte]]))
        effects.append(.close(id))
        return
      }
      add(id, session)
      return refuse(id, .quota, at: now, into: &effects)
    }
    while handshakes >= settings.handshakes, let oldest = handshakeDeadlines.firstID {
      handshakeDeadlines.removeFirst()
      if sessions[oldest]?.phase.isHandshake == true { close(oldest, .crowded, into: &effects) }
    }
    add(id, session)
    handshakeDeadlines.add(id, due: now + settings.handshakeTime)
  }

  private var isFull: Bool {
    active >= settings.sessions || names.count >= settings.sessions
  }

  /// Where there is no place for another session, the oldest handshake gives up its own.
  private mutating func makeRoom(at now: Instant, into effects: inout EffectQueue<Effect>) {
    let latest = now + (settings.handshakeTime - Self.grace)
    while isFull, let due = handshakeDeadlines.first, due <= latest,
      let oldest = handshakeDeadlines.firstID
    {
      handshakeDeadlines.removeFirst()
      if sessions[oldest]?.phase.isHandshake == true { close(oldest, .crowded, into: &effects) }
    }
  }

  private mutating func add(_ id: ID, _ session: Session) {
    sessions[id] = session
    active += 1
    handshakes += 1
    peers[session.peer] = (peers[session.peer] ?? 0) + 1
  }

  mutating func receive(
    _ bytes: [UInt8],
    from id: ID,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    guard var input = takeInput(of: id, appending: bytes) else { return }
    while true {
      let before = input.count
      switch sessions[id]?.phase {
      case .connecting: input = connect(input, id, at: now, into: &effects)
      case .choosing(let request, let name):
        input = choose(input, request, name, id, at: now, into: &effects)
      case .open(let client):
        input = readMessages(input, of: client, id, into: &effects)
        if !input.isEmpty { sessions[id]?.input = Array(input) }
        return
      case .refused, nil: return
      }
      if input.count == before {
        // Nothing whole is left.
        if sessions[id]?.phase.isHandshake == true { sessions[id]?.input = Array(input) }
        return
      }
    }
  }

  /// What waited for more bytes, with those behind it; nothing is kept.
  private mutating func takeInput(of id: ID, appending bytes: [UInt8]) -> ArraySlice<UInt8>? {
    guard var input = sessions[id]?.input else { return nil }
    if input.isEmpty { return bytes[...] }
    // The session lets go of it first, so that it is not copied.
    sessions[id]?.input = []
    input += bytes
    return input[...]
  }

  /// Reads CONNECT; returns what is behind it, or all as long as it is not whole.
  private mutating func connect(
    _ input: ArraySlice<UInt8>,
    _ id: ID,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) -> ArraySlice<UInt8> {
    do throws(Refusal) {
      guard case .complete(let request, let length) = try ConnectRequest.parse(input) else {
        return input
      }
      let name = try reserve(request, for: id)
      if request.version.authenticates {
        sessions[id]?.phase = .choosing(request, name: name)
        send(
          MethodList.methods(settings.methods.map(\.rawValue)).bytes,
          to: id,
          into: &effects
        )
        if settings.methods.isEmpty { throw .authentication }
      } else {
        sessions[id]?.phase = .choosing(request, name: name)
        try authenticateOld(id)
        accept(request, name, id, into: &effects)
      }
      return input.dropFirst(length)
    } catch {
      refuse(id, error, at: now, into: &effects)
      return []
    }
  }

  /// Takes the wanted name, or invents one.
  private mutating func reserve(
    _ request: ConnectRequest,
    for id: ID
  ) throws(Refusal) -> InlineName {
    guard let wanted = InlineName(request.name) else { throw .illegalName }
    let name = wanted == .empty ? invent() : wanted
    guard names[name] == nil else { throw .notUnique }
    guard GroupName(privateNameOf: MemberID(node: settings.me, process: name)) != nil else {
      throw .illegalName
    }
    names[name] = .session(id)
    return name
  }

  /// Makes a name that nobody has, at most 9 characters long.
  private mutating func invent() -> InlineName {
    while true {
      invented &+= 1
      let text = "r\(invented % 10_000)-\(invented / 10_000 % 1_000)"
      if let name = InlineName(Array(text.utf8)), names[name] == nil { return name }
    }
  }

  /// Reads the choice of methods; returns what is behind it, or all as long as it is not whole.
  private mutating func choose(
    _ input: ArraySlice<UInt8>,
    _ request: ConnectRequest,
    _ name: InlineName,
    _ id: ID,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) -> ArraySlice<UInt8> {
    guard case .complete(let choice, let length) = MethodChoice.parse(input) else { return input }
    do throws(Refusal) {
      try authenticate(id, by: choice)
      accept(request, name, id, into: &effects)
      return input.dropFirst(length)
    } catch {
      refuse(id, error, at: now, into: &effects)
      return []
    }
  }

  /// Every method that is named must be enabled, and all of them, and the required ones, succeed.
  private func authenticate(_ id: ID, by choice: MethodChoice) throws(Refusal) {
    var methods: [Method] = []
    for name in choice.methods {
      guard let method = settings.methods.first(where: { $0.rawValue == name }) else {
        throw .authentication
      }
      methods.append(method)
    }
    guard !methods.isEmpty else { throw .authentication }
    for method in methods + settings.requiredMethods { try check(method, id) }
  }

  /// Clients before 3.16 name no method.
  private func authenticateOld(_ id: ID) throws(Refusal) {
    if settings.methods.contains(.ip) || settings.requiredMethods.contains(.ip) {
      return try check(.ip, id)
    }
    guard settings.methods.contains(.null) else { throw .authentication }
  }

  private func check(_ method: Method, _ id: ID) throws(Refusal) {
    switch method {
    case .null: return
    case .ip:
      guard sessions[id]?.isAdmitted == true else { throw .authentication }
    }
  }

  private mutating func accept(
    _ request: ConnectRequest,
    _ name: InlineName,
    _ id: ID,
    into effects: inout EffectQueue<Effect>
  ) {
    guard let peer = sessions[id]?.peer else { return }
    let member = MemberID(node: settings.me, process: name)
    let client = Client(
      name: name,
      privateName: member.privateName,
      version: request.version,
      wantsMembership: request.wantsMembership
    )
    statistics.accepted += 1
    handshakes -= 1
    sessions[id]?.phase = .open(client)
    effects.append(.connect(name))
    effects.append(.note(.accepted(id, member, peer, request.version)))
    let answer = Acceptance.accepted(settings.version, privateName: client.privateName.bytes)
    send(answer.bytes(for: request.version), to: id, into: &effects)
  }

  /// The handshake's time is over.
  mutating func giveUpHandshake(
    _ id: ID,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    guard let session = sessions[id] else { return }
    switch session.phase {
    case .connecting where ConnectRequest.endsInName(session.input[...]):
      refuse(id, .illegalName, at: now, into: &effects)
    case .connecting: close(id, .handshakeTime, into: &effects)
    case .choosing: refuse(id, .authentication, at: now, into: &effects)
    case .open, .refused: break
    }
  }
}

extension MemberID {
  /// The name `#process#node`, cut at 31 bytes.
  var privateName: InlineName {
    let mark = InlineName.mark
    return mark.appending(process).appending(mark).appending(node.name)
  }
}

extension InlineName {
  fileprivate static let mark = InlineName([UInt8(ascii: "#")] as ArraySlice<UInt8>) ?? .empty
}
