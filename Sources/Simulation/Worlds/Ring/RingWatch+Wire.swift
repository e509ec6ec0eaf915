// SPDX-License-Identifier: Apache-2.0

internal import GroupModel
internal import Ring
internal import RingWire

/// What is seen of the datagrams on their way out.
extension RingWatch {
  /// Watches a datagram on its way out; gives back what will arrive.
  mutating func watch<Errand>(
    _ packet: Packet,
    from host: Int,
    in world: borrowing Surroundings<Errand>
  ) -> Packet {
    switch packet {
    case .data(let data): watch(data, from: host)
    case .token(let token):
      ringChecker.token(
        by: checker.process(on: host),
        on: host,
        ring: token.ring,
        sequence: token.hop,
        fingerprint: UInt64(truncatingIfNeeded: token.fingerprint)
      )
    case .commitToken(let token): watch(token, from: host, in: world)
    case .join, .beacon, .announcement, .hurry, .departure: break
    }
    return world.climate.encodes ? recoded(packet) : packet
  }

  private mutating func watch(_ data: DataPacket, from host: Int) {
    guard let originator = cast.host(data.originator) else {
      return report(.integrity, "a packet of \(data.originator), who is not of this world")
    }
    switch data.content {
    case .messages(let fragments):
      watch(
        fragments,
        of: originator,
        ring: data.ring,
        sequence: data.sequence,
        from: host
      )
    case .recovered(let old):
      checker.send(
        by: host,
        sender: originator,
        ring: data.ring,
        sequence: data.sequence,
        completing: [],
        fingerprint: old.sequence
      )
      if !recovering.contains(data.ring) {
        recovering.append(data.ring)
        tally.recoveriesWithRebroadcast += 1
      }
      guard let oldOriginator = cast.host(old.originator) else { return }
      watch(
        old.fragments,
        of: oldOriginator,
        ring: old.ring,
        sequence: old.sequence,
        from: host
      )
    }
  }

  private mutating func watch(
    _ fragments: [Fragment],
    of originator: Int,
    ring: RingID,
    sequence: UInt64,
    from host: Int
  ) {
    var fingerprint = UInt64(fragments.count)
    for fragment in fragments {
      fingerprint = (fingerprint ^ UInt64(fragment.payload.count)) &* 0x100_0000_01b3
      for byte in fragment.payload.prefix(Letter.headerLength) {
        fingerprint = (fingerprint ^ UInt64(byte)) &* 0x100_0000_01b3
      }
    }
    var letters: [Letter] = []
    if originator == host, !checker.knows(sequence: sequence, of: ring) {
      for fragment in fragments { collect(fragment, from: host, into: &letters) }
    }
    checker.send(
      by: host,
      sender: originator,
      ring: ring,
      sequence: sequence,
      completing: letters,
      fingerprint: fingerprint
    )
  }

  /// A message has its place where its last part is.
  private mutating func collect(_ fragment: Fragment, from host: Int, into letters: inout [Letter])
  {
    switch fragment.position {
    case .whole:
      if let letter = letter(of: fragment, from: host, after: letters.count) {
        letters.append(letter)
      }
    case .first:
      tally.fragments += 1
      parts[host] = naming == .byLetter ? Letter(header: fragment.payload) : nil
    case .middle: tally.fragments += 1
    case .last:
      tally.fragments += 1
      let letter =
        naming == .byLetter ? parts[host] : checker.nextUnsent(host: host, skipping: letters.count)
      if let letter { letters.append(letter) }
      parts[host] = nil
    }
  }

  /// The letter that a whole message stands for on its way out, behind so many in its packet.
  private func letter(of fragment: Fragment, from host: Int, after count: Int) -> Letter? {
    switch naming {
    case .byLetter: Letter(header: fragment.payload)
    case .byOrder: checker.nextUnsent(host: host, skipping: count)
    }
  }

  private mutating func watch<Errand>(
    _ token: CommitToken,
    from host: Int,
    in world: borrowing Surroundings<Errand>
  ) {
    guard let members = cast.hosts(token.roster) else {
      return report(.commitID, "a commit token for \(token.roster), not all of this world")
    }
    checker.attempt(by: host, members: members)
    guard cast.host(token.ring.representative) == host else { return }
    ringChecker.birth(
      of: token.ring,
      by: checker.process(on: host),
      on: host,
      members: members,
      bound: world.bounds[host]
    )
  }

  private mutating func recoded(_ packet: Packet) -> Packet {
    let header = DatagramHeader(
      kind: packet.kind,
      cluster: 1,
      counter: 1,
      boot: BootID(1, 2, 3, 4)
    )
    let bytes = Datagram.encode(packet, header: header)
    // Joins and commit tokens name every member and may go in fragments (decision 9).
    let isLong = packet.kind == .join || packet.kind == .commitToken
    if bytes.count > (isLong ? 65_000 : 1_472) {
      report(.wire, "a datagram of \(bytes.count) bytes: \(Self.text(packet))")
    }
    do {
      let (_, decoded) = try Datagram.decode(bytes[...])
      if decoded != packet { report(.wire, "\(packet) comes back as \(decoded)") }
      return decoded
    } catch {
      report(.wire, "\(packet) comes back as \(error)")
      return packet
    }
  }

  static func text(_ packet: Packet) -> String {
    switch packet {
    case .data(let data):
      switch data.content {
      case .messages(let fragments):
        "data \(data.sequence) of \(data.ring) from \(data.originator): \(fragments.count) parts"
      case .recovered(let old):
        "data \(data.sequence) of \(data.ring): recovered \(old.sequence) of \(old.ring) "
          + "from \(old.originator)"
      }
    case .token(let token):
      "token \(token.hop) of \(token.ring): seq \(token.sequence) aru \(token.aru) "
        + "by \(token.aruHolder?.description ?? "-") backlog \(token.lastRound.backlog) "
        + "wants \(token.requests.map { "\($0.first)-\($0.last)" })"
    case .join(let join):
      "join: \(join.considered) failed \(join.failed) sequence \(join.ringSequence)"
    case .commitToken(let token):
      "commit \(token.ring) hop \(token.hop): "
        + token.members.map { "\($0.node)\(Self.text($0.past))" }.joined(separator: " ")
    case .beacon(let beacon): "beacon of \(beacon.ring)"
    case .announcement(let announcement):
      "announces \(announcement.ring) \(announcement.members), hears \(announcement.heard)"
    case .hurry(let hurry): "hurry, \(hurry.ring)"
    case .departure: "departure"
    }
  }

  private static func text(_ past: CommitToken.Past?) -> String {
    guard let past else { return "" }
    return "(\(past.ring?.description ?? "new") aru \(past.aru) delivered \(past.delivered) "
      + "highest \(past.highest) received \(past.received?.description ?? "-") "
      + "obliged \(past.obligations))"
  }

  static func text(_ message: Delivery.Message) -> String {
    let letter = Letter(header: message.payload)
    return "\(message.sender)/\(letter?.incarnation ?? -1)#\(letter?.number ?? -1) "
      + "(\(message.service), \(message.payload.count) bytes) of \(message.ring)"
  }
}

extension Token {
  fileprivate var fingerprint: Int {
    var hash = Int(truncatingIfNeeded: sequence &* 31 &+ aru)
    for report in [lastRound, thisRound] {
      hash = hash &* 31 &+ Int(report.backlog) &+ Int(report.retransmitted) &* 13
    }
    for range in requests {
      hash = hash &* 31 &+ Int(truncatingIfNeeded: range.first &* 17 &+ range.last)
    }
    return hash
  }
}
