// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import GroupModel

/// Who is to hold what: pure functions of replicated data, the same at every member.
///
/// The objective, lexicographic: (1) every VIF with an eligible member has exactly one holder;
/// (2) a VIF validly held by one eligible member stays; (3) of several holders the preferring ones
/// are kept, then, VIFs taken in order, the least loaded by weight, then the lower member;
/// (4) uncovered VIFs, in order, narrow the eligible members: preferring; holding no VIF of the
/// same apart set; least (load + 1) / weight; lowest.
package struct Allocation: Sendable, Equatable {
  /// A member that can be given VIFs.
  package struct Server: Sendable, Equatable {
    package var member: MemberID
    /// At least 1.
    package var weight: Int

    package init(member: MemberID, weight: Int) { (self.member, self.weight) = (member, weight) }
  }

  /// A VIF to be held.
  package struct Demand: Sendable, Equatable {
    package var vif: VIFID
    /// Positions of servers that hold it, in ascending order.
    package var holders: [Int]
    /// For each server, whether it may hold it.
    package var eligible: [Bool]
    /// For each server, whether it is to hold it if it can.
    package var prefers: [Bool]
    /// It cannot be given to anybody before a removal has ended.
    package var waits = false
    /// It cannot leave its holder, or is about to come to it.
    package var fixed = false

    package init(vif: VIFID, holders: [Int], eligible: [Bool], prefers: [Bool]) {
      self.vif = vif
      self.holders = holders
      self.eligible = eligible
      self.prefers = prefers
    }
  }

  /// One step of balance.
  package struct Move: Sendable, Equatable {
    package var demand: Int
    package var from: Int
    package var to: Int

    package init(demand: Int, from: Int, to: Int) {
      (self.demand, self.from, self.to) = (demand, from, to)
    }
  }

  /// In ascending order of member.
  package var servers: [Server]
  /// In ascending order of VIF.
  package var demands: [Demand]
  /// Sets of positions in ``demands`` to keep on different servers.
  package var apart: [[Int]]

  package init(servers: [Server], demands: [Demand], apart: [[Int]] = []) {
    (self.servers, self.demands, self.apart) = (servers, demands, apart)
  }

  /// The holder of each VIF: the position of a server, or `nil` where nobody is eligible or the
  /// VIF waits.
  package func resolved() -> [Int?] {
    var plan = Plan(self)
    var contested: [Int] = []
    for (index, demand) in demands.enumerated() {
      let valid = demand.fixed ? demand.holders : demand.holders.filter { demand.eligible[$0] }
      if valid.count == 1 {
        plan.assign(index, to: valid[0])
      } else if valid.count > 1 {
        contested.append(index)
      }
    }
    for index in contested {
      let demand = demands[index]
      let valid = demand.fixed ? demand.holders : demand.holders.filter { demand.eligible[$0] }
      let preferring = valid.filter { demand.prefers[$0] }
      if let keeper = plan.leastLoaded(preferring.isEmpty ? valid : preferring, adding: 0) {
        plan.assign(index, to: keeper)
      }
    }
    for (index, demand) in demands.enumerated()
    where plan.holders[index] == nil && !demand.waits {
      if let taker = plan.taker(of: index) { plan.assign(index, to: taker) }
    }
    return plan.holders
  }

  /// At most `limit` moves that, one after the other, bring VIFs to members that prefer them, apart
  /// from those of the same set, and loads to within one per weight unit.
  ///
  /// Each VIF has at most one holder here. Each move lowers, in this order, the number of VIFs
  /// away from those who prefer them, of pairs that are not apart, and the spread of loads; so
  /// rounds of balance come to an end.
  package func balancing(limit: Int) -> [Move] {
    var plan = Plan(self)
    for (index, demand) in demands.enumerated() {
      if let holder = demand.holders.first { plan.assign(index, to: holder) }
    }
    var moves: [Move] = []
    var moved = [Bool](repeating: false, count: demands.count)
    while moves.count < limit {
      let next =
        plan.preferenceMove(except: moved) ?? plan.apartMove(except: moved)
        ?? plan.loadMove(except: moved)
      guard let next else { break }
      plan.unassign(next.demand, from: next.from)
      plan.assign(next.demand, to: next.to)
      moved[next.demand] = true
      moves.append(next)
    }
    return moves
  }
}

/// An allocation in the making.
private struct Plan {
  let problem: Allocation
  private(set) var holders: [Int?]
  private var loads: [Int]
  /// For each VIF, the sets of VIFs it is to be apart from.
  private let sets: [[Int]]

