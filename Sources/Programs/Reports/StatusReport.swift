// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import Bytes
package import Failover
import FailoverWire
package import GroupModel
package import Health
package import Machine

/// What `wackamole -s` shows: the daemon's view of the cluster, as JSON and as tables.
package struct StatusReport {
  package let status: FailoverEngine.Status
  package let now: Instant
  /// This node's health checks, in the order of the configuration.
  package let checks: [CheckStatus]
  package let engine: EngineHealth
  package let standing: Standing

  package init(
    status: FailoverEngine.Status,
    now: Instant,
    checks: [CheckStatus],
    engine: EngineHealth,
    standing: Standing = Standing()
  ) {
    (self.status, self.now, self.checks, self.engine) = (status, now, checks, engine)
    self.standing = standing
  }

  /// What is known here of the addresses themselves, beside who holds them.
  package struct Standing: Sendable, Equatable {
    /// How long the kernel keeps a VIF that stands here if nothing is renewed any more; without an
    /// entry for ever, or it does not stand here.
    package var leases: [VIFID: Duration] = [:]
    package var conflicts: [Conflict] = []

    /// A stranger that claims an address.
    package struct Conflict: Sendable, Equatable {
      package let address: IPAddress
      package let hardware: MACAddress

      package init(address: IPAddress, hardware: MACAddress) {
        (self.address, self.hardware) = (address, hardware)
      }
    }

    /// The address by which the other servers reach this one, if it has gone from this machine.
    package var lostAddress: IPAddress?

    package init() {}
  }

  /// A health check of this node.
  package struct CheckStatus: Sendable, Equatable {
    package var name: String
    package var subject: Check.Subject
    package var state: CheckState
    /// What it found when the state became this one.
    package var reason: String
    package var since: Instant

    package init(
      name: String,
      subject: Check.Subject,
      state: CheckState,
      reason: String,
      since: Instant
    ) {
      (self.name, self.subject, self.state) = (name, subject, state)
      (self.reason, self.since) = (reason, since)
    }
  }

  /// How the group communication engine is.
  package struct EngineHealth: Sendable, Equatable {
    package var phase: String
    /// All configured members; empty where they are not configured here.
    package var configured: [NodeID]
    /// `nil` where another program has the ring.
    package var ring: RingHealth?
    /// Everything that the embedded ring counts; null without one.
    package var counters: JSONValue
    /// The session with a Spread daemon; null without one.
    package var session: JSONValue
    /// What comes of the payloads of a shared group; `nil` where the group is not shared.
    package var payloads: PayloadHealth?

    package init(
      phase: String,
      configured: [NodeID],
      ring: RingHealth?,
      counters: JSONValue,
      session: JSONValue
    ) {
      (self.phase, self.configured, self.ring) = (phase, configured, ring)
      (self.counters, self.session) = (counters, session)
    }
  }

  /// How the payloads of a shared group are told from those of strangers.
  package struct PayloadHealth: Sendable, Equatable {
    /// The key that this node uses; `nil` without any.
    package var key: UInt16?
    package var sendsSealed: Bool
    package var takesBare: Bool
    /// How many payloads were dropped, by reason, since the daemon started.
    package var dropped: [Dropped]
    /// Who is not listened to in this view, a line each.
    package var ignored: [String]

    package struct Dropped: Sendable, Equatable {
      package let reason: String
      package let count: UInt64
    }

    package init(
      key: UInt16?,
      sendsSealed: Bool,
      takesBare: Bool,
      dropped: [(reason: String, count: UInt64)],
      ignored: [String]
    ) {
      (self.key, self.sendsSealed, self.takesBare) = (key, sendsSealed, takesBare)
      self.dropped = dropped.map { Dropped(reason: $0.reason, count: $0.count) }
      self.ignored = ignored
    }

    var json: JSONValue {
      .object([
        .init("key", key.map { .integer(Int64($0)) } ?? .null),
        .init("sends_sealed", .bool(sendsSealed)),
        .init("takes_unsealed", .bool(takesBare)),
        .init(
          "dropped",
          .object(dropped.map { .init($0.reason, .integer(Int64(clamping: $0.count))) })
        ),
      ])
    }
  }

  /// What of the embedded ring an operator should see at once.
  package struct RingHealth: Sendable, Equatable {
    /// How long the token took to come back the last time, and at most on this ring.
    package var rotation: Duration
    package var longestRotation: Duration
    package var retransmissions: UInt64
    /// How often this process did not run for longer than the token time-out.
    package var stalls: UInt64
    /// How often the others went on without this member.
    package var votedOut: UInt64

    package init(
      rotation: Duration,
      longestRotation: Duration,
      retransmissions: UInt64,
      stalls: UInt64,
      votedOut: UInt64
    ) {
      (self.rotation, self.longestRotation) = (rotation, longestRotation)
      (self.retransmissions, self.stalls) = (retransmissions, stalls)
      self.votedOut = votedOut
    }
  }

  // MARK: - Judgement

  /// What is wrong, a line each; empty if nothing is.
  package var faults: [String] {
    var lines = status.degraded
    if let address = standing.lostAddress {
      lines.append("\(address), where other servers reach this one, has gone from this machine")
    }
    switch status.phase {
    case .disconnected, .joining: lines.append("this node is not in the group")
    case .immature, .exchanging, .leaving, .departed: break
    case .running:
      let uncovered = status.vifs.filter { $0.state == .uncovered }.map(\.id.description)
      if !uncovered.isEmpty {
        lines.append("nobody holds \(uncovered.joined(separator: " "))")
      }
    }
    if let shared = status.shared, !shared.hasQuorum {
      lines.append("too few members for the quorum")
    }
    for member in status.members where !member.differences.isEmpty {
      let node = member.member.node
      lines.append("\(node) is configured otherwise: \(member.differences.joined(separator: ", "))")
    }
    return lines + (engine.payloads?.ignored ?? [])
  }

  /// The configured members that are not in the view.
  package var missing: [NodeID] {
    engine.configured.filter { node in !status.members.contains { $0.member.node == node } }
  }

  // MARK: - JSON

  package var json: JSONValue {
    .object([
      .init("version", .integer(1)),
      .init("node", .string(status.node.description)),
      .init("state", .string(status.phase.rawValue)),
      .init("view", view),
      .init("vifs", .array(status.vifs.map(json))),
      .init("interfaces", .array(status.interfaces.map(json))),
      .init("checks", .array(checks.map(json))),
      .init("degraded", .array(faults.map(JSONValue.string))),
      .init("ring", engine.counters),
      .init("spread", engine.session),
      .init("payloads", engine.payloads?.json ?? .null),
    ])
  }

  private var view: JSONValue {
    .object([
      .init("id", .text(status.view?.description)),
      .init("members", names(status.members.map(\.member.node))),
      .init("missing", names(missing)),
      .init("quorum", .bool(status.shared?.hasQuorum ?? true)),
      .init("details", .array(status.members.map(json))),
    ])
  }

  private func names(_ nodes: [NodeID]) -> JSONValue {
    .array(nodes.map { .string($0.description) })
  }

  private func json(_ member: FailoverEngine.Status.Member) -> JSONValue {
    .object([
      .init("node", .string(member.member.node.description)),
      .init("mature", .bool(member.mature)),
      .init("drained", .bool(member.drained)),
      .init("leaving", .bool(member.leaving)),
      .init("silent", .bool(member.isSilent)),
      .init("protocol", member.version == 0 ? .null : .integer(Int64(member.version))),
      .init("load", .integer(Int64(member.load))),
      .init("weight", .integer(Int64(member.weight))),
      .init("failing_checks", .array(member.failing.map { .string(Self.text($0)) })),
      .init("differences", .array(member.differences.map(JSONValue.string))),
    ])
  }

  private func json(_ vif: FailoverEngine.Status.VIF) -> JSONValue {
    let preferred = status.overrides.first { $0.vif == vif.id }?.node
    return .object([
      .init("name", .string(vif.id.description)),
      .init("addresses", .array(Self.addresses(vif).map(JSONValue.string))),
      .init("interface", .text(Self.interfaces(vif))),
      .init("holder", .text(vif.holder?.node.description)),
      .init("state", .string(vif.state.rawValue)),
      .init("reason", .string(vif.reason)),
      .init("since_seconds", since(vif).map { .integer($0) } ?? .null),
      .init("eligible_here", vif.readiness.map { .bool($0 == .ready) } ?? .null),
      .init("not_eligible", .array(vif.prevented.map(json))),
      .init("ordered_to", .text(preferred?.description)),
      .init(
        "lease_left_ms",
        standing.leases[vif.id].map { .integer(Self.microseconds($0) / 1_000) } ?? .null
      ),
      .init("conflicts", .array(conflicts(vif).map(json))),
    ])
  }

  private func json(_ conflict: Standing.Conflict) -> JSONValue {
    .object([
      .init("address", .string(conflict.address.description)),
      .init("hardware", .string(conflict.hardware.description)),
    ])
  }

  private func json(_ prevented: FailoverEngine.Status.Prevented) -> JSONValue {
    .object([
      .init("node", .string(prevented.member.node.description)),
      .init("reason", .string(prevented.reason)),
    ])
  }

  private func json(_ interface: FailoverEngine.Status.Interface) -> JSONValue {
    .object([
      .init("name", .string(interface.name.text)),
      .init("link", .text(interface.state?.description)),
      .init("held", .array(interface.held.map { .string($0.description) })),
    ])
  }

  private func json(_ check: CheckStatus) -> JSONValue {
    let state =
      switch check.state {
      case .unknown: "unknown"
      case .passed: "passed"
      case .failed: "failed"
      }
    return .object([
      .init("name", .string(check.name)),
      .init("for", .array(Self.subjects(check).map(JSONValue.string))),
      .init("state", .string(state)),
      .init("reason", .string(check.reason)),
      .init("since_seconds", .integer((now - check.since).components.seconds)),
    ])
  }

  // MARK: - Parts

  /// How many seconds a VIF has been as it is; `nil` where that is not known.
  func since(_ vif: FailoverEngine.Status.VIF) -> Int64? {
    vif.since == .boot ? nil : max(0, (now - vif.since).components.seconds)
  }

  /// The strangers that claim addresses of the VIF.
  private func conflicts(_ vif: FailoverEngine.Status.VIF) -> [Standing.Conflict] {
    let addresses = vif.configured?.addresses.map(\.prefix.address) ?? [vif.id.primary]
    return standing.conflicts.filter { addresses.contains($0.address) }
  }

  static func addresses(_ vif: FailoverEngine.Status.VIF) -> [String] {
    vif.configured?.addresses.map(\.prefix.description) ?? [vif.id.description]
  }

  /// The interfaces of the VIF in its own order, each once.
  private static func interfaces(_ vif: FailoverEngine.Status.VIF) -> String? {
    guard let configured = vif.configured else { return nil }
    var names: [String] = []
    for address in configured.addresses where !names.contains(address.interface.text) {
      names.append(address.interface.text)
    }
    return names.joined(separator: ",")
  }

  /// The VIFs that a check is for; `node` for all.
  static func subjects(_ check: CheckStatus) -> [String] {
    switch check.subject {
    case .node: ["node"]
    case .vifs(let vifs): vifs.map(\.description)
    }
  }

  /// The name of a check as it was configured.
  static func text(_ check: FailingCheck) -> String {
    String(decoding: check.name.bytes, as: UTF8.self)
  }

  static func microseconds(_ duration: Duration) -> Int64 {
    let (seconds, attoseconds) = duration.components
    return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
  }
}
