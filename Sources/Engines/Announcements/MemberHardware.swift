// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import GroupModel

/// The hardware addresses of the members, as they told them.
///
/// Those of a node that has left the view are kept: it may be behind a partition, and is no stranger.
struct MemberHardware: Sendable, Equatable {
  private struct Entry: Sendable, Equatable {
    let node: NodeID
    var addresses: [MACAddress]
  }

  /// The most nodes that are remembered, and the most addresses of each.
  static let most = 128
  static let mostAddresses = 64

  /// In ascending order of node.
  private var entries: [Entry] = []
  /// The other nodes of the present view.
  var nodes: [NodeID] = []

  mutating func learn(_ addresses: [MACAddress], of node: NodeID) {
    let addresses = Array(addresses.prefix(Self.mostAddresses))
    if let index = entries.firstIndex(where: { $0.node == node }) {
      entries[index].addresses = addresses
    } else if entries.count < Self.most {
      let index = entries.firstIndex { $0.node > node } ?? entries.count
      entries.insert(Entry(node: node, addresses: addresses), at: index)
    }
  }

  func have(_ address: MACAddress) -> Bool {
    entries.contains { $0.addresses.contains(address) }
  }

  /// Whether each member of the view has told.
  var areAllKnown: Bool {
    // Outside the group nothing is known of who else may hold an address.
    !nodes.isEmpty && nodes.allSatisfy { node in entries.contains { $0.node == node } }
  }
}
