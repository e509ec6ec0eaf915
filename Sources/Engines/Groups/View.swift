// SPDX-License-Identifier: Apache-2.0

package import GroupModel

extension GroupsEngine {
  /// A view of a group as one local member gets it, with the sets of all who moved together.
  package struct View: Sendable, Equatable {
    package let group: GroupName
    package let id: ViewID
    /// In ascending order; the same at every member of the view.
    package let members: [MemberID]
    package let cause: ViewCause
    /// For each member of a network view the number of its set; empty for other causes.
    let setNumbers: [UInt16]
    /// The number of the receiver's own set.
    package let ownSet: Int

    package init(
      group: GroupName,
      id: ViewID,
      members: [MemberID],
      cause: ViewCause,
      setNumbers: [UInt16] = [],
      ownSet: Int
    ) {
      (self.group, self.id, self.members) = (group, id, members)
      (self.cause, self.setNumbers, self.ownSet) = (cause, setNumbers, ownSet)
    }

    /// The members by the previous view that they came from together; ``ownSet`` counts in these.
    ///
    /// After a ring change: one set per synced set, in the order of their lowest members. Within a
    /// transitional configuration: those that go on together, then the members of each daemon that
    /// does not, then whoever joins. Whoever joins has no previous view: it comes alone.
    package var virtualSynchronySets: [[MemberID]] {
      switch cause {
      case .join(let joiner): return [members.filter { $0 != joiner }, [joiner]]
      case .leave, .disconnect: return [members]
      case .network:
        let count = (setNumbers.max() ?? 0) + 1
        var sets = [[MemberID]](repeating: [], count: Int(count))
        for (member, set) in zip(members, setNumbers) { sets[Int(set)].append(member) }
        return sets
      }
    }

    /// The view in the words of the port.
    package var groupView: GroupView {
      let sets = virtualSynchronySets
      return GroupView(
        group: group,
        id: id,
        members: members,
        cameTogether: sets.indices.contains(ownSet) ? sets[ownSet] : [],
        cause: cause
      )
    }
  }
}

/// Makes the ids of the views of one configuration, each once (Group.Id).
///
/// A daemon agrees to no two rings with one sequence number. So the sequence number and the
/// representative name a ring, and the sequence number and the lowest of those that come to it
/// together name the transitional configuration before it; the mark tells the two apart. The ring
/// that is left would not do: who was to come along, and did not, leaves it once more with others.
struct ViewIDs: Sendable, Equatable {
  /// Set in the index of views before a ring.
  private static let transitionalMark: UInt32 = 1 << 31
  /// What carries into the origin once an index has run through its 31 bits.
  private static let carry: UInt64 = 0x9E37_79B9_7F4A_7C15

  private let epoch: UInt64
  private let origin: UInt64
  private let mark: UInt32
  private var count: UInt64 = 0

  /// The ids of a ring whose daemons hold the same table.
  init(ring: RingID) {
    (epoch, origin, mark) = (ring.sequence, ring.representative.digest, 0)
  }

  /// The ids of those that are on their way to a ring together, and hold the same table.
  init(before ring: RingID, lowest: NodeID) {
    (epoch, origin, mark) = (ring.sequence, lowest.digest, Self.transitionalMark)
  }

  mutating func next() -> ViewID {
    count &+= 1
    let index = UInt32(truncatingIfNeeded: count) & ~Self.transitionalMark
    return ViewID(epoch: epoch, origin: origin &+ (count >> 31) &* Self.carry, index: index | mark)
  }
}
