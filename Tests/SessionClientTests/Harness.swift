// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import SessionClient
import SessionWire

/// An engine with a clock and what it asked for.
struct Harness {
  var engine: SessionClientEngine
  var now = Instant.boot
  private(set) var effects: [SessionClientEngine.Effect] = []

  init(_ settings: SessionClientEngine.Settings, seed: UInt64 = 1) {
    engine = SessionClientEngine(settings, random: SplitMix64(seed: seed), startingAt: now)
  }

  /// Handles an event and returns what follows from it.
  @discardableResult
  mutating func feed(_ event: SessionClientEngine.Event) -> [SessionClientEngine.Effect] {
    var queue = EffectQueue<SessionClientEngine.Effect>()
    engine.handle(event, at: now, into: &queue)
    effects += queue.effects
    return queue.effects
  }

  /// Goes on to the engine's deadline, and returns what follows.
  @discardableResult
  mutating func advance() -> [SessionClientEngine.Effect] {
    guard let due = engine.nextDeadline else { return [] }
    now = max(now, due)
    var queue = EffectQueue<SessionClientEngine.Effect>()
    engine.advance(to: now, into: &queue)
    effects += queue.effects
    return queue.effects
  }

  /// Opens a session at a daemon `d`.
  mutating func open() {
    advance()
    feed(.opened)
    feed(.received(MethodList.methods(["NULL"]).bytes))
    let name = Array("#\(String(decoding: engine.settings.name, as: UTF8.self))#d".utf8)
    feed(.received(Acceptance.accepted(.own, privateName: name).bytes(for: .own)))
  }

  /// Everything written so far.
  var written: [UInt8] {
    effects.flatMap { effect -> [UInt8] in
      if case .write(let bytes) = effect { bytes } else { [] }
    }
  }

  var notices: [SessionClientEngine.Notice] {
    effects.compactMap { if case .tell(let notice) = $0 { notice } else { nil } }
  }

  var messages: [DaemonMessage] {
    notices.compactMap { if case .message(let message) = $0 { message } else { nil } }
  }

  var closes: Int { effects.count { $0 == .close } }
}

func settings(_ name: String) -> SessionClientEngine.Settings {
  SessionClientEngine.Settings(name: Array(name.utf8))
}

func name(_ text: String) -> InlineName { InlineName(text.utf8) ?? .empty }
