// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// What is asked of the checker about the present, and rule Reliable at the end.
extension EVSChecker {
  /// The process that runs on a host; -1 for none.
  package func process(on host: Int) -> Int { running[host] }

  /// The members of the regular configuration that a host delivered last.
  package func members(at host: Int) -> HostSet {
    guard running[host] >= 0, processes[running[host]].ring >= 0 else { return HostSet() }
    return rings[processes[running[host]].ring].members ?? HostSet()
  }

  /// Whether a packet of a ring has been seen on the wire.
  package func knows(sequence: UInt64, of ring: RingID) -> Bool {
    guard let index = ringIndices[ring], sequence >= 1,
      sequence <= UInt64(rings[index].packets.count)
    else { return false }
    return rings[index].packets[Int(sequence - 1)].host >= 0
  }

  /// The regular configuration that all these hosts, and nobody else, are in.
  package func commonRing(of hosts: HostSet) -> RingID? {
    var common: Int?
    for host in hosts {
      guard running[host] >= 0 else { return nil }
      let process = processes[running[host]]
      guard process.ring >= 0, process.transition < 0, process.ring == common ?? process.ring
      else { return nil }
      common = process.ring
    }
    guard let common, rings[common].members == hosts else { return nil }
    return rings[common].id
  }

  package func describeRings(of hosts: HostSet) -> String {
    hosts.map { host in
      "\(cast.node(host)) in \(running[host] < 0 ? "none" : ringName(processes[running[host]].ring))"
    }.joined(separator: ", ")
  }

  /// Rules SelfDelivery and Reliable in a world at rest: each process has delivered all of its own
  /// messages, and all processes have delivered these letters.
  package mutating func checkDelivered(to hosts: HostSet, letters: [Letter]) {
    for host in hosts {
      let process = running[host]
      for message in processes[process].messages where !has(message, at: process) {
        report(.selfDelivery, "\(name(process)) never delivered its own \(describe(message))")
      }
    }
    for letter in letters {
      guard let message = message(of: letter) else { continue }
      for host in hosts where !has(message, at: running[host]) {
        report(.reliable, "\(name(running[host])) never delivered \(describe(message))")
      }
    }
  }

  /// Whether each process has delivered all messages of these hosts' processes that it could.
  package func hasDelivered(everythingTo hosts: HostSet) -> Bool {
    hosts.allSatisfy { host in
      guard running[host] >= 0 else { return true }
      return processes[running[host]].messages.reversed().allSatisfy { message in
        let ring = messages[message].ring
        return ring >= 0
          && hosts.allSatisfy { other in
            running[other] < 0 || processes[running[other]].ring != ring
              || has(message, at: running[other])
          }
      }
    }
  }

  private func has(_ message: Int, at process: Int) -> Bool {
    messages[message].delivered >> UInt128(process) & 1 == 1
  }
}
