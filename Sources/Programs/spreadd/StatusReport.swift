// SPDX-License-Identifier: Apache-2.0

import Bytes
import EmbeddedRing
import GroupModel
import Groups
import Machine
import Reactor
import Ring
import SessionNode
import SessionWire
import Sessions
import SpreadConfiguration

/// What the control socket answers, always JSON: `status`, `groups [AFTER]`,
/// `members GROUP [AFTER]`.
struct StatusReport {
  /// The most groups, or members, of one answer: the ring waits while it is written.
  private static let page = 1_000
  /// The most sessions of one answer, for the same reason.
  private static let mostSessions = 1_000

  private let daemon: Daemon

  init(_ daemon: Daemon) { self.daemon = daemon }

  func answer(to line: String) -> String {
    guard let node = daemon.node else { return "" }
    let words = line.split(separator: " ", maxSplits: 1)
    switch (words.first, words.dropFirst().first) {
    case ("status", nil): return status(of: node).compact + "\n"
    case ("groups", let after): return groups(of: node, after: after).compact + "\n"
    case ("members", let words?): return members(words, of: node).compact + "\n"
    default:
      return JSONValue.object([
        .init(
          "error",
          .string("unknown request; there are: status, groups [AFTER], members GROUP [AFTER]")
        )
      ]).compact + "\n"
    }
  }

  private func status(of node: SessionNode) -> JSONValue {
    .object([
      .init("node", .string("\(daemon.me.node)")),
      .init("version", .string(programVersion)),
      .init("uptime_seconds", .integer((BootClock.now - daemon.started).components.seconds)),
      .init("ring", ring(node.ring)),
      .init("groups", .integer(Int64(node.groups.groupCount))),
      .init("sessions", sessions(node.sessions)),
      .init("counters", counters(node)),
    ])
  }

  private func ring(_ ring: RingEngine) -> JSONValue {
    let statistics = ring.statistics
    return .object([
      .init("id", .text(ring.ring.map { "\($0)" })),
      .init("phase", .string(ring.phaseName.rawValue)),
      .init("members", .array(inOrder(ring.members).map { .string("\($0)") })),
      .init(
        "configured",
        .array(
          daemon.configuration.daemons.map { configured in
            .object([
              .init("node", .string("\(configured.node)")),
              .init("address", .string("\(configured.endpoint)")),
              .init("present", .bool(ring.members.contains(configured.node))),
            ])
          }
        )
      ),
      .init("rotation_microseconds", .integer(statistics.rotation.microseconds)),
      .init("longest_rotation_microseconds", .integer(statistics.longestRotation.microseconds)),
      .init("window", .integer(Int64(statistics.window))),
    ])
  }

  /// In the order of the configuration.
  private func inOrder(_ members: Roster) -> [NodeID] {
    daemon.configuration.daemons.map(\.node).filter(members.contains)
  }

  private func sessions(_ engine: SessionsEngine) -> JSONValue {
    .object([
      .init("open", .integer(Int64(engine.counts.open))),
      .init("handshakes", .integer(Int64(engine.counts.handshakes))),
      .init("limit", .integer(Int64(daemon.configuration.sessions.limit))),
      .init("waiting_bytes", .integer(Int64(engine.waitingBytes))),
      .init(
        "list",
        .array(
          engine.summaries(most: Self.mostSessions).map { session in
            .object([
              .init("name", .string(session.name.text)),
              .init("peer", .string("\(session.peer)")),
              .init("membership", .bool(session.wantsMembership)),
              .init("queued_messages", .integer(Int64(session.queuedMessages))),
              .init("queued_bytes", .integer(Int64(session.queuedBytes))),
              .init("dropped", .integer(Int64(clamping: session.dropped))),
            ])
          }
        )
      ),
    ])
  }

  private func counters(_ node: SessionNode) -> JSONValue {
    let (ring, groups) = (node.ring.statistics, node.groups.statistics)
    let sessions = node.sessions.statistics
    var counters: [(String, UInt64)] = [
      ("messages_ordered", ring.messagesDelivered), ("packets_sent", ring.packetsSent),
      ("retransmissions", ring.retransmissions), ("tokens", ring.tokens),
      ("tokens_repeated", ring.tokensRepeated), ("configurations", ring.configurations),
      ("ring_dropped", ring.dropped), ("joins", groups.joins), ("leaves", groups.leaves),
      ("disconnects", groups.disconnects), ("sessions_opened", sessions.opened),
      ("sessions_accepted", sessions.accepted), ("multicasts", sessions.multicasts),
      ("commands", sessions.commands), ("without_effect", sessions.withoutEffect),
      ("rejected_joins", sessions.rejected),
      ("delivered", sessions.delivered), ("memberships", sessions.memberships),
      ("dropped_for_slow_sessions", sessions.dropped), ("unreadable", sessions.unreadable),
    ]
    counters += daemon.linkDrops.map { ("datagrams_dropped_\($0.reason)", $0.count) }
    counters += RingEngine.DropReason.allCases.map { ("ring_dropped_\($0)", ring.dropped($0)) }
    for refusal in Refusal.allCases where refusal != .noName {
      counters.append(("refused_" + Self.words("\(refusal)"), sessions.refused(refusal)))
    }
    for reason in SessionsEngine.CloseReason.allCases {
      counters.append(("closed_" + Self.words("\(reason)"), sessions.closed(reason)))
    }
    return .object(counters.map { .init($0.0, .integer(Int64(clamping: $0.1))) })
  }

  /// The name of a case as the names of counters are written.
  private static func words(_ name: String) -> String {
    name.map { $0.isUppercase ? "_" + $0.lowercased() : String($0) }.joined()
  }

  private func groups(of node: SessionNode, after: Substring?) -> JSONValue {
    let name = after.flatMap { GroupName(text: String($0)) }
    return .array(
      node.groups.groups(after: name, limit: Self.page).map { group in
        .object([
          .init("name", .string("\(group.name)")),
          .init("members", .integer(Int64(group.members))),
        ])
      }
    )
  }

  /// The members of a group in the order of views, those behind `AFTER` if that is given.
  private func members(_ text: Substring, of node: SessionNode) -> JSONValue {
    let words = text.split(separator: " ", maxSplits: 1)
    let last = words.dropFirst().first
    let after = last.flatMap { GroupName(destination: Array($0.utf8))?.member }
    guard let group = words.first.flatMap({ GroupName(text: String($0)) }),
      (last == nil) == (after == nil)
    else { return .object([.init("error", .string("\(text) is no name of a group"))]) }
    var nodes = daemon.configuration.daemons.map(\.node)[...]
    if let after { nodes = nodes.drop { $0 != after.node } }
    let members = Dictionary(grouping: node.groups.group(group)?.members ?? [], by: \.node)
    let page = nodes.lazy.flatMap { members[$0] ?? [] }
      .filter { member in after.map { member.node != $0.node || member > $0 } ?? true }
      .prefix(Self.page)
    return .array(page.map { .string("\($0)") })
  }
}

extension Duration {
  fileprivate var microseconds: Int64 {
    components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
  }
}
