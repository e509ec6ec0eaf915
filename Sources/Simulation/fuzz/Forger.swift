// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import RingWire

/// An attacker who reads all packets, and sends well-formed ones in the names of members.
///
/// Damaged bytes rarely make a packet that an engine takes; these differ from the last true packet
/// of their kind in one or two fields.
struct Forger {
  private let names: [NodeID]
  private var latest: [PacketKind: Packet] = [:]
  private var incarnations: [NodeID: Incarnation] = [:]

  init(_ names: [NodeID]) { self.names = names }

  /// Takes notice of a true packet.
  mutating func read(_ packet: Packet) {
    latest[packet.kind] = packet
    if case .join(let join) = packet { incarnations[join.sender] = join.incarnation }
  }

  /// A packet that nobody sent.
  func packet(_ random: inout SplitMix64) -> Packet? {
    guard
      let kind = latest.keys.sorted(by: { $0.rawValue < $1.rawValue })
        .randomElement(using: &random), let packet = latest[kind]
    else { return nil }
    switch packet {
    case .token(let token): return .token(forged(token, &random))
    case .commitToken(let token): return .commitToken(forged(token, &random))
    case .data(let data): return .data(forged(data, &random))
    case .join(let join): return .join(forged(join, &random))
    case .announcement(let announcement): return .announcement(forged(announcement, &random))
    case .beacon(var beacon):
      beacon.sender = name(&random)
      if Bool.random(using: &random) { beacon.ring = forged(beacon.ring, &random) }
      return .beacon(beacon)
    case .hurry(var hurry):
      hurry.sender = name(&random)
      return .hurry(hurry)
    case .departure(var departure):
      departure.sender = name(&random)
      departure.incarnation = incarnations[departure.sender] ?? departure.incarnation
      return .departure(departure)
    }
  }
}

extension Forger {
  private func name(_ random: inout SplitMix64) -> NodeID {
    names.randomElement(using: &random) ?? "a"
  }

  /// As many as a message may name, and nobody knows.
  private static let strangers = Roster(
    (0..<WireLimits.members).compactMap { NodeID(text: "stranger-\($0)") }
  )

  private func roster(_ random: inout SplitMix64) -> Roster {
    Roster(names.filter { _ in Bool.random(using: &random) })
  }

  /// The number, or one that is higher by little or by much, within what the format allows.
  private func raised(_ number: UInt64, _ random: inout SplitMix64) -> UInt64 {
    let steps: [UInt64] = [0, 1, 2, 10, 1_000, 20_000, 60_000, 1 << 30, 1 << 41, 1 << 43, 1 << 60]
    let step = steps.randomElement(using: &random) ?? 0
    return min(number + step, WireLimits.sequence - 1)
  }

  private func forged(_ ring: RingID, _ random: inout SplitMix64) -> RingID {
    RingID(sequence: raised(ring.sequence, &random), representative: ring.representative)
  }

  private func forged(_ true: Token, _ random: inout SplitMix64) -> Token {
    var token = `true`
    let report = Token.Report(
      retransmitted: UInt32.random(in: 0...UInt32.max, using: &random),
      backlog: UInt32.random(in: 0...UInt32.max, using: &random)
    )
    switch Int.random(in: 0..<9, using: &random) {
    case 8: token.lastSender = [name(&random), "x", nil].randomElement(using: &random) ?? nil
    case 0: token.hop = raised(token.hop, &random)
    case 1: token.sequence += UInt64.random(in: 1...300, using: &random)
    case 2:
      token.sequence = raised(token.sequence, &random)
      if Bool.random(using: &random) { token.aru = token.sequence }
    case 3: token.aru = UInt64.random(in: 0...token.sequence, using: &random)
    case 4: token.aruHolder = Bool.random(using: &random) ? name(&random) : "x"
    case 5: token.lastRound = report
    case 6: token.thisRound = report
    default:
      let first = UInt64.random(in: 1...token.sequence + 1, using: &random)
      token.sequence = max(token.sequence, first)
      token.requests = [SequenceRange(first, token.sequence)].compactMap(\.self)
    }
    token.requests.removeAll { $0.last > token.sequence }
    return token
  }

  private func forged(_ true: CommitToken, _ random: inout SplitMix64) -> CommitToken {
    var token = `true`
    if Int.random(in: 0..<4, using: &random) == 0 {
      token.ring = forged(token.ring, &random)
      return token
    }
    let index = Int.random(in: 0..<token.members.count, using: &random)
    let past = token.members[index].past
    let aru = UInt64.random(in: 0...raised(past?.aru ?? 0, &random), using: &random)
    token.members[index].past = CommitToken.Past(
      ring: Bool.random(using: &random) ? past?.ring : token.ring,
      aru: aru,
      delivered: UInt64.random(in: 0...aru, using: &random),
      highest: raised(aru, &random),
      received: Bool.random(using: &random) ? token.ring : nil,
      obligations: Int.random(in: 0..<4, using: &random) == 0 ? Self.strangers : roster(&random),
      configuration: past?.configuration ?? 0
    )
    if Int.random(in: 0..<4, using: &random) == 0 { token.known = known(token.known, &random) }
    if Bool.random(using: &random) {
      token.hop = UInt16.random(in: 0...2 * UInt16(token.members.count), using: &random)
    }
    return token
  }

  private func forged(_ true: DataPacket, _ random: inout SplitMix64) -> DataPacket {
    var data = `true`
    data.sender = name(&random)
    data.sequence += UInt64.random(in: 0...400, using: &random)
    if Int.random(in: 0..<4, using: &random) == 0 { data.sequence = raised(data.sequence, &random) }
    if Bool.random(using: &random) { data.originator = name(&random) }
    if Int.random(in: 0..<3, using: &random) == 0 {
      let service = Service.allCases.randomElement(using: &random) ?? .agreed
      let fragment = Fragment(service: service, position: .middle, payload: [])
      data.content = .messages(Array(repeating: fragment, count: 1_000))
    }
    return data
  }

  private func forged(_ true: Join, _ random: inout SplitMix64) -> Join {
    var join = `true`
    join.sender = name(&random)
    join.incarnation = incarnations[join.sender] ?? join.incarnation
    join.ringSequence = raised(join.ringSequence, &random)
    join.considered = roster(&random).inserting(join.sender)
    join.failed = roster(&random).intersection(join.considered).removing(join.sender)
    if Bool.random(using: &random) { join.known = known(join.known, &random) }
    return join
  }

  private func forged(_ true: Announcement, _ random: inout SplitMix64) -> Announcement {
    var announcement = `true`
    let (ring, sender) = (announcement.ring, name(&random))
    announcement.sender = sender
    announcement.members = roster(&random).inserting(sender)
    announcement.ring = RingID(sequence: raised(ring.sequence, &random), representative: sender)
    announcement.heard.append(ring)
    if Bool.random(using: &random) { announcement.known = known(announcement.known, &random) }
    return announcement
  }

  private func known(_ true: KnownMembers, _ random: inout SplitMix64) -> KnownMembers {
    let kept = `true`.marks.filter { _ in Bool.random(using: &random) }
    return KnownMembers(kept + [MemberMark(rawValue: random.next())])
  }
}
