// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import FailoverWire
import GroupModel
import Health
import Machine
import TextLayout

/// The tables for people.
extension StatusReport {
  /// All tables; lines fit `width` columns where that can be.
  package func text(width: Int?) -> String {
    let tables = [vifs, standingTable, members, links, checkTable].filter { !$0.isEmpty }
    let head = headLines.flatMap { TextTable.broken($0, at: width) }
    return ([head] + tables.map { $0.lines(width: width) })
      .map { $0.joined(separator: "\n") }
      .joined(separator: "\n\n")
  }

  private var headLines: [String] {
    var lines = ["\(status.node): \(status.phase.rawValue)" + viewText]
    lines.append(
      "engine: " + ([engine.phase] + ringText + payloadText).joined(separator: ", ")
    )
    if !missing.isEmpty, status.view != nil {
      lines.append("missing: " + missing.map(\.description).joined(separator: " "))
    }
    return lines + faults.map { "DEGRADED: \($0)" }
  }

  private var ringText: [String] {
    guard let ring = engine.ring else { return [] }
    let rotation = Self.milliseconds(ring.rotation)
    // A new ring has not counted yet.
    let longest = Self.milliseconds(max(ring.rotation, ring.longestRotation))
    var counters = ["rotation \(rotation) (longest \(longest))"]
    if ring.retransmissions > 0 {
      counters.append("\(ring.retransmissions) packets sent again")
    }
    if ring.stalls > 0 { counters.append("stalled \(ring.stalls)x") }
    if ring.votedOut > 0 { counters.append("voted out \(ring.votedOut)x") }
    return counters
  }

  private var payloadText: [String] {
    guard let payloads = engine.payloads else { return [] }
    let key = payloads.key.map { "key \($0)" } ?? "no key"
    let dropped = payloads.dropped.filter { $0.count > 0 }.map { "\($0.count) \($0.reason)" }
    return [dropped.isEmpty ? key : "\(key), dropped: " + dropped.joined(separator: ", ")]
  }

  private var viewText: String {
    guard let view = status.view else { return ", in no view" }
    return ", view \(view) of \(status.members.count)"
  }

  private var vifs: TextTable {
    var table = TextTable(header: ["VIF", "ON", "HOLDER", "STATE", "SINCE", "WHY"])
    for vif in status.vifs {
      let age = since(vif).map(Self.age) ?? "-"
      var why = [vif.reason]
      if let readiness = vif.readiness, readiness != .ready, vif.state != .held {
        let here = "\(readiness)"
        if !vif.reason.contains(here) { why.append("not eligible here: \(here)") }
      }
      if let order = status.overrides.first(where: { $0.vif == vif.id })?.node {
        why.append("ordered to \(order)")
      }
      let configured = vif.configured?.addresses ?? []
      table.add([
        Self.addresses(vif)[0],
        configured.first?.interface.text ?? "-",
        vif.holder?.node.description ?? "-",
        vif.state.rawValue,
        age,
        why.joined(separator: "; "),
      ])
      for address in configured.dropFirst() {
        table.add([" + \(address.prefix)", address.interface.text, "", "", "", ""])
      }
    }
    return table
  }

  /// The addresses that stand here, and those that strangers claim.
  private var standingTable: TextTable {
    var table = TextTable(header: ["ADDRESS", "LEASE LEFT", "CONFLICT"])
    for vif in status.vifs {
      for address in vif.configured?.addresses ?? [] {
        let claimants = standing.conflicts.filter { $0.address == address.prefix.address }
        guard vif.state == .held || !claimants.isEmpty else { continue }
        table.add([
          address.prefix.description,
          standing.leases[vif.id].map(Self.tenths) ?? "-",
          claimants.isEmpty ? "-" : claimants.map(\.hardware.description).joined(separator: " "),
        ])
      }
    }
    return table
  }

  private var members: TextTable {
    var table = TextTable(header: ["MEMBER", "STATE", "VIFS", "WEIGHT", "HEALTH"])
    for member in status.members {
      let me = member.member == status.me ? " (here)" : ""
      table.add([
        member.member.node.description + me,
        Self.state(of: member),
        String(member.load),
        String(member.weight),
        member.failing.isEmpty
          ? "good" : "failing: " + member.failing.map(Self.text).joined(separator: ", "),
      ])
    }
    return table
  }

  private static func state(of member: FailoverEngine.Status.Member) -> String {
    if !member.known { return "unknown" }
    if member.isSilent { return "silent" }
    if member.leaving { return "leaving" }
    if member.drained { return "drained" }
    return member.mature ? "mature" : "immature"
  }

  private var links: TextTable {
    var table = TextTable(header: ["INTERFACE", "LINK", "HELD HERE"])
    for interface in status.interfaces {
      table.add([
        interface.name.text,
        interface.state?.description ?? "unknown",
        interface.held.map(\.description).joined(separator: " "),
      ])
    }
    return table
  }

  private var checkTable: TextTable {
    var table = TextTable(header: ["CHECK", "STATE", "SINCE", "FOR", "FOUND"])
    for check in checks {
      table.add([
        check.name,
        check.state.description,
        Self.age((now - check.since).components.seconds),
        Self.subjects(check).joined(separator: " "),
        check.reason,
      ])
    }
    return table
  }

  private static func milliseconds(_ duration: Duration) -> String {
    let tenths = (microseconds(duration) + 50) / 100
    return "\(tenths / 10).\(tenths % 10) ms"
  }

  /// A short time, of which tenths of a second matter.
  private static func tenths(_ duration: Duration) -> String {
    let tenths = microseconds(duration) / 100_000
    return "\(tenths / 10).\(tenths % 10)s"
  }

  /// Seconds in their largest unit: 42s, 7m, 3h, 2d.
  static func age(_ seconds: Int64) -> String {
    switch seconds {
    case ..<120: "\(seconds)s"
    case ..<7_200: "\(seconds / 60)m"
    case ..<172_800: "\(seconds / 3_600)h"
    default: "\(seconds / 86_400)d"
    }
  }
}
