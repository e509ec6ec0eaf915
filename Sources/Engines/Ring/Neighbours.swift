// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import RingWire

/// The rings outside that announced themselves lately, one per announcing member.
struct Neighbours: Sendable, Equatable {
  struct Neighbour: Sendable, Equatable {
    var announcement: Announcement
    var heardAt: Instant
    var answeredAt: Instant?
  }

  /// In the order of their announcers.
  private(set) var list: [Neighbour] = []

  mutating func hear(_ announcement: Announcement, at now: Instant) {
    if let index = index(of: announcement.sender) {
      list[index].announcement = announcement
      list[index].heardAt = now
    } else {
      list.append(Neighbour(announcement: announcement, heardAt: now))
      list.sort { $0.announcement.sender < $1.announcement.sender }
    }
  }

  /// Whether an answer to this announcer is allowed; if so it counts as sent.
  mutating func mayAnswer(_ node: NodeID, at now: Instant, interval: Duration) -> Bool {
    guard let index = index(of: node) else { return false }
    if let last = list[index].answeredAt, now - last < interval { return false }
    list[index].answeredAt = now
    return true
  }

  /// Forgets those not heard for this long, and those that became members.
  mutating func prune(before oldest: Instant, members: Roster) {
    list.removeAll { $0.heardAt < oldest || members.contains($0.announcement.sender) }
  }

  /// Forgets those that are not among these.
  mutating func keep(_ roster: Roster) {
    list.removeAll { !$0.announcement.members.isSubset(of: roster) }
  }

  var rings: [RingID] { list.prefix(WireLimits.heardRings).map(\.announcement.ring) }

  private func index(of node: NodeID) -> Int? {
    list.firstIndex { $0.announcement.sender == node }
  }
}

extension RingEngine.Context {
  /// Announces the ring to these processes.
  mutating func announce(to roster: Roster) {
    let oldest = now.sinceBoot - timers.announcement * 3
    neighbours.prune(
      before: Instant(sinceBoot: max(oldest, .zero)),
      members: home.members
    )
    let announcement = Announcement(
      sender: me,
      ring: home.id,
      members: home.members,
      heard: neighbours.rings,
      known: known
    )
    multicast(.announcement(announcement), to: roster)
  }

  /// Takes an announcement of another ring.
  ///
  /// - Returns: the announcement, if it shows contact in both directions.
  mutating func hear(_ announcement: Announcement) -> Announcement? {
    guard isInstalled, home.isRepresentative, announcement.members.isDisjoint(with: home.members),
      announcement.ring != home.id
    else {
      drop(.idleAnnouncement)
      return nil
    }
    if let difference = difference(to: announcement) {
      keepOut(announcement.sender, because: difference)
      return nil
    }
    guard !peers.isLeftOut(announcement.sender, at: now) else {
      drop(.leftOut)
      return nil
    }
    neighbours.hear(announcement, at: now)
    guard announcement.heard.contains(home.id) else {
      if neighbours.mayAnswer(
        announcement.sender,
        at: now,
        interval: timers.announcement / 10
      ) {
        announce(to: [announcement.sender])
      }
      return nil
    }
    return announcement
  }

  /// Whether a packet of a member proves that it went on in a ring without this member.
  func provesNewerRing(_ ring: RingID, of sender: NodeID) -> Bool {
    isInstalled && ring.sequence > home.id.sequence && home.members.contains(sender)
  }
}
