// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText
import GroupModel
import Health

/// What can be judged only once the whole file is read.
extension Parser {
  /// The configuration, if the draft is complete; reports what is missing or contradictory.
  mutating func checked(
    node override: WackamoleConfiguration.NodeOverride?
  ) -> WackamoleConfiguration? {
    checkManagedAddresses()
    let virtualInterfaces = draft.virtualInterfaces.compactMap {
      VirtualInterface(addresses: $0.map(\.value))
    }
    let preferred = checkedPreferences(among: virtualInterfaces)
    let apart = checkedApart(among: virtualInterfaces)
    let checks = checkedHealth(among: virtualInterfaces)
    checkNotify()
    checkQuorum()
    let backend = checkedBackend(node: override)
    if draft.seen["VirtualInterfaces"] == nil {
      report(missing("VirtualInterfaces", why: "it says which addresses to manage"))
    }
    guard let backend else { return nil }
    return WackamoleConfiguration(
      backend: backend,
      group: draft.group ?? "wack1",
      control: draft.control ?? "/run/wackamole/control",
      controlGroup: draft.controlGroup,
      logFacility: draft.logFacility ?? .daemon,
      protocolVersion: draft.protocolVersion ?? WackamoleConfiguration.newestProtocol,
      mature: draft.mature ?? .seconds(5),
      arpCache: draft.arpCache ?? .seconds(60),
      balance: draft.balance,
      notifications: draft.notifications,
      preferred: preferred,
      weight: draft.weight ?? 1,
      apart: apart,
      checks: checks,
      policy: draft.policy ?? .keep,
      quorum: draft.quorum?.value ?? .none,
      scripts: draft.scripts,
      virtualInterfaces: virtualInterfaces,
      networkHints: draft.networkHints,
      interfaces: checkedInterfaces(backend)
    )
  }

  private func missing(_ name: String, why: String) -> Diagnostic {
    Diagnostic(
      "there is no \(name) statement: \(why)",
      at: next.location,
      advice: "add \(name) { ... } as in wackamole.conf(5)"
    )
  }

  // MARK: - Managed addresses

  private mutating func checkManagedAddresses() {
    var places: [InterfaceAddress: SourceLocation] = [:]
    var primaries: [IPAddress: SourceLocation] = [:]
    for addresses in draft.virtualInterfaces {
      for (index, address) in addresses.enumerated() {
        let key = Self.identity(of: address.value)
        let first = places[key] ?? (index == 0 ? primaries[address.value.prefix.address] : nil)
        if let first {
          report(
            Diagnostic(
              "\(address.value.prefix.address) is given twice: first in "
                + first.seen(from: address.location),
              at: address.location,
              advice: "remove one of the two"
            )
          )
          continue
        }
        places[key] = address.location
        if index == 0 { primaries[address.value.prefix.address] = address.location }
        checkAgainstPeers(address)
      }
    }
  }

  /// What two managed addresses must not have in common: the address itself, and for link-local
  /// ones, which each link has for itself, the interface too.
  private static func identity(of address: InterfaceAddress) -> InterfaceAddress {
    let width = address.prefix.address.bitWidth
    let isLinkLocal =
      if case .v6(let value) = address.prefix.address { value.isLinkLocal } else { false }
    guard let whole = IPPrefix(address: address.prefix.address, length: width),
      let anywhere = InterfaceName("*")
    else { return address }
    return InterfaceAddress(
      interface: isLinkLocal ? address.interface : anywhere,
      prefix: whole
    )
  }

  private mutating func checkAgainstPeers(_ managed: Located<InterfaceAddress>) {
    guard let peer = draft.peers.first(where: { $0.value.address == managed.value.prefix.address })
    else { return }
    report(
      Diagnostic(
        "\(peer.value.address) is the engine's address of \(peer.value.node), set in "
          + "\(peer.location.seen(from: managed.location)): it would move away from under the engine",
        at: managed.location,
        advice: "manage another address, or give the engine a stationary one"
      )
    )
  }

  /// The preferred VIFs, in ascending order.
  private mutating func checkedPreferences(among all: [VirtualInterface]) -> [VIFID] {
    if let none = draft.preferNone, let some = draft.preferences.first {
      report(
        Diagnostic(
          "Prefer None contradicts the preference in \(some.location.seen(from: none))",
          at: none,
          advice: "remove one of the two"
        )
      )
    }
    return draft.preferences.reduce(into: Set<VIFID>()) { chosen, preference in
      chosen.formUnion(select(preference, among: all, failing: "prefers no VIF"))
    }
    .sorted()
  }

