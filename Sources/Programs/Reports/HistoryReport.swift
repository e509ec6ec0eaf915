// SPDX-License-Identifier: Apache-2.0

import Addresses
package import Bytes
package import Failover
import GroupModel
package import Machine
import TextLayout

/// What `wackatrl history` shows: the latest changes of holder, oldest first.
package struct HistoryReport {
  package let changes: [FailoverEngine.Status.Change]
  package let now: Instant

  package init(changes: [FailoverEngine.Status.Change], now: Instant) {
    (self.changes, self.now) = (changes, now)
  }

  package var json: JSONValue {
    .array(
      changes.map { change in
        .object([
          .init("seconds_ago", .integer(age(of: change))),
          .init("vif", .string(change.vif.description)),
          .init("from", .text(change.from?.node.description)),
          .init("to", .text(change.to?.node.description)),
          .init("reason", .string(change.reason)),
          .init("view", .string(change.view.description)),
        ])
      }
    )
  }

  package func text(width: Int?) -> String {
    var table = TextTable(header: ["AGO", "VIF", "FROM", "TO", "VIEW", "WHY"])
    for change in changes {
      table.add([
        StatusReport.age(age(of: change)),
        change.vif.description,
        change.from?.node.description ?? "-",
        change.to?.node.description ?? "-",
        change.view.description,
        change.reason,
      ])
    }
    return table.lines(width: width).joined(separator: "\n")
  }

  private func age(of change: FailoverEngine.Status.Change) -> Int64 {
    max(0, (now - change.at).components.seconds)
  }
}
