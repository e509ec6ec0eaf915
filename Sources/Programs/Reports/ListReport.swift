// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import Failover
package import GroupModel

/// Who holds what, in the lines that scripts have read from the original's `wackatrl -l`.
package enum ListReport {
  /// `address` gives the engine's address of a node, by which the original called it.
  package static func text(
    _ status: FailoverEngine.Status,
    address: (NodeID) -> IPAddress?
  ) -> String {
    status.vifs.flatMap { vif -> [String] in
      guard let configured = vif.configured else { return [] }
      let owner = vif.holder.map { address($0.node)?.description ?? $0.node.description }
      let lines = configured.addresses.enumerated().map { index, address in
        (index == 0 ? "\t*   " : "\t ->  ") + padded(address)
      }
      return ["Owner: \(owner ?? "not acquired")"] + lines
    }
    .joined(separator: "\n")
  }

  /// The interface's name is right-aligned to five columns.
  private static func padded(_ address: InterfaceAddress) -> String {
    let missing = max(0, 5 - address.interface.text.count)
    return String(repeating: " ", count: missing) + address.description
  }
}
