// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// Messages that do not say by their bytes which they are, such as those of process groups.
///
/// What a process gives to its ring takes its places in that order (rule FIFO), so the next place
/// is that of the next message. What is delivered is the sender's next message in the order of the
/// ring with these bytes; of several with the same bytes nobody can tell which it is.
extension EVSChecker {
  /// The letter that stands for what a host's ring will send next, `skipping` so many.
  func nextUnsent(host: Int, skipping: Int = 0) -> Letter? {
    let process = running[host]
    guard process >= 0 else { return nil }
    let index = processes[process].firstUnsent + skipping
    guard processes[process].messages.indices.contains(index) else { return nil }
    let record = messages[processes[process].messages[index]]
    return Letter(
      host: host,
      incarnation: processes[process].incarnation,
      number: record.number,
      service: record.service,
      length: Letter.headerLength
    )
  }

  /// A process delivers a message that is known by its bytes alone.
  package mutating func deliver(
    at host: Int,
    sender: Int,
    service: Service,
    ring id: RingID,
    length: Int,
    fingerprint: UInt64
  ) {
    let process = running[host]
    guard violation == nil, process >= 0 else { return }
    guard processes[process].ring >= 0 else {
      return report(.membership, "\(name(process)) delivers a message in no ring")
    }
    let found = find(at: process, from: sender) {
      $0.service == service && $0.fingerprint == fingerprint
    }
    guard let found else {
      return report(
        .integrity,
        "\(name(process)) delivers as from host \(sender) what was never sent, or sent before "
          + "what it has delivered (\(length) bytes, \(service))"
      )
    }
    accept(found, at: process, in: id, length: length)
  }

  /// The sender's first message after what a process has delivered in its ring that is as asked.
  private func find(
    at process: Int,
    from sender: Int,
    matching matches: (MessageRecord) -> Bool
  ) -> Int? {
    let host = processes[process].host
    let ring = processes[process].ring
    if rings[ring].members == HostSet([host]) {
      let index = processes[process].firstUnsent
      guard sender == host, processes[process].messages.indices.contains(index) else { return nil }
      let message = processes[process].messages[index]
      return matches(messages[message]) ? message : nil
    }
    let cursor = processes[process].cursor
    var sequence = max(cursor.sequence, 1)
    while sequence <= UInt64(rings[ring].packets.count) {
      let packet = rings[ring].packets[Int(sequence - 1)]
      if packet.host == sender {
        for (slot, message) in rings[ring].messages[packet.messages].enumerated()
        where Position(sequence: sequence, slot: slot) > cursor && matches(messages[message]) {
          return message
        }
      }
      sequence += 1
    }
    return nil
  }
}
