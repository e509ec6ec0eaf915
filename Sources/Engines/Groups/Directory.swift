// SPDX-License-Identifier: Apache-2.0

import GroupModel

/// Who is in which group.
///
/// Groups, processes and memberships lie in arrays and refer to each other by place, so that each
/// change touches one group, look-ups hash without iterating, and a group with one member costs a
/// few hundred bytes. Free places are used again, the last freed first.
struct Directory: Sendable, Equatable {
  /// The place of a group, a process or a membership in its array; -1 stands for none.
  typealias Place = Int32

  /// One group; a free place has no members.
  struct Group: Sendable, Equatable {
    // What a message looks at stands first, in as few cache lines as may be.
    var name: GroupName
    /// In ascending order of member.
    fileprivate(set) var members = Seats<Seat>()
    var id: ViewID
    /// Which synced set brought the group first in the exchange under way: 0 is the own one.
    var origin: UInt16 = 0
    /// Whether the group lost members since its last view, and owes one.
    var isChanged = false
    /// Whether synced sets met in the group in the exchange under way.
    var isTouched = false
  }

  /// A member of a group: its process is at hand without a look at the membership.
  struct Seat: Sendable, Equatable {
    fileprivate let process: Place
    fileprivate let membership: Place
  }

  /// One process with at least one membership.
  private struct Process: Sendable, Equatable {
    var member: MemberID
    /// Its latest membership.
    var head: Place
  }

  /// One process in one group; those of one process form a list.
  private struct Membership: Sendable, Equatable {
    var group: Place
    var process: Place
    var previous: Place
    var next: Place
  }

  private(set) var groups: [Group] = []
  private var processes: [Process] = []
  private var memberships: [Membership] = []
  private var freeGroups: [Place] = []
  private var freeProcesses: [Place] = []
  private var freeMemberships: [Place] = []
  private var groupPlaces = PlaceTable()
  private var processPlaces: [MemberID: Place] = [:]

  /// How many groups have members.
  var groupCount: Int { groupPlaces.count }
  /// How many processes are in groups.
  var processCount: Int { processPlaces.count }
  /// How many memberships there are.
  var membershipCount: Int { memberships.count - freeMemberships.count }

  func place(of name: GroupName) -> Int? {
    groupPlaces.find(name) { groups[Int($0)].name == name }.map(Int.init)
  }

  /// The members of a group, in ascending order.
  func members(of group: Int) -> [MemberID] {
    (0..<memberCount(of: group)).map { member($0, of: group) }
  }

  func memberCount(of group: Int) -> Int { groups[group].members.count }

  /// The member at a position within its group.
  func member(_ position: Int, of group: Int) -> MemberID {
    processes[Int(groups[group].members[position].process)].member
  }

  func contains(_ member: MemberID, in group: Int) -> Bool {
    let position = self.position(of: member, in: group)
    return position < memberCount(of: group) && self.member(position, of: group) == member
  }

  /// The positions of a daemon's members within a group.
  func positions(of node: NodeID, in group: Int) -> Range<Int> {
    let first = firstPosition(in: group) { $0.node >= node }
    let count = memberCount(of: group)
    // Most groups have few members of one daemon.
    var end = first
    while end < count && member(end, of: group).node == node { end += 1 }
    return first..<end
  }

  /// Whether a group has members of daemons outside the roster.
  func hasMembers(outside roster: Roster, group: Int) -> Bool {
    (0..<memberCount(of: group)).contains { !roster.contains(member($0, of: group).node) }
  }

  /// The places of the groups that match, in ascending order of name.
  ///
  /// Every daemon with the same table names the same groups in the same order.
  func places(where matches: (Group, Int) -> Bool) -> [Int] {
    var found: [Int] = []
    for place in groups.indices
    where !groups[place].members.isEmpty && matches(groups[place], place) {
      found.append(place)
    }
    return sortedByName(found)
  }

  /// The places of the first groups in ascending order of name, at most so many: those behind `name`
  /// if it is given.
  func places(after name: GroupName?, limit: Int) -> [Int] {
    groups.indices.lazy
      .filter { place in
        !groups[place].members.isEmpty && name.map { groups[place].name > $0 } ?? true
      }
      .smallest(limit) { groups[$0].name < groups[$1].name }
  }

  /// The places of the groups of a process, in ascending order of name.
  func places(of member: MemberID) -> [Int] {
    guard let process = processPlaces[member] else { return [] }
    var found: [Int] = []
    var place = processes[Int(process)].head
    while place >= 0 {
      found.append(Int(memberships[Int(place)].group))
      place = memberships[Int(place)].next
    }
    return sortedByName(found)
  }

