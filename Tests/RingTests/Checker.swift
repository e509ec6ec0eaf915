// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Ring

/// Judges what all runs of all members delivered by the rules of Extended Virtual Synchrony.
struct Checker {
  /// One regular configuration at one run of a member, with all that followed it up to the next.
  struct Stay {
    let node: NodeID
    let run: Int
    let ring: RingID
    let members: Roster
    var regular: [String] = []
    var transitional: Delivery.TransitionalConfiguration?
    var rest: [String] = []
    var safe: [String] = []
    var safeInRest: [String] = []
    /// The regular configuration that came next; `nil` if the run ended here or goes on.
    var next: RingID?
    /// Whether the run was going on when all was over.
    var isLast = false

    var all: [String] { regular + rest }
  }

  private(set) var violations: [String] = []
  private var stays: [Stay] = []

  init(_ cluster: Cluster) {
    for node in cluster.roster.nodes {
      guard let host = cluster.hosts[node] else { continue }
      let runs = host.past + [host.deliveries]
      for (run, deliveries) in runs.enumerated() {
        read(deliveries, node: node, run: run, isAlive: run == runs.count - 1 && host.isUp)
      }
    }
    checkSequence()
    for ring in Set(stays.map(\.ring)) { check(stays.filter { $0.ring == ring }) }
  }

  private mutating func fail(_ text: String) { violations.append(text) }

  private mutating func read(_ deliveries: [Delivery], node: NodeID, run: Int, isAlive: Bool) {
    var stay: Stay?
    var seen: Set<String> = []
    for delivery in deliveries {
      switch delivery {
      case .regular(let configuration):
        if var done = stay {
          if done.transitional?.to != configuration.ring { fail("\(node): no transitional before") }
          if done.transitional?.members != configuration.cameTogether {
            fail("\(node): came together differs")
          }
          done.next = configuration.ring
          stays.append(done)
        }
        if !configuration.cameTogether.isSubset(of: configuration.members) {
          fail("\(node): came together without being members")
        }
        if !configuration.members.contains(node) { fail("\(node): not a member") }
        stay = Stay(
          node: node,
          run: run,
          ring: configuration.ring,
          members: configuration.members
        )
      case .transitional(let configuration):
        if stay?.ring != configuration.from { fail("\(node): transitional from elsewhere") }
        if stay?.transitional != nil { fail("\(node): two transitional configurations") }
        if !configuration.members.isSubset(of: stay?.members ?? []) {
          fail("\(node): transitional not a subset")
        }
        stay?.transitional = configuration
      case .message(let message):
        let text = String(decoding: message.payload, as: UTF8.self)
        if !seen.insert(text).inserted { fail("Basic.Integrity: \(node) delivered \(text) twice") }
        if message.ring != stay?.ring { fail("Basic.OneConfiguration: \(text) at \(node)") }
        if stay?.transitional == nil {
          stay?.regular.append(text)
          if message.service == .safe { stay?.safe.append(text) }
        } else {
          stay?.rest.append(text)
          if message.service == .safe { stay?.safeInRest.append(text) }
        }
      }
    }
    if var last = stay {
      last.isLast = isAlive
      stays.append(last)
    }
  }

  private mutating func checkSequence() {
    for node in Set(stays.map(\.node)) {
      let rings = stays.filter { $0.node == node }.sorted { $0.run < $1.run }.map(\.ring.sequence)
      if zip(rings, rings.dropFirst()).contains(where: { $0 >= $1 }) {
        fail("Config.Sequence: \(node) \(rings)")
      }
    }
  }

  private mutating func check(_ stays: [Stay]) {
    for one in stays {
      for other in stays where other.node != one.node {
        checkPair(one, other)
        checkSafe(one, other)
      }
    }
    let owners = stays.map(\.node)
    if Set(owners).count != owners.count { fail("ring \(stays[0].ring) delivered twice") }
  }

  private mutating func checkPair(_ one: Stay, _ other: Stay) {
    if one.members != other.members { fail("Config.Same: \(one.ring)") }
    if let next = one.next, next == other.next,
      one.transitional?.members.contains(other.node) == true
    {
      if one.regular != other.regular || one.rest != other.rest {
        fail("VirtualSynchrony: \(one.ring) -> \(next) at \(one.node) and \(other.node)")
      }
    }
    let mine = Dictionary(uniqueKeysWithValues: one.all.enumerated().map { ($1, $0) })
    let common = other.all.compactMap { mine[$0] }
    if common != common.sorted() {
      fail("Total.Consistent: \(one.ring) at \(one.node) and \(other.node)")
    }
    // What stands in the other's order before something delivered regularly was delivered as well.
    let regular = Set(one.regular)
    if let last = other.all.lastIndex(where: { regular.contains($0) }) {
      for text in other.all[..<last] where !regular.contains(text) {
        fail("Total.NoGaps: \(one.ring) \(text) at \(one.node), not \(other.node)")
      }
    }
  }

  private mutating func checkSafe(_ one: Stay, _ other: Stay) {
    // The other went on past this configuration, or stands in it at the end.
    guard other.next != nil || other.isLast else { return }
    let theirs = Set(other.all)
    for text in one.safe where !theirs.contains(text) {
      fail("Safe.Delivery: \(text) regular at \(one.node), not at \(other.node)")
    }
    if one.transitional?.members.contains(other.node) == true {
      for text in one.safeInRest where !theirs.contains(text) {
        fail("Safe.Delivery: \(text) transitional at \(one.node), not at \(other.node)")
      }
    }
  }

  /// Rules that need to know which runs never failed.
  mutating func checkSurvivors(_ cluster: Cluster) {
    for one in stays where !one.safe.isEmpty {
      for node in one.members.nodes {
        guard let host = cluster.hosts[node], host.isUp, host.past.isEmpty else { continue }
        if !stays.contains(where: { $0.node == node && $0.ring == one.ring }) {
          fail("Safe.Configuration: \(one.ring) was not delivered at \(node)")
        }
      }
    }
    for node in cluster.roster.nodes {
      guard let host = cluster.hosts[node], host.isUp else { continue }
      let delivered = Set(cluster.texts(node))
      for text in host.submitted where !delivered.contains(text) {
        fail("SelfDelivery: \(text)")
      }
    }
  }
}
