// SPDX-License-Identifier: Apache-2.0

import GroupModel
import RingWire

extension RingEngine.Operational {
  /// Takes a packet.
  ///
  /// - Returns: the next phase, unless the ring goes on.
  mutating func receive(
    _ packet: Packet,
    in context: inout RingEngine.Context
  ) -> RingEngine.Phase? {
    switch packet {
    case .data(let data):
      guard isOwn(data.ring, data.sender, in: &context) else {
        return afterForeign(data.ring, data.sender, in: &context)
      }
      take(data, in: &context)
      return nil
    case .token(let token):
      guard isOwn(token.ring, token.sender, in: &context) else {
        return afterForeign(token.ring, token.sender, in: &context)
      }
      return phase(after: take(token, in: &context), in: &context)
    case .hurry(let hurry):
      guard isOwn(hurry.ring, hurry.sender, in: &context) else {
        return afterForeign(hurry.ring, hurry.sender, in: &context)
      }
      take(hurry, in: &context)
      return nil
    case .beacon(let beacon):
      guard isOwn(beacon.ring, beacon.sender, in: &context) else {
        return afterForeign(beacon.ring, beacon.sender, in: &context)
      }
      return nil
    case .join(let join):
      return hear(join, in: &context)
    case .announcement(let announcement):
      return hear(announcement, in: &context)
    case .departure(let departure):
      return hear(departure, in: &context)
    case .commitToken(let token):
      context.drop(token.ring == context.home.id ? .repeatedCommit : .commitMismatch)
      return nil
    }
  }

  /// The next phase, as an outcome names it.
  func phase(
    after outcome: Outcome?,
    in context: inout RingEngine.Context
  ) -> RingEngine.Phase? {
    switch outcome {
    case nil: nil
    case .gather(let reason, let roster): .gathering(reason, considering: roster, in: &context)
    case .standstill(let deaf):
      .gathering(
        .failedToReceive,
        considering: context.home.members,
        without: deaf,
        in: &context
      )
    case .departed: .departed(in: &context)
    }
  }

  private func isOwn(
    _ ring: RingID,
    _ sender: NodeID,
    in context: inout RingEngine.Context
  ) -> Bool {
    ring == context.home.id && context.home.members.contains(sender)
  }

  /// Drops a packet of another ring, unless it shows that members went on without this one.
  private mutating func afterForeign(
    _ ring: RingID,
    _ sender: NodeID,
    in context: inout RingEngine.Context
  ) -> RingEngine.Phase? {
    guard context.provesNewerRing(ring, of: sender) else {
      let isPast = context.home.members.contains(sender) && ring != context.home.id
      context.drop(ring == context.home.id ? .notMember : isPast ? .pastRing : .foreignRing)
      return nil
    }
    if postpone({ $0.isVotedOut = true }) { return nil }
    return .votedOut(in: &context)
  }

  /// A join of a member means that it lost the ring; one from outside means nothing (Foreign).
  private mutating func hear(
    _ join: Join,
    in context: inout RingEngine.Context
  ) -> RingEngine.Phase? {
    guard let incarnation = context.home.incarnation(of: join.sender) else {
      context.drop(.foreignJoin)
      return nil
    }
    guard join.ringSequence >= context.home.id.sequence else {
      context.drop(.pastJoin)
      return nil
    }
    if postpone({ $0.join = join }) { return nil }
    return .gathering(
      incarnation == join.incarnation ? .memberGathers : .memberRestarted,
      considering: context.home.members,
      join: join,
      in: &context
    )
  }

  private mutating func hear(
    _ departure: Departure,
    in context: inout RingEngine.Context
  ) -> RingEngine.Phase? {
    guard context.home.incarnation(of: departure.sender) == departure.incarnation else {
      context.drop(.pastDeparture)
      return nil
    }
    if postpone({ $0.departure = departure }) { return nil }
    return .gathering(
      .memberLeft,
      considering: context.home.members,
      departure: departure,
      in: &context
    )
  }

  /// Gathers on contact in both directions; a member's announcement of a newer ring without this one
  /// means that it was voted out.
  private mutating func hear(
    _ announcement: Announcement,
    in context: inout RingEngine.Context
  ) -> RingEngine.Phase? {
    if !announcement.members.contains(context.me),
      context.provesNewerRing(announcement.ring, of: announcement.sender)
    {
      return afterForeign(announcement.ring, announcement.sender, in: &context)
    }
    guard let contact = context.hear(announcement) else { return nil }
    guard trust == .sure else { return nil }
    context.announce(to: [contact.sender])
    context.peers.noteMerge(with: contact.members)
    return .gathering(
      .merge,
      considering: context.home.members.union(contact.members),
      in: &context
    )
  }

  /// Everything that waited in the sockets was fed.
  mutating func drained(in context: inout RingEngine.Context) -> RingEngine.Phase? {
    guard let evidence = endDraining(in: &context) else { return nil }
    if evidence.isVotedOut { return .votedOut(in: &context) }
    return .gathering(
      evidence.join == nil ? .memberLeft : .memberGathers,
      considering: context.home.members,
      join: evidence.join,
      departure: evidence.departure,
      in: &context
    )
  }
}
