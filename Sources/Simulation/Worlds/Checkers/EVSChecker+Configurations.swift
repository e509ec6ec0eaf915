// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// Configurations, and what must be true when one ends.
extension EVSChecker {
  /// A process takes part in an attempt to form a ring of these hosts.
  package mutating func attempt(by host: Int, members: HostSet) {
    guard running[host] >= 0 else { return }
    let ring = processes[running[host]].ring
    guard ring >= 0 else { return }
    rings[ring].tried[host] = rings[ring].tried[host].union(members)
  }

  // MARK: - Transitional

  /// A process delivers a transitional configuration.
  package mutating func transitional(
    at host: Int,
    from: RingID,
    to: RingID,
    members roster: Roster
  ) {
    let process = running[host]
    guard violation == nil, process >= 0 else { return }
    let ring = processes[process].ring
    guard ring >= 0, processes[process].transition < 0, rings[ring].id == from, from < to else {
      return report(
        .sequence,
        "\(name(process)) delivers the transitional configuration \(from) to \(to), but is in "
          + "\(processes[process].transition >= 0 ? "the transitional one of " : "")\(ringName(ring))"
      )
    }
    guard let members = cast.hosts(roster), members.contains(host) else {
      return report(
        .membership,
        "\(name(process)) delivers a transitional configuration of \(roster)"
      )
    }
    guard let all = rings[ring].members, members.isSubset(of: all) else {
      return report(
        .sequence,
        "\(name(process)) goes from \(from) with \(roster), not a subset of it"
      )
    }
    let digest = processes[process].digest
    if let known = rings[ring].transitions.first(where: { transitions[$0].to == to }) {
      compare(known, members: members, digest: digest, at: process)
      processes[process].transition = known
    } else {
      processes[process].transition = transitions.count
      rings[ring].transitions.append(transitions.count)
      transitions.append(
        TransitionRecord(to: to, members: members, regular: digest, witness: process)
      )
      counters.transitions += 1
    }
    processes[process].digest = Digest()
    fold(6, process, Int(members.bits))
  }

  /// Rules Config.Same and VirtualSynchrony between two processes at a transitional configuration.
  private mutating func compare(_ known: Int, members: HostSet, digest: Digest, at process: Int) {
    let first = transitions[known]
    if first.members != members {
      report(
        .same,
        "\(name(process)) goes to \(first.to) with \(cast.text(members)), "
          + "\(name(first.witness)) with \(cast.text(first.members))"
      )
    }
    if first.regular != digest {
      report(
        .virtualSynchrony,
        "before \(first.to) \(name(process)) delivered \(digest.count) messages in "
          + "\(ringName(processes[process].ring)), \(name(first.witness)) \(first.regular.count)"
          + (first.regular.count == digest.count ? ", but not the same" : "")
      )
    }
  }

  // MARK: - Regular

  /// A process delivers a regular configuration.
  package mutating func regular(
    at host: Int,
    ring id: RingID,
    members roster: Roster,
    cameTogether: Roster
  ) {
    let process = running[host]
    guard violation == nil, process >= 0 else { return }
    guard let members = cast.hosts(roster), members.contains(host) else {
      return report(.membership, "\(name(process)) delivers configuration \(id) of \(roster)")
    }
    let ring = index(of: id)
    if let known = rings[ring].members, known != members {
      return report(
        .same,
        "\(name(process)) delivers \(id) as \(roster), others as \(cast.text(known))"
      )
    }
    rings[ring].members = members
    checkSequence(of: ring, at: process, members: members, cameTogether: cameTogether)
    guard violation == nil else { return }
    endRing(of: process)
    install(ring, at: process)
  }

  private mutating func checkSequence(
    of ring: Int,
    at process: Int,
    members: HostSet,
    cameTogether: Roster
  ) {
    let host = processes[process].host
    let id = rings[ring].id
    var isRemembered = true
    for earlier in incarnations[host].reversed() {
      let last = processes[earlier].ring
      if last == ring || isRemembered && last >= 0 && rings[last].id.sequence >= id.sequence {
        report(
          .sequence,
          "\(name(process)) delivers \(id) after \(name(earlier)) \(ringName(last))"
        )
      }
      isRemembered = isRemembered && processes[earlier].remembers
    }
    guard processes[process].ring >= 0 else {
      if cast.hosts(cameTogether) != HostSet([host]) {
        report(.sequence, "\(name(process)) comes from nowhere, together with \(cameTogether)")
      }
      return
    }
    let transition = processes[process].transition
    guard transition >= 0, transitions[transition].to == id else {
      return report(
        .sequence,
        "\(name(process)) delivers \(id) without the transitional configuration to it"
      )
    }
    let together = transitions[transition].members
    if !together.isSubset(of: members) || cast.hosts(cameTogether) != together {
      report(
        .sequence,
        "\(name(process)) delivers \(id) of \(cast.text(members)) with \(cameTogether), after the "
          + "transitional configuration of \(cast.text(together))"
      )
    }
  }

  /// What must hold for a process that leaves a configuration for the next one.
  private mutating func endRing(of process: Int) {
    let ring = processes[process].ring
    guard ring >= 0 else { return }
    let transition = processes[process].transition
    let digest = processes[process].digest
    if let first = transitions[transition].transitional, first != digest {
      report(
        .virtualSynchrony,
        "in the transitional configuration to \(transitions[transition].to) \(name(process)) "
          + "delivered \(digest.count) messages, another member \(first.count)"
      )
    }
    transitions[transition].transitional = digest
    if processes[process].outstanding != 0 {
      let lost = processes[process].messages.first {
        messages[$0].ring == ring && messages[$0].delivered >> UInt128(process) & 1 == 0
      }
      report(
        .selfDelivery,
        "\(name(process)) leaves \(ringName(ring)) without \(processes[process].outstanding) "
          + "messages it sent there, first \(lost.map(describe) ?? "none")"
      )
    }
    checkSafeAtEnd(of: ring, at: process)
    rings[ring].ended.insert(processes[process].host)
    if processes[process].hole != nil { counters.recoveriesPastHoles += 1 }
  }

  private mutating func install(_ ring: Int, at process: Int) {
    let host = processes[process].host
    let origin = processes[process].ring
    rings[ring].installer[host] = process
    rings[ring].installed.insert(host)
    // A process without a past counts as coming from a ring of its own.
    let from = origin < 0 ? -1 - process : origin
    if !rings[ring].origins.contains(from) {
      rings[ring].origins.append(from)
      if rings[ring].origins.count == 2 { counters.merges += 1 }
      // A process that had no ring yet is not a ring that merges.
      if from >= 0, rings[ring].origins.count(where: { $0 >= 0 }) == 3 {
        counters.threeWayMerges += 1
      }
    }
    if rings[ring].installed.count == 1 { counters.configurations += 1 }
    processes[process].ring = ring
    processes[process].transition = -1
    processes[process].cursor = .start
    processes[process].hole = nil
    processes[process].skipped = 0
    processes[process].outstanding = 0
    processes[process].digest = Digest()
    fold(7, process, ring)
  }
}
