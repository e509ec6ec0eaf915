// SPDX-License-Identifier: Apache-2.0

package import Addresses
internal import Machine

extension AnnouncementsEngine {
  /// Hosts that are told of a VIF each by itself, besides the announcement to everybody.
  package enum Audience: Sendable, Equatable {
    /// Every address of a network, through `interface` if one is named.
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
  private enum Hosts: Sendable, Equatable {
    case range(next: UInt128, last: UInt128)
    case list(ArraySlice<IPAddress>)
  }

  let vif: VIFID
  let address: InterfaceAddress
  /// Whether hosts are asked for an echo, too.
  let ping: Bool
  /// The least time between two hosts.
  private let pause: Duration
  private let network: IPPrefix
  private var hosts: Hosts
  /// When the next host may be told.
  private(set) var notBefore: Instant

  /// `nil` if nobody of the audience is on the network that is attached to the address.
  init?(
    _ address: InterfaceAddress,
    of vif: VIFID,
    on network: IPPrefix,
    to audience: AnnouncementsEngine.Audience,
    known: KnownHosts,
    at now: Instant
  ) {
    (self.address, self.vif, self.network, notBefore) = (address, vif, network, now)
    switch audience {
    case .network(let wanted, let interface, let throttle, let ping):
      guard interface == nil || interface == address.interface,
        let range = network.intersection(wanted)?.range
      else { return nil }
      hosts = .range(next: range.lowerBound, last: range.upperBound)
      (self.ping, pause) = (ping, throttle.map { .seconds(1) / max(1, Int($0)) } ?? .zero)
    case .knownHosts(let ping):
      let found = known.hosts(of: network)
      guard !found.isEmpty else { return nil }
      hosts = .list(found[...])
      (self.ping, pause) = (ping, .zero)
    }
  }

  /// The next host; `nil` once all were told.
  mutating func next(at now: Instant) -> IPAddress? {
    while let host = step() {
      // No host has the first or the last address of a network, and the VIF needs not be told.
      guard host != address.prefix.address,
        IPPrefix(address: host, length: network.length)?.unfitness == nil
      else { continue }
      notBefore = now + pause
      return host
    }
    return nil
  }

  private mutating func step() -> IPAddress? {
    switch hosts {
    case .range(let next, let last):
      guard next <= last else { return nil }
      // The last number of all has none behind it.
      hosts = next == last ? .list([]) : .range(next: next + 1, last: last)
      return network.address.with(number: next)
    case .list(var rest):
      let host = rest.popFirst()
      hosts = .list(rest)
      return host
    }
  }
}
