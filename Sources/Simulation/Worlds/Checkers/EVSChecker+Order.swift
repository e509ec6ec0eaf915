// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// Sends and deliveries.
extension EVSChecker {
  // MARK: - Sends

  /// The most packets of one ring.
  private static let sequenceLimit: UInt64 = 1 << 20

  /// A packet appears on the wire, with the messages that it completes.
  ///
  /// `holder` is the host that puts it there and `sender` the one it says it is from; the packet
  /// takes its place in the order when these are the same.
  package mutating func send(
    by holder: Int,
    sender: Int,
    ring id: RingID,
    sequence: UInt64,
    completing letters: [Letter],
    fingerprint: UInt64
  ) {
    let ring = index(of: id)
    guard (1...Self.sequenceLimit).contains(sequence) else {
      return report(.ringSequence, "packet \(sequence) of ring \(id) is out of all range")
    }
    let place = Int(sequence - 1)
    while rings[ring].packets.count <= place { rings[ring].packets.append(PacketRecord()) }
    let known = rings[ring].packets[place]
    if known.host >= 0 {
      counters.retransmissions += 1
      if known.host != sender || known.fingerprint != fingerprint {
        report(
          .ringSequence,
          "\(cast.node(holder)) sends packet \(sequence) of ring \(id) as from "
            + "\(cast.node(sender)), which differs from the one of \(cast.node(known.host))"
        )
      }
      return
    }
    guard holder == sender else {
      return report(
        .integrity,
        "\(cast.node(holder)) sends packet \(sequence) of ring \(id) for \(cast.node(sender)), "
          + "who never sent it"
      )
    }
    fold(4, holder, Int(sequence))
    let first = rings[ring].messages.count
    for letter in letters { take(letter, by: holder, in: ring, at: sequence, from: first) }
    rings[ring].packets[place] = PacketRecord(
      host: sender,
      fingerprint: fingerprint,
      messages: first..<rings[ring].messages.count
    )
  }

  private mutating func take(
    _ letter: Letter,
    by host: Int,
    in ring: Int,
    at sequence: UInt64,
    from first: Int
  ) {
    let process = running[host]
    guard process >= 0, let message = message(of: letter), messages[message].process == process
    else {
      return report(.integrity, "\(cast.node(host)) sends what it was not given: \(letter)")
    }
    place(
      message,
      in: ring,
      at: Position(sequence: sequence, slot: rings[ring].messages.count - first)
    )
  }

  /// A message takes its place in a ring's order, sent by its own process.
  private mutating func place(_ message: Int, in ring: Int, at position: Position) {
    let process = messages[message].process
    let sender = processes[process]
    if messages[message].ring >= 0 {
      return report(
        .oneConfiguration,
        "\(describe(message)) is sent in ring \(ringName(messages[message].ring)) and again in "
          + "\(ringName(ring))"
      )
    }
    if sender.ring != ring || sender.transition >= 0 {
      return report(
        .membership,
        "\(name(process)) sends \(describe(message)) in ring \(ringName(ring)), but is "
          + (sender.transition >= 0 ? "in the transitional configuration of " : "in ")
          + ringName(sender.ring)
      )
    }
    messages[message].ring = ring
    messages[message].position = position
    rings[ring].messages.append(message)
    processes[process].outstanding += 1
    processes[process].firstUnsent = max(sender.firstUnsent, messages[message].number + 1)
    counters.sent += 1
  }

  /// A ring of one puts nothing on the wire: its own deliveries are its order.
  private mutating func placeAlone(_ message: Int, in ring: Int) {
    let sequence = UInt64(rings[ring].packets.count + 1)
    let first = rings[ring].messages.count
    place(message, in: ring, at: Position(sequence: sequence, slot: 0))
    let host = processes[messages[message].process].host
    rings[ring].packets.append(
      PacketRecord(host: host, messages: first..<rings[ring].messages.count)
    )
  }

  // MARK: - Deliveries

  /// A process delivers a message.
  package mutating func deliver(at host: Int, _ delivery: Delivered) {
    let process = running[host]
    guard violation == nil, process >= 0 else { return }
    guard let letter = Letter(payload: delivery.payload), let message = message(of: letter),
      letter.host == delivery.sender, letter.service == delivery.service
    else {
      return report(
        .integrity,
        "\(name(process)) delivers as from \(cast.node(delivery.sender)) what was never sent "
          + "(\(delivery.payload.count) bytes)"
      )
    }
    accept(message, at: process, in: delivery.ring, length: letter.length)
  }

