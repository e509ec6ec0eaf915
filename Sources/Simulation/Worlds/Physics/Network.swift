// SPDX-License-Identifier: Apache-2.0

/// Who can reach whom, and how fast.
package struct Network: Sendable, Equatable {
  private let count: Int
  /// The hosts that each host's datagrams do not reach.
  private var blocked: [HostSet]
  /// Until when the datagrams of each link are held back.
  private var clogged: [Span]
  private var latency: [Span]
  private let jitter: Span
  private let duplication: Int
  private let reordering: Int
  /// Lost datagrams in a million.
  package var loss: Int

  package init(hosts: Int, climate: Climate, drawing chance: inout Chance) {
    count = hosts
    blocked = Array(repeating: HostSet(), count: hosts)
    clogged = Array(repeating: .zero, count: hosts * hosts)
    latency = (0..<hosts * hosts).map { _ in chance.within(climate.latency / 2...climate.latency) }
    jitter = climate.jitter
    loss = climate.loss
    duplication = climate.duplication
    reordering = climate.reordering
  }

  /// Whether datagrams of one host reach another at all.
  package func reaches(_ to: Int, from: Int) -> Bool { !blocked[from].contains(to) }

  package mutating func cut(from: Int, to: Int) { blocked[from].insert(to) }
  package mutating func mend(from: Int, to: Int) { blocked[from].remove(to) }

  /// Cuts or mends both ways between these hosts and all others.
  package mutating func separate(_ part: HostSet, cut: Bool) {
    let rest = HostSet.first(count).subtracting(part)
    for host in 0..<count {
      let others = part.contains(host) ? rest : part
      blocked[host] = cut ? blocked[host].union(others) : blocked[host].subtracting(others)
    }
  }

  package mutating func clog(from: Int, to: Int, until: Span) {
    clogged[from * count + to] = max(clogged[from * count + to], until)
  }

  /// Mends everything.
  package mutating func heal() {
    blocked = Array(repeating: HostSet(), count: count)
    clogged = Array(repeating: .zero, count: count * count)
  }

  /// When a datagram sent now arrives; never if it is lost.
  package func arrival(from: Int, to: Int, at now: Span, drawing chance: inout Chance) -> Span? {
    guard reaches(to, from: from) else { return nil }
    if loss > 0, chance.happens(perMillion: loss) { return nil }
    let link = from * count + to
    var arrival = max(now, clogged[link]) + latency[link]
    if jitter > .zero { arrival = arrival + chance.within(.zero...jitter) }
    if reordering > 0, chance.happens(perMillion: reordering) {
      arrival = arrival + latency[link] * chance.within(1...12)
    }
    return arrival
  }

  /// Whether the datagram arrives once more.
  package func duplicates(drawing chance: inout Chance) -> Bool {
    duplication > 0 && chance.happens(perMillion: duplication)
  }
}
