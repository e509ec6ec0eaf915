// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Ring
import RingWire
import Testing

@Suite("Chaos")
struct ChaosTests {
  @Test("No rule is broken under faults, and all come together after them", arguments: 0..<24)
  func faults(seed: Int) {
    let violations = Chaos(seed: UInt64(seed)).run()
    #expect(violations.isEmpty, "seed \(seed): \(violations.prefix(5))")
  }
}

/// A world of random faults, followed by peace.
struct Chaos {
  private var cluster: Cluster
  private var random: SplitMix64
  private let names: Roster
  private var counter = 0

  init(seed: UInt64) {
    random = SplitMix64(seed: seed &+ 1)
    let all: Roster = ["a", "b", "c", "d", "e"]
    names = Roster(all.nodes.prefix(Int.random(in: 2...5, using: &random)))
    cluster = Cluster(names, timers: .lan, seed: seed &+ 77)
    let (isAccelerated, window) = (
      Bool.random(using: &random), Int.random(in: 4...64, using: &random)
    )
    let members = names
    cluster.settings = {
      var settings = RingEngine.Settings(me: $0, configured: members, timers: .lan)
      settings.accelerated = isAccelerated
      settings.window = window
      settings.personalWindow = window / 2
      settings.datagramBudget = 300
      return settings
    }
    cluster.jitter = .microseconds(Int.random(in: 0...3_000, using: &random))
    cluster.lossPerMille = [0, 5, 50, 150].randomElement(using: &random) ?? 0
  }

  mutating func step() {
    for _ in 0..<Int.random(in: 0...6, using: &random) { submit() }
    switch Int.random(in: 0..<12, using: &random) {
    case 0: cluster.parts = parts()
    case 1: cluster.parts = nil
    case 2: cluster.crash(pick())
    case 3, 4: restart()
    case 5: cluster.pause(pick(), for: .milliseconds(Int.random(in: 10...900, using: &random)))
    case 6: cutOneWay()
    case 7: cluster.loses = { _, _, _ in false }
    case 8: loseKind()
    default: break
    }
    let scale = [1, 10, 100, 400].randomElement(using: &random) ?? 1
    cluster.advance(.milliseconds(Int.random(in: 1...scale, using: &random)))
  }

  func run() -> [String] { debug().1 }

  func debug() -> (Cluster, [String]) {
    var chaos = self
    chaos.cluster.start(names)
    chaos.cluster.advance(.milliseconds(Int.random(in: 0...300, using: &chaos.random)))
    for _ in 0..<60 { chaos.step() }
    let violations = chaos.settle()
    return (chaos.cluster, violations)
  }

  private mutating func settle() -> [String] {
    cluster.parts = nil
    cluster.loses = { _, _, _ in false }
    cluster.lossPerMille = 0
    restart()
    let members = names
    let time = cluster.advance(atMost: .seconds(60)) { $0.isRing(members) }
    submit()
    cluster.advance(.seconds(1))
    var checker = Checker(cluster)
    checker.checkSurvivors(cluster)
    var violations = checker.violations
    if time == nil {
      let state = names.nodes.map {
        "\($0) \(cluster[$0].engine.phaseName) \(cluster[$0].engine.members)"
      }
      violations.append("Config.Eventually: \(state)")
    }
    return violations
  }

  private mutating func pick() -> NodeID { names.nodes.randomElement(using: &random) ?? "a" }

  private mutating func submit() {
    counter += 1
    let node = pick()
    let service: Service = Bool.random(using: &random) ? .safe : .agreed
    let isLong = Int.random(in: 0..<10, using: &random) == 0
    let filler = isLong ? String(repeating: "x", count: 1_000) : ""
    cluster.submit("\(node)\(counter)\(filler)", at: node, service)
  }

  private mutating func parts() -> [Roster] {
    var parts = [[NodeID]](repeating: [], count: Int.random(in: 2...3, using: &random))
    for node in names.nodes {
      parts[Int.random(in: 0..<parts.count, using: &random)].append(node)
    }
    return parts.map { Roster($0) }
  }

  private mutating func restart() {
    cluster.start(Roster(names.nodes.filter { cluster.hosts[$0]?.isUp == false }))
  }

  private mutating func cutOneWay() {
    let (from, to) = (pick(), pick())
    cluster.loses = { $0 == from && $1 == to && { _ in true }($2) }
  }

  /// Loses one kind of packet on its way to one member.
  private mutating func loseKind() {
    let to = pick()
    let kind = PacketKind.allCases.randomElement(using: &random) ?? .token
    cluster.loses = { _, target, packet in target == to && packet.kind == kind }
  }
}