  /// The VIFs whose primary address the network covers; reports it as `complaint` if there are none.
  mutating func select(
    _ wanted: Located<IPPrefix>,
    among all: [VirtualInterface],
    failing complaint: String
  ) -> [VIFID] {
    let found = all.map(\.id).filter { wanted.value.covers($0.primary) }
    guard found.isEmpty, !draft.addressesAreDoubtful else { return found }
    let owner = all.first { $0.addresses.contains { wanted.value.covers($0.prefix.address) } }
    let advice =
      if let owner {
        "write \(owner.id.primary), the first address of the set it belongs to"
      } else {
        "write the first address of a set, or an address that stands alone"
      }
    report(Diagnostic("\(wanted.value) \(complaint)", at: wanted.location, advice: advice))
    return []
  }

  // MARK: - Engine

  mutating func checkedEngine(
    node override: WackamoleConfiguration.NodeOverride?
  ) -> EngineConfiguration? {
    guard let engine = draft.seen["Engine"] else {
      report(missing("Engine", why: "it says which machines take part"))
      return nil
    }
    if draft.seen["Peers"] == nil {
      report(
        Diagnostic(
          "Engine has no Peers: it must know all machines that take part",
          at: engine,
          advice: "add Peers { NAME:ADDRESS ... }"
        )
      )
    } else if draft.peers.isEmpty, !draft.peersAreDoubtful, let peers = draft.seen["Peers"] {
      report(
        Diagnostic("Peers names no machine", at: peers, advice: "add NAME:ADDRESS for each")
      )
    }
    if draft.seen["Key"] == nil {
      report(
        Diagnostic(
          "Engine has no Key: datagrams go unsealed only where the file says so",
          at: engine,
          advice: "add Key = PATH, a file that spreadctl keygen makes, or else Key = none"
        )
      )
    }
    checkPeers()
    checkMulticast()
    let timers = checkedTimers(engine: engine)
    guard let node = checkedNode(override, engine: engine) else { return nil }
    return EngineConfiguration(
      node: node,
      peers: draft.peers.map(\.value).sorted { $0.node < $1.node },
      port: draft.port ?? EngineConfiguration.defaultPort,
      multicast: draft.multicast?.value,
      mtu: draft.mtu ?? EngineConfiguration.defaultMTU,
      key: draft.key ?? .none,
      profile: draft.profile?.value ?? .lan,
      timers: timers,
      stateDirectory: draft.stateDirectory ?? "/var/lib/wackamole"
    )
  }

  /// This machine's name, if it is known and one of the peers.
  private mutating func checkedNode(
    _ override: WackamoleConfiguration.NodeOverride?,
    engine: SourceLocation
  ) -> NodeID? {
    let peers = draft.peers.map(\.value.node)
    let place: SourceLocation
    let node: NodeID
    let origin: String
    if let override {
      place = draft.seen["Peers"] ?? engine
      origin = override.origin
      guard let named = NodeID(text: override.name) else {
        report(
          Diagnostic(
            "'\(visible(override.name))', given by \(origin), is not the name of a node",
            at: place,
            advice: "give one of the names in Peers"
          )
        )
        return nil
      }
      node = named
    } else if let named = draft.node {
      (place, node, origin) = (named.location, named.value, "Node")
    } else {
      if draft.seen["Node"] == nil {
        report(
          Diagnostic(
            "Engine has no Node: which of the Peers this machine is, is never guessed",
            at: engine,
            advice: "add Node = NAME, or give --node NAME or the environment's WACKAMOLE_NODE"
          )
        )
      }
      return nil
    }
    guard !peers.contains(node), !peers.isEmpty, !draft.peersAreDoubtful else { return node }
    let near = nearest(to: node.description, among: peers.map(\.description))
    report(
      Diagnostic(
        "the node \(node), given by \(origin), is not in Peers",
        at: place,
        advice: near.map { "did you mean \($0)?" } ?? "add \(node):ADDRESS to Peers"
      )
    )
    return nil
  }

