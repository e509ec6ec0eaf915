// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import Configuration
import GroupModel
import Netlink
import Reports
import TextLayout

/// The configured VIFs against what is really on the interfaces, while no daemon runs.
struct OfflineStatus {
  private struct Row {
    let vif: VIFID
    let address: InterfaceAddress
    /// `nil` if there is no such interface.
    let link: LinkState?
    /// How it stands there; `nil` if it does not.
    let present: IPPrefix?
  }

  /// `nil` where the Spread daemon alone knows it.
  private let node: NodeID?
  private let rows: [Row]

  init(_ configuration: WackamoleConfiguration) throws {
    let (links, addresses) = try AddressKeeper(journal: nil).snapshot()
    node = configuration.backend.node
    rows = configuration.virtualInterfaces.flatMap { vif in
      vif.addresses.map { address in
        let link = links.first { $0.name == address.interface }
        let found = addresses.first {
          $0.index == link?.index && $0.prefix.address == address.prefix.address
        }
        return Row(vif: vif.id, address: address, link: link?.state, present: found?.prefix)
      }
    }
  }

  func text(width: Int?) -> String {
    var table = TextTable(header: ["VIF", "ON", "LINK", "THERE"])
    for row in rows {
      let isPrimary = row.vif.primary == row.address.prefix.address
      table.add([
        (isPrimary ? "" : " + ") + row.address.prefix.description,
        row.address.interface.text,
        row.link?.description ?? "no such interface",
        there(row),
      ])
    }
    let name = node.map { "\($0): " } ?? ""
    let head = "\(name)no daemon is running; what stands on the interfaces:"
    return ([head, ""] + table.lines(width: width)).joined(separator: "\n")
  }

  private func there(_ row: Row) -> String {
    guard let present = row.present else { return "no" }
    return present == row.address.prefix ? "yes" : "yes, as \(present)"
  }

  var json: JSONValue {
    .object([
      .init("version", .integer(1)),
      .init("node", .text(node?.description)),
      .init("state", .string("not running")),
      .init(
        "addresses",
        .array(
          rows.map { row in
            .object([
              .init("vif", .string(row.vif.description)),
              .init("address", .string(row.address.prefix.description)),
              .init("interface", .string(row.address.interface.text)),
              .init("link", .text(row.link?.description)),
              .init("present", .bool(row.present != nil)),
            ])
          }
        )
      ),
    ])
  }
}
