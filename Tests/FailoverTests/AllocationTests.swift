// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import Glibc
import GroupModel
import Machine
import Testing

/// The allocation function against a brute-force search, and what balance promises.
@Suite struct AllocationTests {
  @Test("Small problems are solved exactly as the objective says")
  func oracle() {
    var random = SplitMix64(seed: 21)
    for round in 0..<1_200 {
      let problem = randomProblem(using: &random, holders: true)
      let found = problem.resolved()
      let expected = Oracle(problem).best()
      #expect(found == expected, "round \(round): \(problem)")
      if found != expected { return }
    }
  }

  @Test("Every eligibility of two members and three VIFs, held by nobody, one or both")
  func exhaustive() {
    for code in 0..<(1 << 12) {
      let demands = (0..<3).map { index in
        let bits = code >> (index * 4)
        return Allocation.Demand(
          vif: vif(index + 1).id,
          holders: [0, 1].filter { bits >> $0 & 1 == 1 },
          eligible: [0, 1].map { bits >> (2 + $0) & 1 == 1 },
          prefers: [false, false]
        )
      }
      let problem = Allocation(servers: servers(weights: [1, 1]), demands: demands)
      #expect(problem.resolved() == Oracle(problem).best())
    }
  }

  /// `ALLOCATION_STRIDE=1` tries all of them; the usual run takes one in some thousands.
  @Test("Every eligibility of four members and five VIFs, weights and apart sets included")
  func allEligibilities() {
    let stride = getenv("ALLOCATION_STRIDE").flatMap { Int(String(cString: $0)) } ?? 4_999
    var tried = 0
    for code in Swift.stride(from: 0, to: 1 << 20, by: max(1, stride)) {
      let demands = (0..<5).map { index in
        Allocation.Demand(
          vif: vif(index + 1).id,
          holders: code.isMultiple(of: 3) ? [code % 4] : code.isMultiple(of: 5) ? [0, 2] : [],
          eligible: (0..<4).map { code >> (index * 4 + $0) & 1 == 1 },
          prefers: (0..<4).map { (code / 7 + index) % 9 == $0 }
        )
      }
      let weights = [1, 1 + code % 3, 1, 1 + code % 2]
      let apart = code.isMultiple(of: 2) ? [[0, 3]] : []
      let problem = Allocation(servers: servers(weights: weights), demands: demands, apart: apart)
      #expect(problem.resolved() == Oracle(problem).best(), "code \(code)")
      tried += 1
    }
    #expect(tried >= (1 << 20) / stride)
  }

  @Test("Balance ends, and leaves loads within one per weight unit where eligibility allows")
  func balance() {
    var random = SplitMix64(seed: 22)
    for _ in 0..<3_000 {
      var problem = randomProblem(using: &random, holders: false)
      for index in problem.demands.indices {
        let eligible = problem.demands[index].eligible.indices
          .filter { problem.demands[index].eligible[$0] }
        problem.demands[index].holders = eligible.randomElement(using: &random).map { [$0] } ?? []
      }
      var rounds = 0
      while true {
        let moves = problem.balancing(limit: Int.random(in: 1...3, using: &random))
        guard !moves.isEmpty else { break }
        rounds += 1
        for move in moves {
          #expect(problem.demands[move.demand].holders == [move.from])
          #expect(problem.demands[move.demand].eligible[move.to])
          problem.demands[move.demand].holders = [move.to]
        }
        #expect(rounds < 100, "balance does not end: \(problem)")
        if rounds >= 100 { return }
      }
      checkBalanced(problem)
    }
  }

  /// At rest no VIF is away from those who prefer it, and none could be moved to advantage.
  private func checkBalanced(_ problem: Allocation) {
    var loads = problem.servers.map { _ in 0 }
    for demand in problem.demands {
      if let holder = demand.holders.first { loads[holder] += 1 }
    }
    for (index, demand) in problem.demands.enumerated() {
      guard let holder = demand.holders.first else { continue }
      let wanting = problem.servers.indices.filter { demand.eligible[$0] && demand.prefers[$0] }
      if !wanting.isEmpty {
        #expect(wanting.contains(holder))
        continue
      }
      guard !problem.apart.contains(where: { $0.contains(index) }) else { continue }
      for other in problem.servers.indices where demand.eligible[other] && other != holder {
        let gain = (loads[other] + 1) * problem.servers[holder].weight
        #expect(gain >= loads[holder] * problem.servers[other].weight, "\(problem)")
      }
    }
  }

  @Test("A limit of moves per round is kept")
  func limit() {
    let demands = (1...6).map { number in
      Allocation.Demand(
        vif: vif(number).id,
        holders: [0],
        eligible: [true, true],
        prefers: [false, false]
      )
    }
    let problem = Allocation(servers: servers(weights: [1, 1]), demands: demands)
    #expect(problem.balancing(limit: 1).count == 1)
    #expect(problem.balancing(limit: .max).count == 3)
  }

  @Test("VIFs of one apart set go to different members, and balance takes them apart")
  func apart() {
    let demands = (1...2).map { number in
      Allocation.Demand(
        vif: vif(number).id,
        holders: [],
        eligible: [true, true],
        prefers: [false, false]
      )
    }
    var problem = Allocation(
      servers: servers(weights: [9, 1]),
      demands: demands,
      apart: [[0, 1]]
    )
    #expect(problem.resolved() == [0, 1])
    problem.demands[0].holders = [0]
    problem.demands[1].holders = [0]
    #expect(problem.balancing(limit: .max) == [.init(demand: 0, from: 0, to: 1)])
  }