  private func sortedByName(_ places: [Int]) -> [Int] {
    places.sorted { groups[$0].name < groups[$1].name }
  }
}

// MARK: - Changes

extension Directory {
  /// Finds a group, or makes it for a member that is added next.
  mutating func findOrMake(_ name: GroupName, id: ViewID = .none, origin: UInt16 = 0) -> Int {
    if let known = place(of: name) { return known }
    let group = Group(name: name, id: id, origin: origin)
    let place = Self.store(group, in: &groups, free: &freeGroups)
    groupPlaces.insert(place, for: name)
    return Int(place)
  }

  /// Adds a member; `false` if it is one already.
  mutating func add(_ member: MemberID, to group: Int) -> Bool {
    let position = self.position(of: member, in: group)
    if position < memberCount(of: group), self.member(position, of: group) == member {
      return false
    }
    let process = processPlaces[member] ?? makeProcess(member)
    let head = processes[Int(process)].head
    let membership = Self.store(
      Membership(group: Place(group), process: process, previous: -1, next: head),
      in: &memberships,
      free: &freeMemberships
    )
    if head >= 0 { memberships[Int(head)].previous = membership }
    processes[Int(process)].head = membership
    groups[group].members.insert(Seat(process: process, membership: membership), at: position)
    return true
  }

  /// Removes a member, and the group if it was the last; `false` if it was none.
  mutating func remove(_ member: MemberID, from group: Int) -> Bool {
    let position = self.position(of: member, in: group)
    guard position < memberCount(of: group), self.member(position, of: group) == member else {
      return false
    }
    release(groups[group].members.remove(at: position).membership)
    if groups[group].members.isEmpty { drop(group) }
    return true
  }

  /// Removes all members of daemons outside the roster, and the groups that are empty then.
  mutating func removeMembers(outside roster: Roster) {
    for process in processes.indices {
      let gone = processes[process]
      if gone.head < 0 || roster.contains(gone.member.node) { continue }
      while processes[process].head >= 0 {
        let group = Int(memberships[Int(processes[process].head)].group)
        _ = remove(gone.member, from: group)
      }
    }
  }

  /// Changes what is noted of a group besides its members.
  mutating func update(_ group: Int, _ change: (inout Group) -> Void) { change(&groups[group]) }

  /// Ends an exchange: all groups are of the own set.
  mutating func adoptAll() {
    for place in groups.indices {
      groups[place].origin = 0
      groups[place].isTouched = false
    }
  }

  private mutating func drop(_ group: Int) {
    groupPlaces.remove(Place(group), for: groups[group].name)
    groups[group].isChanged = false
    groups[group].isTouched = false
    groups[group].origin = 0
    freeGroups.append(Place(group))
  }

  private mutating func makeProcess(_ member: MemberID) -> Place {
    let process = Process(member: member, head: -1)
    let place = Self.store(process, in: &processes, free: &freeProcesses)
    processPlaces[member] = place
    return place
  }

  /// Unlinks a membership from its process, and forgets the process with its last one.
  private mutating func release(_ membership: Place) {
    let gone = memberships[Int(membership)]
    if gone.previous >= 0 {
      memberships[Int(gone.previous)].next = gone.next
    } else {
      processes[Int(gone.process)].head = gone.next
    }
    if gone.next >= 0 { memberships[Int(gone.next)].previous = gone.previous }
    freeMemberships.append(membership)
    if processes[Int(gone.process)].head < 0 {
      processPlaces[processes[Int(gone.process)].member] = nil
      freeProcesses.append(gone.process)
    }
  }

  private static func store<Element>(
    _ element: Element,
    in elements: inout [Element],
    free: inout [Place]
  ) -> Place {
    guard let place = free.popLast() else {
      elements.append(element)
      return Place(elements.count - 1)
    }
    elements[Int(place)] = element
    return place
  }

  /// Where a member is in its group, or would be.
  private func position(of member: MemberID, in group: Int) -> Int {
    firstPosition(in: group) { $0 >= member }
  }

  /// The first position whose member, and all after it, match.
  private func firstPosition(in group: Int, where matches: (MemberID) -> Bool) -> Int {
    var (low, high) = (0, memberCount(of: group))
    while low < high {
      let middle = (low + high) / 2
      if matches(member(middle, of: group)) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}

extension ViewID {
  /// The id of a group that had no view yet.
  fileprivate static let none = ViewID(epoch: 0, origin: 0, index: 0)
}
