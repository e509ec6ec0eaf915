// SPDX-License-Identifier: Apache-2.0

/// What of a configuration can be taken on while the daemon runs.
package enum Reload {
  /// The configuration to go on with, and the statements whose change has to wait for a restart.
  package static func merge(
    _ wanted: WackamoleConfiguration,
    into present: WackamoleConfiguration
  ) -> (merged: WackamoleConfiguration, later: [String]) {
    var merged = wanted
    var later: [String] = []
    func keep<Value: Equatable>(
      _ path: WritableKeyPath<WackamoleConfiguration, Value>,
      _ name: String
    ) {
      guard wanted[keyPath: path] != present[keyPath: path] else { return }
      merged[keyPath: path] = present[keyPath: path]
      later.append(name)
    }
    switch (wanted.backend, present.backend) {
    case (.embedded(let asked), .embedded(var engine))
    where asked.node == engine.node
      && asked.endpoint(of: asked.node) == engine.endpoint(of: engine.node):
      // The others may change: who they are, and where.
      engine.peers = asked.peers
      merged.backend = .embedded(engine)
      if engine != asked { later.append("Engine, but for Peers,") }
    case (.spread(let asked), .spread(var spread)):
      // Keys are exchanged while everything runs.
      (spread.key, spread.unsealed) = (asked.key, asked.unsealed)
      merged.backend = .spread(spread)
      if spread != asked { later.append("Spread") }
    case (.embedded, .embedded), (.embedded, .spread), (.spread, .embedded):
      keep(\.backend, "Spread or Engine, or this machine's name or address in Peers,")
    }
    keep(\.group, "Group")
    keep(\.control, "Control")
    keep(\.controlGroup, "ControlGroup")
    keep(\.logFacility, "LogFacility")
    if !fits(merged.interfaces.lease, merged.backend) { keep(\.interfaces.lease, "Lease") }
    if !isSealedAlike(wanted.backend, merged.backend) {
      keep(\.interfaces.sendsObituary, "Guardian")
    }
    return (merged, later)
  }

  /// Whether a ring that goes on with its timers can be formed anew before the lease ends.
  private static func fits(
    _ lease: Duration?,
    _ backend: WackamoleConfiguration.Backend
  ) -> Bool {
    switch backend {
    case .embedded(let engine): lease.map { $0 >= engine.shortestLease } ?? true
    case .spread: true
    }
  }

  /// Whether what a configuration says of obituaries, if only by default, was said of such a ring: where
  /// anybody can forge them, nobody may believe them who has not been told to.
  private static func isSealedAlike(
    _ wanted: WackamoleConfiguration.Backend,
    _ merged: WackamoleConfiguration.Backend
  ) -> Bool {
    switch (wanted, merged) {
    case (.embedded(let wanted), .embedded(let merged)):
      (wanted.key == .none) == (merged.key == .none)
    case (.spread, .spread): true
    case (.embedded, .spread), (.spread, .embedded): false
    }
  }
}
