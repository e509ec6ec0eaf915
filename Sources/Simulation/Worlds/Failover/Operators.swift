// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import Failover
internal import FailoverNode
internal import FailoverWire
internal import GroupModel

/// What the nodes of a world are configured with, and what operators and health checks do to them.
///
/// While trouble lasts, weights, preferences, policies, lists of VIFs and versions of the program
/// differ from node to node; then all are brought to one configuration.
struct Operators: Sendable {
  /// The time between two of their doings, on average.
  let interval: Span
  /// What each node's storage says.
  var drained = HostSet()
  private let base: FailoverEngine.Settings
  private let own: [FailoverEngine.Settings]
  /// Nodes that begin with the older program, and have the newer one when they start again.
  private let older: HostSet
  private var tickets: UInt64 = 0

  init(hosts: Int, base: FailoverEngine.Settings, unit: Duration, drawing chance: inout Chance) {
    var base = base
    base.flapping.rest = unit * 4
    base.flapping.longestRest = unit * 8
    base.flapping.limit = chance.pick([5, 40]) ?? 5
    self.base = base
    let isMixed = chance.happens(percent: 50)
    let quorum = chance.happens(percent: 20) ? Quorum.majority(of: hosts) : nil
    let isRolling = chance.happens(percent: 25)
    older = HostSet((0..<hosts).filter { _ in isRolling && chance.happens(percent: 50) })
    interval = Span(unit) * (chance.pick([1, 3, 8, 1_000]) ?? 3)
    own = (0..<hosts).map { _ in
      var settings = base
      settings.quorum = quorum
      guard isMixed else { return settings }
      settings.weight = UInt16(chance.within(1...3))
      settings.prefers = base.vifs.map(\.id).filter { _ in chance.happens(percent: 20) }
      settings.policy = chance.happens(percent: 30) ? .drop : .keep
      settings.vifs = Self.variant(of: base.vifs, drawing: &chance)
      if base.vifs.count > 1, chance.happens(percent: 30) {
        settings.apart = [[base.vifs[0].id, base.vifs[1].id]]
      }
      return settings
    }
  }

  /// Some VIFs are missing, and some have only their primary address.
  private static func variant(
    of vifs: [VirtualInterface],
    drawing chance: inout Chance
  ) -> [VirtualInterface] {
    vifs.compactMap { vif in
      if chance.happens(percent: 15) { return nil }
      guard chance.happens(percent: 30) else { return vif }
      return VirtualInterface(addresses: Array(vif.addresses.prefix(1)))
    }
  }

  /// What the node is configured with when it starts for this time.
  func settings(
    of host: Int,
    node: NodeID,
    start: Int,
    isTroubled: Bool
  )
    -> FailoverEngine.Settings
  {
    var settings = isTroubled ? own[host] : base
    settings.node = node
    if older.contains(host), start <= 1 { settings.protocolVersion = 1 }
    return settings
  }

  /// Something that an operator or a check does to a node.
  mutating func doing(
    to host: Int,
    of cast: Cast,
    start: Int,
    drawing chance: inout Chance
  ) -> FailoverNodeEngine.Event {
    let vif = chance.pick(base.vifs)?.id
    let node = cast.node(chance.below(cast.count))
    switch (chance.below(100), vif) {
    case (0..<15, _): return .checks([])
    case (15..<25, _): return .checks([FailingCheck(name: Self.http)])
    case (25..<35, let vif?): return .checks([FailingCheck(name: Self.http, vifs: [vif])])
    case (35..<45, _): return command(.drain)
    case (45..<60, _): return command(.resume)
    case (60..<72, let vif?): return command(.move(vif, to: node))
    case (72..<80, let vif?):
      return command(.prefer(vif, chance.happens(percent: 70) ? node : nil))
    case (80..<85, _): return command(.balance)
    case (85..<90, let vif?): return command(.announce(vif))
    default:
      var settings = settings(of: host, node: cast.node(host), start: start, isTroubled: true)
      settings.vifs = Self.variant(of: base.vifs, drawing: &chance)
      return command(.reload(settings))
    }
  }

  /// What makes all nodes alike, healthy and willing.
  mutating func calming(_ host: Int, node: NodeID, start: Int) -> [FailoverNodeEngine.Event] {
    let settings = settings(of: host, node: node, start: start, isTroubled: false)
    return [.checks([]), command(.resume), command(.reload(settings))]
  }

  private static let http = GroupName("http").name

  private mutating func command(_ command: FailoverEngine.Command) -> FailoverNodeEngine.Event {
    tickets += 1
    return .command(command, .init(tickets))
  }
}
