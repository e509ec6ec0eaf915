// SPDX-License-Identifier: Apache-2.0

import GroupModel

// Configurations: who goes on with whom, and with which messages.

extension Cluster {
  /// Forms one configuration of each component; nodes in none keep the one they have.
  ///
  /// `kept` chooses how much of an old log those who go on together deliver: a value from the
  /// first to the second argument.
  mutating func form(_ components: [[Int]], kept: (Int, Int) -> Int = { $1 }) {
    for component in components {
      let present = component.filter { nodes[$0].engine != nil && nodes[$0].joined }
      if !present.isEmpty { form(present.sorted { nodes[$0].id < nodes[$1].id }, kept) }
    }
  }

  private mutating func form(_ component: [Int], _ kept: (Int, Int) -> Int) {
    let number = configurations.count
    configurations.append(Configuration(members: component.map { nodes[$0].id }))
    let id = ViewID(epoch: UInt64(number + 1), origin: nodes[component[0]].id.digest, index: 1)
    let members = component.map { nodes[$0].member }.sorted()
    var done: [Int] = []
    for index in component where !done.contains(index) {
      let together = component.filter { nodes[$0].lineage == nodes[index].lineage }
      done += together
      cut(together, kept)
      let lineage = newLineage()
      for member in together {
        let view = GroupView(
          group: Self.group,
          id: id,
          members: members,
          cameTogether: together.map { nodes[$0].member }.sorted(),
          cause: .network
        )
        nodes[member].inbox.append(.view(view, configuration: number, lineage: lineage))
        nodes[member].configuration = number
      }
    }
    // From here on they hold the same messages.
    let lineage = newLineage()
    for member in component { nodes[member].lineage = lineage }
  }

  /// Ends the old configuration for those who leave it together.
  private mutating func cut(_ together: [Int], _ kept: (Int, Int) -> Int) {
    guard let old = nodes[together[0]].configuration else { return }
    let least = together.map { delivered(of: old, by: $0) }.max() ?? 0
    let end = kept(least, configurations[old].count)
    let senders = together.map { nodes[$0].member }
    for member in together {
      let inbox = nodes[member].inbox.filter { item in
        guard case .message(let position, let message) = item, isLast(item, of: member) else {
          return true
        }
        return position < end || senders.contains(message.sender)
      }
      counters.lost += nodes[member].inbox.count - inbox.count
      nodes[member].inbox = inbox
    }
  }

  /// Whether the item belongs to the configuration that the node is in.
  private func isLast(_ item: Item, of index: Int) -> Bool {
    guard case .message(_, let message) = item else { return false }
    return message.tag == tag(of: nodes[index].configuration)
  }

  func tag(of configuration: Int?) -> Int16 {
    Int16(truncatingIfNeeded: (configuration ?? -1) % 30_000)
  }

  /// How many messages of the log the node has delivered.
  private func delivered(of configuration: Int, by index: Int) -> Int {
    for item in nodes[index].inbox {
      switch item {
      case .message(let position, _): if isLast(item, of: index) { return position }
      case .view(_, let number, _): if number == configuration { return 0 }
      }
    }
    return configurations[configuration].count
  }

  /// The node does not get to install the configuration that it was about to; what it held before
  /// stays with it.
  mutating func uninstall(_ index: Int) {
    let last = nodes[index].inbox.lastIndex { item in
      if case .view = item { true } else { false }
    }
    guard let last, case .view(_, _, let lineage) = nodes[index].inbox[last] else { return }
    nodes[index].inbox.removeSubrange(last...)
    nodes[index].lineage = lineage
    nodes[index].configuration = nil  // The old log has ended: nothing more of it arrives.
    counters.uninstalled += 1
  }

  /// One component of all nodes that live.
  mutating func heal() { form([Array(nodes.indices)]) }

  /// Forms components by name.
  mutating func partition(_ components: [NodeID]...) {
    form(components.map { $0.map { index($0) } })
  }
}
