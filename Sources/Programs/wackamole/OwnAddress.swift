// SPDX-License-Identifier: Apache-2.0

import Addresses
import Netlink

/// Whether the address by which the other servers reach this one stands on this machine.
///
/// A ring whose address was taken away cannot tell that from a cut cable; an operator wants to know.
struct OwnAddress {
  let address: IPAddress
  /// The interfaces that it stands on; `nil` until the kernel has told.
  private var places: Set<UInt32>?

  init(_ address: IPAddress) { self.address = address }

  var isGone: Bool { places?.isEmpty ?? false }

  /// Takes what the kernel says.
  ///
  /// - Returns: whether the address has gone or come with it.
  mutating func take(_ event: NetworkEvent) -> Bool {
    let before = isGone
    switch event {
    case .snapshot(_, let addresses):
      places = Set(addresses.filter { $0.prefix.address == address }.map(\.index))
    case .address(let found) where found.prefix.address == address: places?.insert(found.index)
    case .addressGone(let index, let prefix) where prefix.address == address:
      places?.remove(index)
    case .linkGone(let index, _): places?.remove(index)
    case .address, .addressGone, .link, .neighbors, .neighborsUnknown, .unknown: break
    }
    return isGone != before
  }
}