  @Test("A VIF that waits is given to nobody, and one that is fixed stays where it is")
  func waitsAndFixed() {
    var waiting = Allocation.Demand(
      vif: vif(1).id,
      holders: [],
      eligible: [true],
      prefers: [false]
    )
    waiting.waits = true
    var fixed = Allocation.Demand(
      vif: vif(2).id,
      holders: [0],
      eligible: [false],
      prefers: [false]
    )
    fixed.fixed = true
    let problem = Allocation(servers: servers(weights: [1]), demands: [waiting, fixed])
    #expect(problem.resolved() == [nil, 0])
  }

  private func servers(weights: [Int]) -> [Allocation.Server] {
    let names: [NodeID] = ["a", "b", "c", "d"]
    return weights.enumerated().map { index, weight in
      .init(member: MemberID(node: names[index], process: names[index].name), weight: weight)
    }
  }

  private func randomProblem(using random: inout SplitMix64, holders: Bool) -> Allocation {
    let members = Int.random(in: 1...4, using: &random)
    let weights = (0..<members).map { _ in Int.random(in: 1...3, using: &random) }
    let count = Int.random(in: 1...5, using: &random)
    let demands = (0..<count).map { index in
      Allocation.Demand(
        vif: vif(index + 1).id,
        holders: (0..<members).filter { _ in holders && Int.random(in: 0..<3, using: &random) == 0
        },
        eligible: (0..<members).map { _ in Int.random(in: 0..<4, using: &random) > 0 },
        prefers: (0..<members).map { _ in Int.random(in: 0..<5, using: &random) == 0 }
      )
    }
    let apart = Bool.random(using: &random) && count > 1 ? [[0, count - 1]] : []
    return Allocation(servers: servers(weights: weights), demands: demands, apart: apart)
  }
}

/// The objective of the design as a search: all assignments are ranked by it, one rule after the
/// other, with exact fractions and no shared code.
private struct Oracle {
  let problem: Allocation

  init(_ problem: Allocation) { self.problem = problem }

  func best() -> [Int?] {
    var candidates: [[Int?]] = [[]]
    for demand in problem.demands {
      let options: [Int?] = [nil] + problem.servers.indices.map { $0 }
      let allowed = options.filter { $0.map { demand.eligible[$0] } ?? true }
      candidates = candidates.flatMap { partial in allowed.map { partial + [$0] } }
    }
    // (1) As many VIFs as possible have a holder.
    candidates = keep(candidates, most: { $0.count { $0 != nil } })
    // (2) As many as possible of those with one valid holder stay.
    candidates = keep(candidates) { assignment in
      problem.demands.indices.count { valid($0).count == 1 && assignment[$0] == valid($0)[0] }
    }
    // (3) and (4) are greedy: VIF after VIF the choice that the rule ranks first.
    for index in problem.demands.indices where valid(index).count > 1 {
      candidates = choose(index, among: valid(index), adding: 0, from: candidates) { _ in true }
    }
    for index in problem.demands.indices where valid(index).isEmpty {
      let eligible = problem.servers.indices.filter { problem.demands[index].eligible[$0] }
      candidates = choose(index, among: eligible, adding: 1, from: candidates) { server in
        !problem.apart.contains { set in
          set.contains(index)
            && set.contains { other in
              other != index && decided(other, before: index)
                && candidates.allSatisfy { $0[other] == server }
            }
        }
      }
    }
    return candidates[0]
  }

  /// Whether the choice of one VIF is made before that of another.
  private func decided(_ other: Int, before index: Int) -> Bool {
    !valid(other).isEmpty || (valid(index).isEmpty && other < index)
  }

  private func valid(_ index: Int) -> [Int] {
    problem.demands[index].holders.filter { problem.demands[index].eligible[$0] }
  }

  private func keep(_ candidates: [[Int?]], most score: ([Int?]) -> Int) -> [[Int?]] {
    let top = candidates.map(score).max()
    return candidates.filter { score($0) == top }
  }

  private func choose(
    _ index: Int,
    among servers: [Int],
    adding extra: Int,
    from candidates: [[Int?]],
    apart: (Int) -> Bool
  ) -> [[Int?]] {
    var servers = servers
    let preferring = servers.filter { problem.demands[index].prefers[$0] }
    if !preferring.isEmpty { servers = preferring }
    let separate = servers.filter(apart)
    if extra == 1, !separate.isEmpty { servers = separate }
    // What is decided before this VIF is the same in all candidates that are left.
    func load(_ server: Int) -> Int {
      problem.demands.indices.count { other in
        let earlier =
          valid(other).count == 1
          || (valid(other).count > 1 && (valid(index).isEmpty || other < index))
          || (valid(other).isEmpty && valid(index).isEmpty && other < index)
        return earlier && candidates[0][other] == server
      }
    }
    let ranked = servers.sorted { one, other in
      let left = Double(load(one) + extra) / Double(problem.servers[one].weight)
      let right = Double(load(other) + extra) / Double(problem.servers[other].weight)
      return left == right ? one < other : left < right
    }
    guard let first = ranked.first else { return candidates }
    return candidates.filter { $0[index] == first }
  }
}
