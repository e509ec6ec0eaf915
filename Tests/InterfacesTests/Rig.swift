// SPDX-License-Identifier: Apache-2.0

import Addresses
import Machine
import Testing

@testable import Interfaces

/// An engine with a kernel that does as it is told, when it is told to answer.
struct Rig {
  var engine: InterfacesEngine
  var now = Instant.boot + .seconds(100)
  /// What has not been looked at yet.
  var effects: [InterfacesEngine.Effect] = []
  private var queue = EffectQueue<InterfacesEngine.Effect>()

  static let proofLife: Duration = .milliseconds(250)

  init(lease: Duration? = .seconds(10)) {
    engine = InterfacesEngine(.init(lease: lease, proofLife: Self.proofLife))
  }

  mutating func feed(_ event: InterfacesEngine.Event) {
    engine.handle(event, at: now, into: &queue)
    effects += queue.takeAll()
    turn()
  }

  /// What the loop does at the end of a turn: deadlines that are due fire.
  mutating func turn() {
    while let deadline = engine.nextDeadline, deadline <= now {
      engine.advance(to: now, into: &queue)
      let new = queue.takeAll()
      effects += new
      // A deadline that stays without anything being done would keep the loop busy for ever.
      guard let next = engine.nextDeadline, next <= now else { return }
      if new.isEmpty {
        Issue.record("deadline \(next) is due at \(now) and nothing follows")
        return
      }
    }
  }

  /// Lets time pass, with a token coming back every 50 ms if the ring turns.
  mutating func pass(_ time: Duration, turning: Bool = true) {
    let end = now + time
    while now < end {
      now = min(end, now + .milliseconds(50))
      if turning { feed(.rotation(passed: now)) } else { turn() }
    }
  }

  /// A token that was just passed on comes back.
  mutating func prove() { feed(.rotation(passed: now)) }

  /// The changes of the only batch since the last look; nil if there is none.
  mutating func takeBatch() -> (
    id: InterfacesEngine.Batch, changes: [InterfacesEngine.Change], until: Instant?,
    lease: Duration?
  )? {
    var found: [(InterfacesEngine.Batch, [InterfacesEngine.Change], Instant?, Duration?)] = []
    effects.removeAll { effect in
      guard case .change(let batch, let changes, let lease, let until) = effect else {
        return false
      }
      found.append((batch, changes, until, lease))
      return true
    }
    #expect(found.count <= 1, "one batch at a time")
    return found.first
  }

  /// Everything but batches, and what is there of VIFs, since the last look.
  mutating func takeRest() -> [InterfacesEngine.Effect] {
    func isRest(_ effect: InterfacesEngine.Effect) -> Bool {
      switch effect {
      case .change, .vanished, .restored: false
      case .held, .dropped, .recalled, .lost, .note: true
      }
    }
    defer { effects.removeAll(where: isRest) }
    return effects.filter(isRest)
  }

  /// What was told of the presence of VIFs since the last look.
  mutating func takePresence() -> [InterfacesEngine.Effect] {
    func isPresence(_ effect: InterfacesEngine.Effect) -> Bool {
      switch effect {
      case .vanished, .restored: true
      case .change, .held, .dropped, .recalled, .lost, .note: false
      }
    }
    defer { effects.removeAll(where: isPresence) }
    return effects.filter(isPresence)
  }

  /// The kernel answers the batch under way, the same for all changes.
  @discardableResult
  mutating func answer(
    _ outcome: InterfacesEngine.Outcome = .done
  ) -> [InterfacesEngine.Change] {
    guard let batch = takeBatch() else {
      Issue.record("no batch is under way")
      return []
    }
    feed(.completed(batch.id, batch.changes.map { _ in outcome }))
    return batch.changes
  }

  /// Puts the VIF on its interfaces.
  mutating func stand(_ vif: VirtualInterface) {
    feed(.hold(vif))
    prove()
    #expect(answer() == vif.addresses.map { .add($0) })
    #expect(takeRest() == [.held(vif.id, .done)])
  }
}

func address(_ text: String, on interface: String = "eth0") -> InterfaceAddress {
  let parts = text.split(separator: "/")
  guard let name = InterfaceName(interface), parts.count == 2, let length = Int(parts[1]),
    let address = IPAddress(text: parts[0]), let prefix = IPPrefix(address: address, length: length)
  else { preconditionFailure("\(text) on \(interface) is no address") }
  return InterfaceAddress(interface: name, prefix: prefix)
}

func vif(_ addresses: InterfaceAddress...) -> VirtualInterface {
  guard let vif = VirtualInterface(addresses: addresses) else {
    preconditionFailure("no addresses")
  }
  return vif
}
