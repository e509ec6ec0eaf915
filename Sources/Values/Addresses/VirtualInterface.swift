// SPDX-License-Identifier: Apache-2.0

/// A VIF: the addresses that move as one from server to server.
package struct VirtualInterface: Sendable, Hashable, Comparable {
  /// Never empty; the first is the primary address.
  package let addresses: [InterfaceAddress]

  /// Is `nil` for no addresses.
  package init?(addresses: [InterfaceAddress]) {
    guard !addresses.isEmpty else { return nil }
    self.addresses = addresses
  }

  /// What identifies the VIF at every member, whatever its interface is called there.
  package var id: VIFID { VIFID(primary: addresses[0].prefix.address) }

  package static func < (lhs: Self, rhs: Self) -> Bool { lhs.id < rhs.id }
}

/// The identity of a VIF: its primary address.
///
/// The order of VIFs is the order of these.
package struct VIFID: Sendable, Hashable, Comparable {
  package let primary: IPAddress

  package init(primary: IPAddress) { self.primary = primary }

  package static func < (lhs: Self, rhs: Self) -> Bool { lhs.primary < rhs.primary }
}

extension VIFID: CustomStringConvertible {
  package var description: String { primary.description }
}