  private mutating func checkMulticast() {
    guard let group = draft.multicast,
      let peer = draft.peers.first(where: { $0.value.address.bitWidth != group.value.bitWidth })
    else { return }
    report(
      Diagnostic(
        "the multicast group \(group.value) is of another family than the peer \(peer.value.address)",
        at: group.location,
        advice: "write a group of the family of the peers"
      )
    )
  }

  private mutating func checkPeers() {
    let peers = draft.peers
    for (index, peer) in peers.enumerated() {
      if let reason = peer.value.address.unreachability {
        report(
          Diagnostic(
            "\(peer.value.address) cannot be a peer's address: it is \(reason)",
            at: peer.location,
            advice: "write a stationary address of \(peer.value.node)"
          )
        )
      }
      for other in peers[..<index] {
        guard let problem = Self.clash(of: peer.value, at: peer.location, with: other) else {
          continue
        }
        report(Diagnostic(problem, at: peer.location, advice: "change one of the two"))
        break
      }
    }
  }

  /// What makes it impossible that both are peers of one engine.
  private static func clash(
    of peer: EngineConfiguration.Peer,
    at location: SourceLocation,
    with earlier: Located<EngineConfiguration.Peer>
  ) -> String? {
    let other = earlier.value
    let place = earlier.location.seen(from: location)
    if peer.node == other.node {
      return "the name \(peer.node) is given twice: first in \(place)"
    }
    if peer.address == other.address {
      return "\(peer.address) is given twice: first to \(other.node) in \(place)"
    }
    if peer.node.digest == other.node.digest {
      return "the name \(peer.node) has the same digest as \(other.node) in \(place): members "
        + "would be mistaken for each other"
    }
    if peer.address.bitWidth != other.address.bitWidth {
      return
        "\(peer.address) is of another family than \(other.address) in \(place): an engine "
        + "uses one family"
    }
    if peer.address.isLoopback != other.address.isLoopback {
      return
        "of \(peer.address) and \(other.address) in \(place), one is a loopback address: no "
        + "other machine reaches it"
    }
    return nil
  }

  // MARK: - Time-outs

  private mutating func checkedTimers(engine: SourceLocation) -> RingTimers {
    let profile = draft.profile?.value ?? .lan
    var timers = profile.timers
    for (word, timer) in draft.timers {
      if let path = word.timer { timers[keyPath: path] = timer.value }
    }
    guard !draft.timersAreDoubtful else { return timers }
    for broken in timers.brokenInequalities(members: draft.peers.count) {
      let involved = EngineWord.allCases.filter { $0.phrase.map(broken.contains) ?? false }
      let values = involved.compactMap { word in
        word.timer.map { "\(word.rawValue) \(milliseconds(timers[keyPath: $0]))" }
      }
      let culprit = draft.timers.last { involved.contains($0.word) }?.timer.location
      report(
        Diagnostic(
          "the time-outs contradict each other: \(broken) does not hold with "
            + "\(values.joined(separator: ", ")) and \(draft.peers.count) peers",
          at: culprit ?? draft.profile?.location ?? engine,
          advice: "change one of them; the others are those of the profile \(profile.rawValue)"
        )
      )
    }
    return timers
  }

  private func milliseconds(_ duration: Duration) -> String {
    let (seconds, attoseconds) = duration.components
    return "\(seconds * 1_000 + attoseconds / 1_000_000_000_000_000)ms"
  }
}

extension EngineWord {
  /// The time-out that the parameter sets; `nil` if it sets none.
  var timer: WritableKeyPath<RingTimers, Duration>? {
    switch self {
    case .tokenLoss: \.tokenLoss
    case .tokenRetransmit: \.tokenRetransmit
    case .idleHold: \.idleHold
    case .beacon: \.beacon
    case .join: \.join
    case .consensus: \.consensus
    case .commitLoss: \.commitLoss
    case .ringAnnouncement: \.announcement
    case .node, .peers, .port, .multicast, .mtu, .key, .profile, .state: nil
    }
  }

  /// What ``RingTimers/brokenInequalities(members:hop:)`` calls the time-out.
  var phrase: String? {
    switch self {
    case .tokenLoss: "token loss"
    case .tokenRetransmit: "token retransmit"
    case .idleHold: "idle hold"
    case .beacon: "beacon"
    case .join: "join"
    case .consensus: "consensus"
    case .commitLoss, .ringAnnouncement: nil
    case .node, .peers, .port, .multicast, .mtu, .key, .profile, .state: nil
    }
  }
}
