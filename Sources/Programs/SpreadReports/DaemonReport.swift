// SPDX-License-Identifier: Apache-2.0

package import Bytes
import TextLayout

/// A daemon's answer to `status`, and how a terminal of 80 columns shows it.
package struct DaemonReport: Sendable {
  /// How many sessions are shown unless all are asked for.
  private static let fewSessions = 20
  /// The width of a column of counters, of which two stand beside each other.
  private static let counterWidth = 38
  /// What an address may take of a line; longer ones are cut.
  private static let peerWidth = 30

  package let json: JSONValue

  package init(_ json: JSONValue) { self.json = json }

  var node: String { json["node"]?.string ?? "?" }
  var phase: String { json["ring"]?["phase"]?.string ?? "?" }
  var ringID: String { json["ring"]?["id"]?.string ?? "none" }
  var configured: [JSONValue] { json["ring"]?["configured"]?.elements ?? [] }
  var present: Int { configured.count { $0["present"]?.bool == true } }

  /// The names of the configured daemons that are not in the ring.
  var absent: [String] {
    configured.filter { $0["present"]?.bool != true }.compactMap { $0["node"]?.string }
  }

  /// The clients, those for which most waits first, then those that lost most.
  var sessions: [JSONValue] {
    let list = json["sessions"]?["list"]?.elements ?? []
    let trouble = list.map { session in
      (session["queued_messages"]?.integer ?? 0, session["dropped"]?.integer ?? 0)
    }
    // Sorting is not stable by contract: the place decides among equals.
    return list.indices.sorted { left, right in
      (trouble[right].0, trouble[right].1, left) < (trouble[left].0, trouble[left].1, right)
    }.map { list[$0] }
  }

  /// Whether somebody is missing, or the ring is not at rest.
  package var isDegraded: Bool { present < configured.count || json["ring"]?["id"]?.string == nil }

  /// Counters by name, in the daemon's order.
  var counters: [(name: String, value: Int64)] {
    guard case .object(let members)? = json["counters"] else { return [] }
    return members.compactMap { member in
      member.value.integer.map { (member.name, $0) }
    }
  }

  var rotation: String {
    let ring = json["ring"]
    if present <= 1 { return "none, no other daemon is in the ring" }
    guard let last = ring?["rotation_microseconds"]?.integer else { return "unknown" }
    let longest = ring?["longest_rotation_microseconds"]?.integer ?? 0
    return "\(shortTime(microseconds: last)), longest \(shortTime(microseconds: longest))"
  }

  private var window: String {
    present > 1 ? "; window \(json["ring"]?["window"]?.integer ?? 0)" : ""
  }

  var sessionLine: String {
    let sessions = json["sessions"]
    let open = sessions?["open"]?.integer ?? 0
    let limit = sessions?["limit"]?.integer ?? 0
    let handshakes = sessions?["handshakes"]?.integer ?? 0
    return "\(grouped(open)) of \(grouped(limit)), \(handshakes) in handshake"
  }

  /// The whole report; with `all` also counters that are zero, and all sessions that were told.
  package func text(all: Bool) -> String {
    var lines = [
      "\(node): \(phase), \(present) of \(configured.count) daemons", "ring \(ringID)",
      "version \(json["version"]?.string ?? "?"), up \(uptime)", "",
    ]
    lines += daemonTable.lines(width: nil)
    lines += [
      "", "rotation  \(rotation)\(window)", "groups    \(grouped(json["groups"]?.integer ?? 0))",
      "sessions  \(sessionLine)",
    ]
    let sessions = sessions
    if !sessions.isEmpty {
      let few = all ? sessions.count : Self.fewSessions
      lines += [""] + Self.table(of: sessions.prefix(few)).lines(width: nil)
      let more = max(json["sessions"]?["open"]?.integer ?? 0, Int64(sessions.count)) - Int64(few)
      if more > 0 { lines.append("and \(grouped(more)) more" + (all ? "" : " (--all)")) }
    }
    let shown = counters.filter { all || $0.value != 0 }
    if !shown.isEmpty { lines += [""] + Self.columns(shown) }
    return lines.joined(separator: "\n")
  }

  private var uptime: String {
    let seconds = json["uptime_seconds"]?.integer ?? 0
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60)
    if days > 0 { return "\(days) d \(hours) h" }
    if hours > 0 { return "\(hours) h \(minutes) min" }
    return minutes > 0 ? "\(minutes) min \(seconds % 60) s" : "\(seconds) s"
  }

  var daemonTable: TextTable {
    var table = TextTable(header: ["DAEMON", "ADDRESS", "RING"])
    for daemon in configured {
      let name = daemon["node"]?.string ?? ""
      let isPresent = daemon["present"]?.bool == true
      let state = name == node ? "this one" : isPresent ? "present" : "absent"
      table.add([name, daemon["address"]?.string ?? "", state])
    }
    return table
  }

  static func table(of sessions: some Sequence<JSONValue>) -> TextTable {
    var table = TextTable(
      header: ["SESSION", "FROM", "WAITING", "BYTES", "DROPPED"],
      rightAligned: [2, 3, 4]
    )
    for session in sessions {
      table.add([
        session["name"]?.string ?? "",
        shortened(session["peer"]?.string ?? "", to: peerWidth),
        grouped(session["queued_messages"]?.integer ?? 0),
        grouped(session["queued_bytes"]?.integer ?? 0),
        grouped(session["dropped"]?.integer ?? 0),
      ])
    }
    return table
  }

  /// Counters in two columns, read downwards.
  private static func columns(_ counters: [(name: String, value: Int64)]) -> [String] {
    let cells = counters.map { counter in
      let value = grouped(counter.value)
      let name = shortened(
        counter.name.map { $0 == "_" ? " " : String($0) }.joined(),
        to: counterWidth - value.count - 1
      )
      return name
        + String(repeating: " ", count: max(1, counterWidth - name.count - value.count)) + value
    }
    let half = (cells.count + 1) / 2
    return (0..<half).map { row in
      half + row < cells.count ? cells[row] + "    " + cells[half + row] : cells[row]
    }
  }
}
