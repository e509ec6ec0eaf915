// SPDX-License-Identifier: Apache-2.0

package import Addresses
internal import Machine

extension AnnouncementsEngine {
  /// Hosts that are told of a VIF each by itself, besides the announcement to everybody.
  package enum Audience: Sendable, Equatable {
    /// Every address of a network, through `interface` if one is named; link-local ones are on any.
    ///
    /// At most `throttle` hosts a second; `nil` for no limit of its own.
    case network(IPPrefix, interface: InterfaceName?, throttle: UInt16?, ping: Bool)
    /// The hosts that the members have heard of.
    case knownHosts(ping: Bool)
  }

  /// A host that a member has seen.
  package struct Sighting: Sendable, Equatable {
    package let neighbor: Neighbor
    /// How long ago, 0 or more.
    package let age: Duration

    package init(_ neighbor: Neighbor, ago age: Duration) {
      (self.neighbor, self.age) = (neighbor, max(.zero, age))
    }
  }
}

/// One address that is being told to one audience, host after host.
struct Round: Sendable, Equatable {
  let address: InterfaceAddress
  /// Whether hosts are asked for an echo, too.
  let ping: Bool
  /// When the next host may be told.
  private(set) var notBefore: Instant
  /// Whether all were told.
  private(set) var isOver = false
  /// The least time between two hosts.
  private let pause: Duration
  private let network: IPPrefix
  /// Whether only those are told that the members have heard of.
  private let isOfKnown: Bool
  private var next: UInt128
  private var last: UInt128
  /// What comes then.
  private var further: ClosedRange<UInt128>?

  /// `nil` if nobody of the audience is on the network that is attached to the address.
  init?(
    _ address: InterfaceAddress,
    on network: IPPrefix,
    to audience: AnnouncementsEngine.Audience,
    at now: Instant
  ) {
    (self.address, self.network, notBefore) = (address, network, now)
    let range: ClosedRange<UInt128>
    switch audience {
    case .network(let wanted, let interface, let throttle, let ping):
      let onLink = address.prefix.address.bitWidth == 128 && wanted.address.isLinkLocal
      guard interface == nil || interface == address.interface,
        let shared = network.intersection(wanted) ?? (onLink ? wanted : nil)
      else { return nil }
      (range, isOfKnown, self.ping) = (shared.range, false, ping)
      pause = throttle.map { .seconds(1) / max(1, Int($0)) } ?? .zero
    case .knownHosts(let ping):
      (range, isOfKnown, self.ping, pause) = (network.range, true, ping, .zero)
      // A router asks with its link-local address for what it forwards to.
      if network.address.bitWidth == 128, !network.address.isLinkLocal {
        further = IPv6Address.linkLocal
      }
    }
    (next, last) = (range.lowerBound, range.upperBound)
  }

  private mutating func end() {
    guard let further else {
      isOver = true
      return
    }
    (next, last) = (further.lowerBound, further.upperBound)
    self.further = nil
  }

  /// The next host; `nil` if the next number belongs to none, or all were told.
  mutating func step(among known: KnownHosts, at now: Instant) -> IPAddress? {
    guard !isOver else { return nil }
    var host = network.address.with(number: next)
    if isOfKnown {
      guard let found = known.first(from: host), found.bitWidth == host.bitWidth,
        found.number <= last
      else {
        end()
        return nil
      }
      host = found
    }
    // The last number of all has none behind it.
    if host.number == last { end() } else { next = host.number + 1 }
    // No host has the first or the last address of a network, and the VIF needs not be told.
    guard host != address.prefix.address,
      IPPrefix(address: host, length: network.length)?.unfitness == nil
    else { return nil }
    notBefore = now + pause
    return host
  }
}

/// What is left to be told of one VIF to hosts each by itself: of each of its addresses, to each audience.
///
/// However many rounds there are, each begins when it is its turn, and what is done at a time is one host.
struct Telling: Sendable, Equatable {
  /// To whom, and from where.
  struct Surroundings {
    let audiences: [AnnouncementsEngine.Audience]
    let known: KnownHosts
    /// The network that is attached to an address; `nil` if nobody can be told there.
    let network: (InterfaceAddress) -> IPPrefix?
  }

  /// Somebody to be told.
  struct Turn {
    let host: IPAddress
    let address: InterfaceAddress
    let ping: Bool
  }

  private let count: Int
  /// How many rounds have begun, those of the first address first.
  private var begun = 0
  private var rounds = DueRounds()

  init(of vif: VirtualInterface, to audiences: [AnnouncementsEngine.Audience]) {
    count = vif.addresses.count * audiences.count
  }

  /// When there is something to do; `nil` once all were told.
  var due: Instant? { begun < count ? .boot : rounds.first?.notBefore }

  /// Does one step, to be called when it is due; `nil` if nobody is to be told for it.
  mutating func step(of vif: VirtualInterface, in place: Surroundings, at now: Instant) -> Turn? {
    var round: Round
    if begun < count {
      let address = vif.addresses[begun / place.audiences.count]
      let audience = place.audiences[begun % place.audiences.count]
      begun += 1
      guard let network = place.network(address),
        let new = Round(address, on: network, to: audience, at: now)
      else { return nil }
      round = new
    } else {
      guard let next = rounds.removeFirst() else { return nil }
      round = next
    }
    let host = round.step(among: place.known, at: now)
    if !round.isOver { rounds.insert(round) }
    return host.map { Turn(host: $0, address: round.address, ping: round.ping) }
  }
}

/// Rounds, of which the first is due first; of those that are due together, who has waited longest.
struct DueRounds: Sendable, Equatable {
  private struct Entry: Sendable, Equatable {
    let round: Round
    let ticket: UInt64

    static func < (lhs: Self, rhs: Self) -> Bool {
      (lhs.round.notBefore, lhs.ticket) < (rhs.round.notBefore, rhs.ticket)
    }
  }

  /// No entry is due before the one at half its index.
  private var heap: [Entry] = []
  private var tickets: UInt64 = 0

  var first: Round? { heap.first?.round }

  mutating func insert(_ round: Round) {
    tickets += 1
    heap.append(Entry(round: round, ticket: tickets))
    var child = heap.count - 1
    while child > 0, heap[child] < heap[(child - 1) / 2] {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func removeFirst() -> Round? {
    guard let first = heap.first, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return first.round }
    heap[0] = last
    var parent = 0
    while true {
      let children = (2 * parent + 1)..<min(2 * parent + 3, max(2 * parent + 1, heap.count))
      guard let child = children.min(by: { heap[$0] < heap[$1] }), heap[child] < heap[parent]
      else { return first.round }
      heap.swapAt(child, parent)
      parent = child
    }
  }
}
