// SPDX-License-Identifier: Apache-2.0

import Configuration

/// What of a configuration can be taken on while the daemon runs.
enum Reload {
  /// The configuration to go on with, and the statements whose change has to wait for a restart.
  static func merge(
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
    keep(\.interfaces.lease, "Lease")
    keep(\.interfaces.sendsObituary, "Guardian")
    keep(\.interfaces.process, "Process")
    return (merged, later)
  }
}