  init(_ problem: Allocation) {
    self.problem = problem
    holders = Array(repeating: nil, count: problem.demands.count)
    loads = Array(repeating: 0, count: problem.servers.count)
    var sets = [[Int]](repeating: [], count: problem.demands.count)
    for (set, members) in problem.apart.enumerated() {
      for demand in members where sets.indices.contains(demand) { sets[demand].append(set) }
    }
    self.sets = sets
  }

  mutating func assign(_ demand: Int, to server: Int) {
    holders[demand] = server
    loads[server] += 1
  }

  mutating func unassign(_ demand: Int, from server: Int) {
    holders[demand] = nil
    loads[server] -= 1
  }

  /// The lowest of those with the least (load + `extra`) / weight.
  func leastLoaded(_ candidates: [Int], adding extra: Int) -> Int? {
    var best: Int?
    for candidate in candidates {
      guard let incumbent = best else {
        best = candidate
        continue
      }
      if share(of: candidate, adding: extra, isLessThan: incumbent, adding: extra) {
        best = candidate
      }
    }
    return best
  }

  /// Whether the load of one per its weight is less than that of another.
  private func share(
    of one: Int,
    adding extra: Int,
    isLessThan other: Int,
    adding otherExtra: Int
  ) -> Bool {
    (loads[one] + extra) * problem.servers[other].weight
      < (loads[other] + otherExtra) * problem.servers[one].weight
  }

  private func eligible(for demand: Int) -> [Int] {
    problem.servers.indices.filter { problem.demands[demand].eligible[$0] }
  }

  private func preferring(_ demand: Int) -> [Int] {
    eligible(for: demand).filter { problem.demands[demand].prefers[$0] }
  }

  /// How many VIFs the server holds that this one is to be apart from.
  private func clashes(_ demand: Int, at server: Int) -> Int {
    sets[demand].reduce(0) { sum, set in
      sum + problem.apart[set].count { $0 != demand && holders[$0] == server }
    }
  }

  func taker(of demand: Int) -> Int? {
    var candidates = eligible(for: demand)
    let preferring = candidates.filter { problem.demands[demand].prefers[$0] }
    if !preferring.isEmpty { candidates = preferring }
    let apart = candidates.filter { clashes(demand, at: $0) == 0 }
    if !apart.isEmpty { candidates = apart }
    return leastLoaded(candidates, adding: 1)
  }

  /// A VIF that may be moved, and its holder.
  private func movable(_ demand: Int, except moved: [Bool]) -> Int? {
    guard !moved[demand], !problem.demands[demand].fixed, !problem.demands[demand].waits else {
      return nil
    }
    return holders[demand]
  }

  /// The first VIF, in order, that is away from all eligible members that prefer it.
  func preferenceMove(except moved: [Bool]) -> Allocation.Move? {
    for demand in holders.indices {
      guard let from = movable(demand, except: moved) else { continue }
      let wanting = preferring(demand)
      guard !wanting.contains(from), let to = leastLoaded(wanting, adding: 1) else { continue }
      return .init(demand: demand, from: from, to: to)
    }
    return nil
  }

  /// The first VIF, in order, that is together with another of its set and need not be.
  func apartMove(except moved: [Bool]) -> Allocation.Move? {
    for demand in holders.indices where !sets[demand].isEmpty {
      guard let from = movable(demand, except: moved), clashes(demand, at: from) > 0
      else { continue }
      let wanting = preferring(demand)
      let candidates = (wanting.isEmpty ? eligible(for: demand) : wanting)
        .filter { $0 != from && clashes(demand, at: $0) == 0 }
      guard let to = leastLoaded(candidates, adding: 1) else { continue }
      return .init(demand: demand, from: from, to: to)
    }
    return nil
  }

  /// From the most loaded member that can give one away to the least loaded that can take it.
  func loadMove(except moved: [Bool]) -> Allocation.Move? {
    let givers = problem.servers.indices.sorted { one, other in
      if share(of: other, adding: 0, isLessThan: one, adding: 0) { return true }
      return !share(of: one, adding: 0, isLessThan: other, adding: 0) && one < other
    }
    for from in givers where loads[from] > 0 {
      for demand in holders.indices where movable(demand, except: moved) == from {
        let wanting = preferring(demand)
        let candidates = (wanting.isEmpty ? eligible(for: demand) : wanting)
          .filter { $0 != from && clashes(demand, at: $0) <= clashes(demand, at: from) }
        guard let to = leastLoaded(candidates, adding: 1),
          share(of: to, adding: 1, isLessThan: from, adding: 0)
        else { continue }
        return .init(demand: demand, from: from, to: to)
      }
    }
    return nil
  }
}
