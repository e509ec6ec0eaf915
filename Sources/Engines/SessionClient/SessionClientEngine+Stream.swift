// SPDX-License-Identifier: Apache-2.0

import Bytes
import GroupModel
import Machine
import SessionWire

// MARK: - The stream

extension SessionClientEngine {
  mutating func receive(
    _ bytes: [UInt8],
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    if input.isEmpty { input = bytes } else { input += bytes }
    var rest = input[...]
    do throws(Fault) {
      while let length = try step(rest, at: now, into: &effects) { rest = rest.dropFirst(length) }
      // What is left is copied only when something was taken off before it.
      if rest.count < input.count { input = Array(rest) }
    } catch {
      effects.append(.close)
      lose(error.reason, at: now, into: &effects)
    }
  }

  /// Takes one unit off the start of the stream; returns its length, or `nil` for want of bytes.
  private mutating func step(
    _ bytes: ArraySlice<UInt8>,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) throws(Fault) -> Int? {
    guard !bytes.isEmpty else { return nil }
    switch phase {
    case .methods(let until):
      let parsed = try Fault.of { () throws(WireError) in try MethodList.parse(bytes) }
      guard case .complete(let list, let length) = parsed else { return nil }
      try choose(from: list, until: until, into: &effects)
      return length
    case .acceptance:
      let parsed = try Fault.of { () throws(WireError) in
        try Acceptance.parse(bytes, for: .own)
      }
      guard case .complete(let acceptance, let length) = parsed else { return nil }
      try open(acceptance, at: now, into: &effects)
      return length
    case .open, .parting:
      let limits = settings.limits
      let parsed = try Fault.of { () throws(WireError) in
        try MessageFrame.parse(bytes, from: .daemon, limits: limits)
      }
      guard case .complete(let frame, let length) = parsed else { return nil }
      let message = try Fault.of { () throws(WireError) in try DaemonMessage(frame) }
      if case .parting = phase, isMark(message) {
        kill(at: now, into: &effects)
      } else {
        effects.append(.tell(.message(message)))
      }
      return length
    case .waiting, .connecting, .leaving, .ended:
      // Nothing that comes now concerns anybody.
      return bytes.count
    }
  }

  private mutating func choose(
    from list: MethodList,
    until: Instant,
    into effects: inout EffectQueue<Effect>
  ) throws(Fault) {
    switch list {
    case .refused(let code): throw Fault(code: code)
    case .methods(let methods):
      guard methods.contains(settings.method) else {
        let known = methods.joined(separator: " ")
        throw Fault(.refused("the daemon does not take the method \(settings.method): \(known)"))
      }
    }
    phase = .acceptance(until: until)
    write(MethodChoice([settings.method]).bytes, into: &effects)
  }

  private mutating func open(
    _ acceptance: Acceptance,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) throws(Fault) {
    switch acceptance {
    case .refused(let code): throw Fault(code: code)
    case .accepted(let version, let bytes):
      guard !version.isTooOld else {
        throw Fault(.refused("the daemon's version \(version) is too old"))
      }
      guard let name = InlineName(bytes), GroupName(destination: bytes)?.isPrivate == true else {
        throw Fault(.protocolViolation("the private name from the daemon is not one"))
      }
      privateName = name
      phase = .open(since: now)
      effects.append(.tell(.opened(name, version)))
    }
  }
}

// MARK: - Ends

extension SessionClientEngine {
  /// The connection is gone, or is of no use any more.
  mutating func lose(
    _ reason: DisconnectReason,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    let wasOpen: Bool
    switch phase {
    case .waiting, .ended: return
    case .parting, .leaving:
      if case .parting = phase { cutOff = reason }
      end(into: &effects)
      return
    case .open(let since):
      wasOpen = true
      if now - since >= settings.steadyAfter { attempts = 0 }
    case .connecting, .methods, .acceptance: wasOpen = false
    }
    forget()
    var pause: Duration?
    if settings.reconnects {
      let next = nextPause()
      phase = .waiting(until: now + next)
      pause = next
    } else {
      phase = .ended
    }
    effects.append(.tell(wasOpen ? .closed(reason) : .failed(reason, retryAfter: pause)))
  }

  mutating func leave(at now: Instant, into effects: inout EffectQueue<Effect>) {
    switch phase {
    case .open:
      guard let privateName else { return }
      // A daemon forgets what it has for a session that says its end. So first a message to oneself
      // goes the way of all others: when it is back, so is everything that was sent before.
      let mark = SessionMulticast(
        service: .agreed,
        tag: Self.mark,
        groups: [privateName],
        data: []
      )
      write(ClientMessage.multicast(mark).bytes(from: privateName), into: &effects)
      phase = .parting(until: now + settings.farewell)
    case .connecting, .methods, .acceptance, .waiting:
      // Told by the deadline, so that nobody hears of it within the call.
      phase = .leaving(until: now)
    case .parting, .leaving, .ended: break
    }
  }

  /// The tag of the message to oneself that precedes the end.
  private static let mark: Int16 = -0x7A11

  private func isMark(_ message: DaemonMessage) -> Bool {
    guard case .regular(let sender, let multicast) = message, sender == privateName else {
      return false
    }
    return multicast.hint.tag == Self.mark && multicast.data.isEmpty
      && multicast.destinations == [sender]
  }

  mutating func kill(at now: Instant, into effects: inout EffectQueue<Effect>) {
    guard let privateName else { return }
    write(ClientMessage.kill.bytes(from: privateName), into: &effects)
    phase = .leaving(until: now + settings.farewell)
  }

  mutating func end(into effects: inout EffectQueue<Effect>) {
    forget()
    phase = .ended
    effects.append(.close)
    effects.append(.tell(.closed(.requested)))
  }

  private mutating func forget() {
    (privateName, unsent, input, owesRoom) = (nil, 0, [], false)
  }

  /// A pause that doubles with each attempt, half of it by chance, so that clients that lost the
  /// same daemon do not come back all at once.
  private mutating func nextPause() -> Duration {
    let doubled = settings.firstPause * (1 << min(attempts, 20))
    attempts += 1
    let whole = min(doubled, settings.longestPause)
    return whole / 2 + whole * Int.random(in: 0...1_000, using: &random) / 2_000
  }
}

// MARK: - Faults

/// Why a connection is given up.
private struct Fault: Error {
  let reason: DisconnectReason

  init(_ reason: DisconnectReason) { self.reason = reason }

  init(_ error: WireError) {
    self.init(.protocolViolation("what the daemon sent is not understood: \(error)"))
  }

  /// What `body` reads from the stream.
  static func of<Value>(_ body: () throws(WireError) -> Value) throws(Self) -> Value {
    do throws(WireError) {
      return try body()
    } catch {
      throw Self(error)
    }
  }

  init(code: Int8) { self.init(.refused(Self.text(of: code))) }

  private static func text(of code: Int8) -> String {
    switch Refusal(rawValue: code) {
    case .quota: "the daemon has as many sessions as it takes"
    case .noName, .illegalName: "the daemon does not take the session's name"
    case .notUnique: "a session of this name is open already"
    case .version: "the daemon does not take clients of this version"
    case .authentication: "the daemon does not let this client in"
    case nil: "the daemon refuses the session with the code \(code)"
    }
  }
}
