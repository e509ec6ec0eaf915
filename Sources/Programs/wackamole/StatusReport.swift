// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import Failover
import GroupModel
import Machine

/// What `wackamole -s` shows: the daemon's view of the cluster, as JSON and as a table.
struct StatusReport {
  let status: FailoverEngine.Status
  let now: Instant
  /// What the embedded engine counted.
  let ring: RingReport?

  // MARK: - JSON

  var json: JSONValue {
    .object([
      .init("version", .integer(1)),
      .init("node", .string(status.node.description)),
      .init("state", .string(status.phase.rawValue)),
      .init("view", view),
      .init("vifs", .array(status.vifs.map(json))),
      .init("interfaces", .array(status.interfaces.map(json))),
      .init("degraded", .array(status.degraded.map(JSONValue.string))),
      .init("ring", ring?.json ?? .null),
    ])
  }

  private var view: JSONValue {
    .object([
      .init("id", .text(status.view?.description)),
      .init(
        "members",
        .array(status.members.map { .string($0.member.node.description) })
      ),
      .init("details", .array(status.members.map(json))),
    ])
  }

  private func json(_ member: FailoverEngine.Status.Member) -> JSONValue {
    .object([
      .init("node", .string(member.member.node.description)),
      .init("mature", .bool(member.mature)),
      .init("load", .integer(Int64(member.load))),
      .init("weight", .integer(Int64(member.weight))),
    ])
  }

  private func json(_ vif: FailoverEngine.Status.VIF) -> JSONValue {
    .object([
      .init("name", .string(vif.id.description)),
      .init("addresses", .array(addresses(vif).map(JSONValue.string))),
      .init("interface", .text(interfaces(vif))),
      .init("holder", .text(vif.holder?.node.description)),
      .init("state", .string(vif.state.rawValue)),
      .init("reason", .string(vif.reason)),
      .init("since_seconds", .integer((now - vif.since).components.seconds)),
    ])
  }

  private func json(_ interface: FailoverEngine.Status.Interface) -> JSONValue {
    .object([
      .init("name", .string(interface.name.text)),
      .init("link", .text(interface.state?.description)),
      .init("held", .array(interface.held.map { .string($0.description) })),
    ])
  }

  private func addresses(_ vif: FailoverEngine.Status.VIF) -> [String] {
    vif.configured?.addresses.map(\.prefix.description) ?? [vif.id.description]
  }

  /// The interfaces of the VIF in its own order, each once.
  private func interfaces(_ vif: FailoverEngine.Status.VIF) -> String? {
    guard let configured = vif.configured else { return nil }
    var names: [String] = []
    for address in configured.addresses where !names.contains(address.interface.text) {
      names.append(address.interface.text)
    }
    return names.joined(separator: ",")
  }

  // MARK: - Table

  var table: String {
    var lines = ["\(status.node): \(status.phase.rawValue)" + viewLine]
    lines += status.degraded.map { "DEGRADED: \($0)" }
    let rows = status.vifs.map { vif in
      [
        addresses(vif).joined(separator: " "),
        interfaces(vif) ?? "-",
        vif.holder?.node.description ?? "-",
        vif.state.rawValue,
        Self.age(now - vif.since),
        vif.reason,
      ]
    }
    lines.append("")
    lines += Self.columns([["VIF", "INTERFACE", "HOLDER", "STATE", "SINCE", "REASON"]] + rows)
    let members = status.members.map { member in
      [
        member.member.node.description,
        member.mature ? "mature" : "immature",
        String(member.load),
        String(member.weight),
      ]
    }
    lines.append("")
    lines += Self.columns([["MEMBER", "STATE", "VIFS", "WEIGHT"]] + members)
    let links = status.interfaces.map { interface in
      [
        interface.name.text,
        interface.state?.description ?? "unknown",
        interface.held.map(\.description).joined(separator: " "),
      ]
    }
    lines.append("")
    lines += Self.columns([["INTERFACE", "LINK", "HELD HERE"]] + links)
    return lines.joined(separator: "\n")
  }

  private var viewLine: String {
    guard let view = status.view else { return ", in no view" }
    let names = status.members.map(\.member.node.description).joined(separator: " ")
    return ", view \(view) of \(status.members.count): \(names)"
  }

  /// A duration in its largest unit: 42s, 7m, 3h, 2d.
  private static func age(_ duration: Duration) -> String {
    let seconds = duration.components.seconds
    return switch seconds {
    case ..<120: "\(seconds)s"
    case ..<7_200: "\(seconds / 60)m"
    case ..<172_800: "\(seconds / 3_600)h"
    default: "\(seconds / 86_400)d"
    }
  }

  /// Pads all columns but the last to their widest cell.
  private static func columns(_ rows: [[String]]) -> [String] {
    let widths = rows.reduce(into: [Int]()) { widths, row in
      for (index, cell) in row.enumerated() {
        if index < widths.count {
          widths[index] = max(widths[index], cell.count)
        } else {
          widths.append(cell.count)
        }
      }
    }
    return rows.map { row in
      let padded = row.enumerated().map { index, cell in
        index == row.count - 1
          ? cell : cell + String(repeating: " ", count: widths[index] - cell.count)
      }
      return padded.joined(separator: "  ")
    }
  }
}
