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
    keep(\.backend, "Spread or Engine")
    if case .spread(let asked) = wanted.backend, case .spread(var spread) = present.backend {
      // Keys are exchanged while everything runs.
      (spread.key, spread.unsealed) = (asked.key, asked.unsealed)
      merged.backend = .spread(spread)
      if spread == asked { later.removeAll() }
    }
    keep(\.group, "Group")
    keep(\.control, "Control")
    keep(\.controlGroup, "ControlGroup")
    keep(\.logFacility, "LogFacility")
    keep(\.interfaces, "Lease or Guardian")
    return (merged, later)
  }
}
