// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import GroupModel

/// What a member says of itself; changed only by its own ordered messages.
package struct Facts: Sendable, Hashable {
  /// Grows with every change its owner makes.
  package var serial: UInt64
  /// The share of VIFs it is to carry, relative to others; at least 1.
  package var weight: UInt16
  /// It holds nothing while anybody else can.
  package var drained: Bool
  /// It is about to leave, and holds nothing.
  package var leaving: Bool
  /// The settings that shape the result; those of the lowest mature member hold for the view.
  package var shared: SharedSettings
  /// The VIFs it is configured with, in ascending order, each once.
  package var vifs: [VIFFact]
  /// Its health checks that fail, for status; what they forbid is in the readiness of ``vifs``.
  package var failing: [FailingCheck]

  package init(
    serial: UInt64 = 0,
    weight: UInt16 = 1,
    drained: Bool = false,
    leaving: Bool = false,
    shared: SharedSettings = .init(),
    vifs: [VIFFact],
    failing: [FailingCheck] = []
  ) {
    self.serial = serial
    self.weight = max(1, weight)
    self.drained = drained
    self.leaving = leaving
    self.shared = shared
    self.vifs = vifs
    self.failing = failing
  }

  /// What it says of one VIF; `nil` if it does not know it.
  package subscript(vif: VIFID) -> VIFFact? {
    guard let index = vifs.sortedIndex(of: vif, by: \.id) else { return nil }
    return vifs[index]
  }
}

/// What a member says of one VIF it is configured with.
package struct VIFFact: Sendable, Hashable {
  package var id: VIFID
  package var readiness: Readiness
  /// It is to hold the VIF if it can.
  package var preferred: Bool

  package init(id: VIFID, readiness: Readiness, preferred: Bool = false) {
    (self.id, self.readiness, self.preferred) = (id, readiness, preferred)
  }
}

/// A health check that fails at a member.
package struct FailingCheck: Sendable, Hashable {
  /// The configured name; longer ones are cut.
  package var name: InlineName
  /// The VIFs that the member is not to hold for it, in ascending order; `nil` for all.
  package var vifs: [VIFID]?

  package init(name: InlineName, vifs: [VIFID]? = nil) { (self.name, self.vifs) = (name, vifs) }

  package func concerns(_ vif: VIFID) -> Bool { vifs?.contains(vif) ?? true }
}

/// Whether a member could hold a VIF, or why not.
package enum Readiness: UInt8, Sendable, Hashable, CaseIterable {
  case ready = 0
  /// The kernel has not been heard about an interface of it.
  case unknown = 1
  case interfaceMissing = 2
  case interfaceDown = 3
  case noCarrier = 4
  /// The carrier has just returned: it waits for a merge before it claims.
  case settling = 5
  /// The kernel refused an address of it.
  case cannotHold = 6
  /// A health check fails.
  case unhealthy = 7
  /// It changed too often, and rests.
  case flapping = 8
  /// A reason that a newer version of the program gave.
  case other = 255

  /// Whether the interfaces would carry the VIF: it can be held where nobody is better.
  package var isUsable: Bool {
    switch self {
    case .ready, .unhealthy, .flapping: true
    case .unknown, .interfaceMissing, .interfaceDown, .noCarrier, .settling, .cannotHold, .other:
      false
    }
  }
}

extension Readiness: CustomStringConvertible {
  package var description: String {
    switch self {
    case .ready: "ready"
    case .unknown: "interface not yet known"
    case .interfaceMissing: "interface missing"
    case .interfaceDown: "interface down"
    case .noCarrier: "no carrier"
    case .settling: "carrier just returned"
    case .cannotHold: "kernel refused an address"
    case .unhealthy: "health check fails"
    case .flapping: "changed too often"
    case .other: "not eligible"
    }
  }
}

extension Array {
  /// The position of a key in an array sorted by it; `nil` if absent.
  ///
  /// Like all of these, it takes a function, which a key path literal becomes: a key path itself is
  /// read through the runtime, and took a third of a simulated world's time.
  @inlinable
  package func sortedIndex<Key: Comparable>(of key: Key, by path: (Element) -> Key) -> Int? {
    let index = insertionIndex(of: key, by: path)
    return index < count && path(self[index]) == key ? index : nil
  }

  /// The first position whose key is not less than `key`, in an array sorted by it.
  @inlinable
  package func insertionIndex<Key: Comparable>(
    of key: Key,
    by path: (Element) -> Key
  ) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if path(self[middle]) < key { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
