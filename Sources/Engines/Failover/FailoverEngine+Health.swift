// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import FailoverWire
internal import Machine

// Whether this node could hold a VIF. It is this node's own fact, and counts when its own message is
// delivered; but what its interfaces do not carry it removes at once.

extension FailoverEngine {
  func readiness(of vif: VirtualInterface) -> Readiness {
    let natural = natural(of: vif)
    guard natural.isUsable, flaps.restsUntil != nil else { return natural }
    return .flapping
  }

  /// The readiness of a node that does not rest.
  private func natural(of vif: VirtualInterface) -> Readiness {
    let readiness = links.readiness(of: vif)
    guard readiness == .ready else { return readiness }
    return failing.contains { $0.concerns(vif.id) } ? .unhealthy : .ready
  }

  /// Takes all checks that fail now.
  mutating func take(_ checks: [FailingCheck], in turn: inout Turn) {
    var sorted: [FailingCheck] = []
    for check in checks.prefix(Self.mostChecks) {
      var check = check
      check.vifs?.sort()
      let index = sorted.insertionIndex(of: check.name, by: \.name)
      if index == sorted.count || sorted[index].name != check.name {
        sorted.insert(check, at: index)
      }
    }
    for check in sorted where !failing.contains(check) {
      turn.emit(.note(.check(check, isFailing: true)))
    }
    for check in failing where !sorted.contains(where: { $0.name == check.name }) {
      turn.emit(.note(.check(check, isFailing: false)))
    }
    failing = sorted
  }

  private static let mostChecks = 256

  /// Counts the changes of what this node could hold, and lets it rest after too many.
  mutating func watchFlaps(_ turn: inout Turn) {
    let vifs = settings.vifs
    guard !vifs.contains(where: { links.readiness(of: $0) == .unknown }) else { return }
    let able = vifs.filter { natural(of: $0) == .ready }.map(\.id)
    if let rest = flaps.observe(able, at: turn.now, by: settings.flapping) {
      turn.emit(.note(.flapping(rest)))
    }
  }
}