  /// A process delivers a message that has been identified, as one of this ring.
  mutating func accept(_ message: Int, at process: Int, in id: RingID, length: Int) {
    let host = processes[process].host
    let bit = UInt128(1) << UInt128(process)
    if messages[message].delivered & bit != 0 {
      return report(.integrity, "\(name(process)) delivers \(describe(message)) twice")
    }
    let ring = processes[process].ring
    guard ring >= 0 else {
      return report(.membership, "\(name(process)) delivers \(describe(message)) in no ring")
    }
    if messages[message].ring < 0, messages[message].process == process,
      rings[ring].members == HostSet([host])
    {
      placeAlone(message, in: ring)
    }
    guard messages[message].ring >= 0 else {
      return report(
        .localOrder,
        "\(name(process)) delivers \(describe(message)) before it was sent"
      )
    }
    guard messages[message].ring == ring, rings[ring].id == id else {
      return report(
        .oneConfiguration,
        "\(name(process)) delivers \(describe(message)) in ring \(ringName(ring)), said to be "
          + "\(id), sent in \(ringName(messages[message].ring))"
      )
    }
    checkOrder(of: message, at: process)
    checkSender(of: message, at: process)
    messages[message].delivered |= bit
    processes[process].cursor = messages[message].position
    processes[process].digest.add(message)
    if messages[message].process == process { processes[process].outstanding -= 1 }
    if messages[message].service == .safe { checkSafe(message, at: process) }
    counters.delivered += 1
    if length > 8_000 { counters.largeDelivered += 1 }
    if processes[process].transition >= 0 { counters.deliveredInTransitional += 1 }
    fold(5, process, message)
  }

  /// Rules Total.Consistent, Total.NoGaps and Causal.
  private mutating func checkOrder(of message: Int, at process: Int) {
    let (cursor, position) = (processes[process].cursor, messages[message].position)
    let ring = processes[process].ring
    guard position > cursor else {
      return report(
        .consistent,
        "\(name(process)) delivers \(describe(message)) at \(position) after \(cursor)"
      )
    }
    skip(from: cursor, to: position, at: process, before: message)
    guard let hole = processes[process].hole else { return }
    if messages[message].contextRing == messages[message].ring, hole <= messages[message].context {
      report(
        .causal,
        "\(name(process)) delivers \(describe(message)) without one that its sender had "
          + "delivered before it (at \(hole))"
      )
    }
    let sender = processes[messages[message].process].host
    let members = transitions[processes[process].transition].members
    guard !members.contains(sender) else { return }
    counters.obligationsKept += 1
    if !obligations(of: members, from: ring).contains(sender) {
      report(
        .noGaps,
        "\(name(process)) delivers \(describe(message)) after a hole at \(hole), with no "
          + "obligation to its sender"
      )
    }
  }

  /// Looks at what lies between two deliveries of a process.
  private mutating func skip(from: Position, to: Position, at process: Int, before message: Int) {
    let ring = processes[process].ring
    for sequence in max(from.sequence, 1)...to.sequence {
      let packet = rings[ring].packets[Int(sequence - 1)]
      var position = Position(sequence: sequence, slot: -1)
      if packet.host < 0 {
        miss(nil, at: position, by: process, before: message)
        continue
      }
      for (slot, missed) in rings[ring].messages[packet.messages].enumerated() {
        position = Position(sequence: sequence, slot: slot)
        guard position > from, position < to else { continue }
        miss(missed, at: position, by: process, before: message)
      }
    }
  }

  /// A process goes past a message, or past a packet that nobody has seen.
  private mutating func miss(
    _ missed: Int?,
    at position: Position,
    by process: Int,
    before message: Int
  ) {
    let what = missed.map(describe) ?? "a packet never sent"
    let transition = processes[process].transition
    guard transition >= 0 else {
      return report(
        .noGaps,
        "\(name(process)) delivers \(describe(message)) in regular ring "
          + "\(ringName(processes[process].ring)) without \(what) at \(position)"
      )
    }
    if let missed,
      transitions[transition].members.contains(processes[messages[missed].process].host)
    {
      return report(
        .noGaps,
        "\(name(process)) delivers \(describe(message)) without \(what), whose sender comes along"
      )
    }
    processes[process].hole = processes[process].hole ?? position
    processes[process].skipped += 1
  }

  /// Whom members of a transitional configuration may be bound to: themselves, and whoever was in
  /// a ring that one of them tried to form meanwhile.
  private func obligations(of members: HostSet, from ring: Int) -> HostSet {
    var result = members
    for host in members { result = result.union(rings[ring].tried[host]) }
    return result
  }

  /// Rule FIFO, which with Total.NoGaps gives Reliable.
  private mutating func checkSender(of message: Int, at process: Int) {
    let record = messages[message]
    while processes[process].lastNumbers.count <= record.process {
      processes[process].lastNumbers.append(-1)
    }
    let last = processes[process].lastNumbers[record.process]
    guard record.number > last else {
      return report(
        .fifo,
        "\(name(process)) delivers \(describe(message)) after number \(last)"
      )
    }
    for number in (last + 1)..<record.number {
      let earlier = processes[record.process].messages[number]
      guard messages[earlier].ring < 0 || messages[earlier].ring == record.ring else { continue }
      return report(
        .fifo,
        "\(name(process)) delivers \(describe(message)) without \(describe(earlier))"
      )
    }
    processes[process].lastNumbers[record.process] = record.number
  }
}

/// A message as an engine delivered it.
package struct Delivered: Sendable {
  package let sender: Int
  package let service: Service
  package let ring: RingID
  package let payload: ArraySlice<UInt8>

  package init(sender: Int, service: Service, ring: RingID, payload: ArraySlice<UInt8>) {
    (self.sender, self.service, self.ring, self.payload) = (sender, service, ring, payload)
  }
}
