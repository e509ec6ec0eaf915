// SPDX-License-Identifier: Apache-2.0

package import GroupModel
import RingWire

// Members of one ring must all know each other. One that is not known to another is not heard by it,
// and a Gather that starts for its sake takes the ring apart. So what all members of a ring have
// configured is found out when it is formed, and stays with it. A ring, or a member that starts, is let
// in only if its members are known to all here, and those here to all of its members: by name and
// address. Members of the ring that one comes from are no strangers, whatever is configured since.

extension RingEngine {
  /// In what configurations differ, so that two rings cannot become one.
  package struct RosterDifference: Sendable, Equatable {
    /// Those outside that not all members of this ring know at that address.
    package let unknownHere: Roster
    /// Members of this ring that not all outside know at that address.
    package let unknownThere: Roster
    /// Members of this ring that have something else configured than this member.
    package let dissenters: Roster

    package init(unknownHere: Roster, unknownThere: Roster, dissenters: Roster) {
      (self.unknownHere, self.unknownThere) = (unknownHere, unknownThere)
      self.dissenters = dissenters
    }
  }
}

extension RingEngine.RosterDifference: CustomStringConvertible {
  /// What an operator has to look at.
  package var description: String {
    var parts: [String] = []
    if !unknownHere.isEmpty {
      parts.append("not all members here know \(unknownHere) at the same address")
    }
    if !unknownThere.isEmpty {
      parts.append("not all members there know \(unknownThere) at the same address")
    }
    if !dissenters.isEmpty {
      parts.append("here the list of members of \(dissenters) differs from this machine's")
    }
    return parts.joined(separator: "; ")
  }
}

extension RingEngine.Context {
  /// What all members of the ring that this member comes from have configured.
  var known: KnownMembers { home.known.intersection(settings.known) }

  /// Members of the present ring whom these settings do not have, or have elsewhere.
  func membersInTheWay(of other: RingEngine.Settings) -> Roster {
    Roster(
      home.members.nodes.filter { $0 != me && other.mark(of: $0) != settings.mark(of: $0) }
    )
  }

  /// Those that may be considered: members of the ring that this member comes from, and whom all of
  /// them know.
  func acquaintances(among roster: Roster) -> Roster {
    let known = known
    return Roster(
      roster.intersection(settings.configured).nodes.filter { node in
        home.members.contains(node) || settings.mark(of: node).map(known.contains) ?? false
      }
    )
  }

  /// What keeps an announced ring and this one apart; `nil` if nothing does.
  func difference(to announcement: Announcement) -> RingEngine.RosterDifference? {
    difference(outside: announcement.members, inside: home.members, known: announcement.known)
  }

  /// What keeps the sender of a join out; `nil` if nothing does.
  ///
  /// Those found failed need not be known: they will not be there.
  func difference(
    to join: Join,
    apartFrom failed: Roster
  ) -> RingEngine.RosterDifference? {
    guard home.incarnation(of: join.sender) != join.incarnation else { return nil }
    return difference(
      outside: [join.sender],
      inside: home.members.subtracting(failed).removing(join.sender),
      known: join.known
    )
  }

  private func difference(
    outside: Roster,
    inside: Roster,
    known theirs: KnownMembers
  ) -> RingEngine.RosterDifference? {
    let ours = known
    func unknown(_ roster: Roster) -> (here: Roster, there: Roster) {
      let marks = roster.nodes.map { ($0, settings.mark(of: $0)) }
      return (
        Roster(marks.filter { !($0.1.map(ours.contains) ?? false) }.map(\.0)),
        Roster(marks.filter { !($0.1.map(theirs.contains) ?? false) }.map(\.0))
      )
    }
    // Those on either side must be known to both alike: what a side disagrees about in itself, the
    // other one cannot agree with.
    let (strangers, members) = (unknown(outside), unknown(inside))
    let unknownHere = strangers.here.union(strangers.there)
    let unknownThere = members.there.union(members.here)
    guard !unknownHere.isEmpty || !unknownThere.isEmpty else { return nil }
    return RingEngine.RosterDifference(
      unknownHere: unknownHere,
      unknownThere: unknownThere,
      dissenters: home.dissenters
    )
  }

  /// Drops what comes from outside, and notes it once.
  mutating func keepOut(_ node: NodeID, because difference: RingEngine.RosterDifference) {
    drop(.rosterDiffers)
    guard !keptOut.contains(node) else { return }
    keptOut = keptOut.inserting(node)
    note(.keptOut(node, because: difference))
  }

  /// The members of a ring about to be formed that have something else configured than this one.
  func dissenters(in token: CommitToken) -> Roster {
    let mine = settings.known.digest
    return Roster(
      token.members.filter { $0.past.map { $0.configuration != mine } ?? false }.map(\.node)
    )
  }
}
