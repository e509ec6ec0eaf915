// SPDX-License-Identifier: Apache-2.0

package import Addresses

/// An address that this daemon has put on an interface, or is about to.
package struct OwnedAddress: Sendable, Hashable {
  package let index: UInt32
  package let address: InterfaceAddress

  package init(index: UInt32, address: InterfaceAddress) {
    (self.index, self.address) = (index, address)
  }
}

extension OwnedAddress: CustomStringConvertible {
  package var description: String { address.description }
}

/// Whoever must know of an address before the kernel does, and until it has gone.
package protocol AddressJournal: Sendable {
  /// Is called before an address is added; returns false if it could not be noted, and then it
  /// is not added.
  func willAdd(_ address: OwnedAddress) -> Bool
  /// Is called when the kernel has acknowledged that the address is gone, or was never ours.
  func didRemove(_ address: OwnedAddress)
}
