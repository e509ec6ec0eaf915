// SPDX-License-Identifier: Apache-2.0

import FailoverWire
import GroupModel
import Health
import Logging
import Machine
import Reactor
import Reports
import RunnerWire

/// What is known by this node's health checks.
struct CheckBook {
  private struct Entry {
    let check: Check
    var state = CheckState.unknown
    var reason = "it has not run yet"
    var since: Instant
  }

  private var entries: [Entry] = []

  /// Has these checks from now on; what is known of those that were there stands.
  mutating func configure(_ checks: [Check], at now: Instant) {
    entries = checks.map { check in
      guard let known = entries.first(where: { $0.check.name == check.name }) else {
        return Entry(check: check, since: now)
      }
      return Entry(
        check: check,
        state: known.state,
        reason: known.reason,
        since: known.since
      )
    }
  }

  /// Takes what a check found; returns whether the check is known.
  mutating func take(_ report: CheckReport, at now: Instant) -> Bool {
    guard let index = entries.firstIndex(where: { $0.check.name == report.name }) else {
      return false
    }
    entries[index].state = report.state
    entries[index].reason = report.reason
    entries[index].since = now
    return true
  }

  /// What this node tells the others: each check that has not passed, and the VIFs it concerns.
  var failing: [FailingCheck] {
    entries.filter { $0.state != .passed }.compactMap { entry in
      guard let name = InlineName(entry.check.name.utf8) else { return nil }
      return switch entry.check.subject {
      case .node: FailingCheck(name: name)
      case .vifs(let vifs): FailingCheck(name: name, vifs: vifs)
      }
    }
  }

  var status: [StatusReport.CheckStatus] {
    entries.map { entry in
      .init(
        name: entry.check.name,
        subject: entry.check.subject,
        state: entry.state,
        reason: entry.reason,
        since: entry.since
      )
    }
  }
}
