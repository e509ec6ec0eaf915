// SPDX-License-Identifier: Apache-2.0

package import GroupModel
package import GroupNode
internal import Groups
package import Machine
package import Ring

/// A group node that also shows what passes between its ring and its groups, in its place among
/// what it does.
package struct GroupMachine: StateMachine {
  package typealias Event = GroupNode.Event

  package enum Effect: Sendable, Equatable {
    case node(GroupNode.Effect)
    case saw(GroupNode.Sighting)
  }

  private(set) var node: GroupNode
  // Empty between events.
  private var nodeEffects = EffectQueue<GroupNode.Effect>()

  package init(node: GroupNode) {
    self.node = node
    self.node.isWatched = true
  }

  package var phaseName: RingEngine.PhaseName { node.phaseName }

  package func refusal(of request: GroupRequest, from process: InlineName) -> GroupRefusal? {
    node.refusal(of: request, from: process)
  }

  package var nextDeadline: Instant? { node.nextDeadline }

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    node.handle(event, at: now, into: &nodeEffects)
    merge(into: &effects)
  }

  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {
    node.advance(to: now, into: &nodeEffects)
    merge(into: &effects)
  }

  private mutating func merge(into effects: inout EffectQueue<Effect>) {
    let seen = node.takeSightings()
    var next = 0
    for (place, effect) in nodeEffects.takeAll().enumerated() {
      while next < seen.count, seen[next].before <= place {
        effects.append(.saw(seen[next].sighting))
        next += 1
      }
      effects.append(.node(effect))
    }
    for rest in seen[next...] { effects.append(.saw(rest.sighting)) }
  }
}
