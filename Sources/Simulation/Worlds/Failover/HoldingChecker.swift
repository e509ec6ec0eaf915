// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// Watches who has which VIF on its interfaces, and in which view.
///
/// A component is the hosts with the same installed view. Rules: within a view no allocation makes
/// a second holder; two hosts of a component hold one VIF only if both brought it along from
/// different views; the one that keeps it then announces it.
package struct HoldingChecker: Sendable {
  private let cast: Cast
  /// How many VIFs there are.
  package let vifs: Int
  package private(set) var violation: Violation?
  package private(set) var counters = Counters()
  /// Fold of everything observed.
  package private(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325

  private var views: [ViewID?]
  /// The hosts that have each VIF on their interfaces.
  private var present: [HostSet]
  /// The hosts whose kernel was asked to add each VIF.
  private var adding: [HostSet]
  /// For each VIF and host: with whom it shares the VIF since a merge.
  private var conflicts: [HostSet]
  /// For each host: those with which it was in one view at one time, and moved together since.
  ///
  /// Who comes out of a merge a few views later than another was in none of them at the same time.
  private var companions: [HostSet]
  /// For each VIF and host: since when it owes an announcement.
  private var owed: [Span?]

  package init(cast: Cast, vifs: Int) {
    (self.cast, self.vifs) = (cast, vifs)
    views = Array(repeating: nil, count: cast.count)
    present = Array(repeating: HostSet(), count: vifs)
    adding = present
    companions = Array(repeating: HostSet(), count: cast.count)
    conflicts = Array(repeating: HostSet(), count: vifs * cast.count)
    owed = Array(repeating: nil, count: vifs * cast.count)
  }

  // MARK: - Views

  /// A host installs a view; `together` are those it shared its previous view with.
  package mutating func view(_ id: ViewID, at host: Int, together: HostSet) {
    fold(1, host, Int(truncatingIfNeeded: id.epoch))
    views[host] = id
    for other in companions[host].subtracting(together) { part(host, other) }
    let old = companions[host]
    for other in component(of: host) {
      companions[host].insert(other)
      companions[other].insert(host)
    }
    for vif in 0..<vifs {
      owed[place(vif, host)] = nil
      guard has(vif, host) else { continue }
      for other in component(of: host) where has(vif, other) {
        if old.contains(other), !conflicts[place(vif, host)].contains(other) {
          report(.twoHolders, vif, host, other, "both hold it in view \(id), and came together")
        }
        if !conflicts[place(vif, host)].contains(other) { counters.conflicts += 1 }
        conflicts[place(vif, host)].insert(other)
        conflicts[place(vif, other)].insert(host)
      }
    }
  }

  /// A host is in no view any more.
  package mutating func detach(_ host: Int) {
    fold(2, host, 0)
    views[host] = nil
    for other in companions[host] { part(host, other) }
    for vif in 0..<vifs { end(vif, host) }
  }

  // MARK: - Kernels

  /// A host decides to hold a VIF.
  package mutating func acquire(_ vif: Int, at host: Int) {
    fold(3, host, vif)
    counters.acquisitions += 1
    if views[host] == nil { report(.secondHolder, vif, host, host, "acquired outside any view") }
    for other in component(of: host) where has(vif, other) {
      report(.secondHolder, vif, host, other, "acquired while a member of the view holds it")
    }
    adding[vif].insert(host)
  }

  /// The kernel added it, or could not.
  package mutating func added(_ vif: Int, at host: Int, done: Bool) {
    fold(4, host, vif)
    adding[vif].remove(host)
    guard done else { return }
    present[vif].insert(host)
    for other in component(of: host)
    where has(vif, other) && !conflicts[place(vif, host)].contains(other) {
      report(.twoHolders, vif, host, other, "both hold it in one view, by no merge")
    }
  }

  /// The kernel removed it.
  package mutating func removed(_ vif: Int, at host: Int, now: Span) {
    fold(5, host, vif)
    if present[vif].contains(host) { counters.releases += 1 }
    present[vif].remove(host)
    let partners = conflicts[place(vif, host)].intersection(component(of: host))
    end(vif, host)
    // The last one that still has it after a conflict is the keeper.
    for keeper in partners where has(vif, keeper) && conflicts[place(vif, keeper)].isEmpty {
      owed[place(vif, keeper)] = now
    }
  }

  /// A machine lost everything that was on its interfaces.
  package mutating func purge(_ host: Int) {
    for vif in 0..<vifs {
      present[vif].remove(host)
      adding[vif].remove(host)
      end(vif, host)
    }
  }

  /// A host tells its neighbours that it has a VIF.
  package mutating func announce(_ vif: Int, by host: Int) {
    counters.announcements += 1
    owed[place(vif, host)] = nil
    if !present[vif].contains(host) {
      report(.announcement, vif, host, host, "announced by a host that does not hold it")
    }
  }

  // MARK: - Questions

  package func holders(of vif: Int) -> HostSet { present[vif] }
  package var isAnyUnderway: Bool { adding.contains { !$0.isEmpty } }
  package func view(of host: Int) -> ViewID? { views[host] }

  /// The view that all these hosts are in.
  package func commonView(of hosts: HostSet) -> ViewID? {
    guard let first = hosts.first(where: { _ in true }), let view = views[first],
      hosts.allSatisfy({ views[$0] == view })
    else { return nil }
    return view
  }

  /// Whether some keeper has still to announce.
  package var owesAnnouncement: Bool { owed.contains { $0 != nil } }

  /// At rest each VIF that somebody could hold has exactly one holder, one that could; `nil` if so,
  /// else what is wrong.
  package func uncovered(among live: HostSet, eligible: [HostSet]) -> String? {
    for vif in 0..<vifs {
      let holders = present[vif].intersection(live)
      if eligible[vif].isEmpty ? !holders.isEmpty : holders.count != 1 {
        return "VIF \(vif) is held by \(cast.text(holders)), could be by "
          + cast.text(eligible[vif])
      }
      if !holders.isSubset(of: eligible[vif]) {
        return "VIF \(vif) is held by \(cast.text(holders)), who is not eligible"
      }
    }
    return nil
  }

  package mutating func fail(_ rule: Rule, _ text: String) {
    if violation == nil { violation = Violation(rule, text) }
  }

  // MARK: - Inside

  private func place(_ vif: Int, _ host: Int) -> Int { vif * cast.count + host }
  private func has(_ vif: Int, _ host: Int) -> Bool {
    present[vif].contains(host) || adding[vif].contains(host)
  }

  /// The other hosts with the same installed view.
  private func component(of host: Int) -> HostSet {
    guard let view = views[host] else { return HostSet() }
    return HostSet(cast.everyone.filter { $0 != host && views[$0] == view })
  }

  private mutating func part(_ host: Int, _ other: Int) {
    companions[host].remove(other)
    companions[other].remove(host)
  }

  private mutating func end(_ vif: Int, _ host: Int) {
    for other in conflicts[place(vif, host)] { conflicts[place(vif, other)].remove(host) }
    conflicts[place(vif, host)] = HostSet()
    owed[place(vif, host)] = nil
  }

  private mutating func report(
    _ rule: Rule,
    _ vif: Int,
    _ host: Int,
    _ other: Int,
    _ text: String
  ) {
    fail(rule, "VIF \(vif), \(cast.node(host)) and \(cast.node(other)): \(text)")
  }

  private mutating func fold(_ kind: Int, _ first: Int, _ second: Int) {
    for word in [kind, first, second] {
      digest = (digest ^ UInt64(truncatingIfNeeded: word)) &* 0x100_0000_01b3
    }
    digest ^= digest >> 31
  }
}
