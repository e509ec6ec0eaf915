// SPDX-License-Identifier: Apache-2.0

import Bytes

/// A daemon's answer to `status`, and how a terminal of 80 columns shows it.
struct DaemonReport {
  let json: JSONValue

  init(_ json: JSONValue) { self.json = json }

  var node: String { json["node"]?.string ?? "?" }
  var phase: String { json["ring"]?["phase"]?.string ?? "?" }
  var ringID: String { json["ring"]?["id"]?.string ?? "none" }
  var configured: [JSONValue] { json["ring"]?["configured"]?.elements ?? [] }
  var present: Int { configured.count { $0["present"]?.bool == true } }
  var sessions: [JSONValue] { json["sessions"]?["list"]?.elements ?? [] }

  /// Whether somebody is missing, or the ring is not at rest.
  var isDegraded: Bool { present < configured.count || json["ring"]?["id"]?.string == nil }

  /// Counters by name, in the daemon's order.
  var counters: [(name: String, value: Int64)] {
    guard case .object(let members)? = json["counters"] else { return [] }
    return members.compactMap { member in
      member.value.integer.map { (member.name, $0) }
    }
  }

  var rotation: String {
    let ring = json["ring"]
    guard let last = ring?["rotation_microseconds"]?.integer else { return "unknown" }
    let longest = ring?["longest_rotation_microseconds"]?.integer ?? 0
    return "\(shortTime(microseconds: last)), longest \(shortTime(microseconds: longest))"
  }

  var sessionLine: String {
    let sessions = json["sessions"]
    let open = sessions?["open"]?.integer ?? 0
    let limit = sessions?["limit"]?.integer ?? 0
    let handshakes = sessions?["handshakes"]?.integer ?? 0
    return "\(grouped(open)) of \(grouped(limit)), \(handshakes) in handshake"
  }

  func text(withZeros: Bool) -> String {
    var lines = [
      "\(node): \(phase), \(present) of \(configured.count) daemons, ring \(ringID)",
      "version \(json["version"]?.string ?? "?"), up \(uptime)", "", daemonTable.text, "",
      "rotation  \(rotation); window \(json["ring"]?["window"]?.integer ?? 0)",
      "groups    \(grouped(json["groups"]?.integer ?? 0))", "sessions  \(sessionLine)",
    ]
    if !sessions.isEmpty { lines += ["", sessionTable(atMost: .max).text] }
    let shown = counters.filter { withZeros || $0.value != 0 }
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
    var table = TextTable(["DAEMON", "ADDRESS", "RING"])
    for daemon in configured {
      let name = daemon["node"]?.string ?? ""
      let state = daemon["present"]?.bool == true ? "present" : "absent"
      table.add([name, daemon["address"]?.string ?? "", state + (name == node ? ", asked" : "")])
    }
    return table
  }

  func sessionTable(atMost limit: Int) -> TextTable {
    var table = TextTable(
      ["SESSION", "FROM", "WAITING", "BYTES", "DROPPED"],
      rightAligned: [2, 3, 4]
    )
    for session in sessions.prefix(limit) {
      table.add([
        session["name"]?.string ?? "", session["peer"]?.string ?? "",
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
      let name = counter.name.map { $0 == "_" ? " " : String($0) }.joined()
      let value = grouped(counter.value)
      return name + String(repeating: " ", count: max(1, 38 - name.count - value.count)) + value
    }
    let half = (cells.count + 1) / 2
    return (0..<half).map { row in
      half + row < cells.count ? cells[row] + "    " + cells[half + row] : cells[row]
    }
  }
}
