// SPDX-License-Identifier: Apache-2.0

/// What the kernel says of a network interface.
package enum LinkState: UInt8, Sendable, Hashable, CaseIterable {
  /// There is no interface of this name.
  case missing = 0
  /// It is administratively down.
  case down = 1
  /// It is up, but no signal arrives.
  case noCarrier = 2
  /// It is up and running.
  case up = 3
}

extension LinkState: CustomStringConvertible {
  package var description: String {
    switch self {
    case .missing: "missing"
    case .down: "down"
    case .noCarrier: "no carrier"
    case .up: "up"
    }
  }
}
