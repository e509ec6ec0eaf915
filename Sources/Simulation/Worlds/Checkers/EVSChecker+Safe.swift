// SPDX-License-Identifier: Apache-2.0

/// Rules Safe.Configuration and Safe.Delivery.
extension EVSChecker {
  /// A process delivers a safe message: this binds every member of its configuration.
  mutating func checkSafe(_ message: Int, at process: Int) {
    let ring = processes[process].ring
    let transition = processes[process].transition
    let members = transition >= 0 ? transitions[transition].members : rings[ring].members
    guard let members else { return }
    let absent = members.subtracting(rings[ring].installed)
    if !absent.isEmpty {
      report(
        transition >= 0 ? .safeDelivery : .safeConfiguration,
        "\(name(process)) delivers safe \(describe(message)) in \(ringName(ring)), which "
          + "\(cast.text(absent)) have not delivered"
      )
    }
    if transition >= 0 { counters.safeInTransitional += 1 } else { counters.safeInRegular += 1 }
    for host in members.intersection(rings[ring].ended) {
      checkHolds(message, at: rings[ring].installer[host], becauseOf: process)
    }
    if messages[message].safePlace >= 0 {
      let place = messages[message].safePlace
      rings[ring].safe[place].members = rings[ring].safe[place].members.union(members)
    } else {
      messages[message].safePlace = rings[ring].safe.count
      rings[ring].safe.append(SafeRecord(message: message, members: members))
    }
  }

  /// A process leaves a ring: it must have delivered every safe message that binds it.
  mutating func checkSafeAtEnd(of ring: Int, at process: Int) {
    let host = processes[process].host
    for record in rings[ring].safe where record.members.contains(host) {
      checkHolds(record.message, at: process, becauseOf: -1)
    }
  }

  private mutating func checkHolds(_ message: Int, at process: Int, becauseOf other: Int) {
    guard messages[message].delivered >> UInt128(process) & 1 == 0 else { return }
    report(
      .safeDelivery,
      "\(name(process)) has left \(ringName(messages[message].ring)) without safe "
        + "\(describe(message)), which \(other < 0 ? "another member" : name(other)) delivered in a "
        + "configuration of both"
    )
  }
}
