// SPDX-License-Identifier: Apache-2.0

package import GroupModel
package import GroupNode
package import Groups
import Machine
package import Reactor
package import Ring
package import Seal

/// The embedded engine as a ``GroupConnection``: a group node, its socket and its stored bound.
package final class EmbeddedRing: GroupConnection {
  package let capabilities: GroupCapabilities = [
    .safe, .transitional, .cameTogether, .openGroups, .privateNames,
  ]

  private let link: PacketLink
  private let store: (UInt64) -> Void
  private let noted: (RingEngine.Note) -> Void
  private let groupsNoted: (GroupsEngine.Note) -> Void
  private var handler: (GroupEvent) -> Void = { _ in }
  /// Set once, at the end of the initialiser.
  private var driver: Driver<GroupNode>?

  // Whoever submits is told of nothing before the call returns: it may not be done with it.
  private var isSubmitting = false
  /// Events that wait for a later turn of the loop, and those that came after them.
  private var held: [GroupEvent] = []
  private var heldSince = Instant.boot

  /// Connects the node to the loop.
  ///
  /// `store` writes a bound to stable storage off the loop, and calls ``stored(_:)`` or ``notStored()``
  /// on it later.
  /// `noted` and `groupsNoted` are told what an operator may want to read.
  package init(
    node: GroupNode,
    link: PacketLink,
    loop: EventLoop,
    store: @escaping (UInt64) -> Void,
    noted: @escaping (RingEngine.Note) -> Void,
    groupsNoted: @escaping (GroupsEngine.Note) -> Void
  ) throws(SystemError) {
    (self.link, self.store) = (link, store)
    (self.noted, self.groupsNoted) = (noted, groupsNoted)
    let driver = Driver(node) { [unowned self] in perform($0) }
    self.driver = driver
    driver.settled = { link.flush() }
    driver.schedule(on: loop)
    loop.addAlarm(
      next: { [unowned self] in held.isEmpty ? nil : heldSince },
      fire: { [unowned self] now in release(at: now) }
    )
    try link.deliver(on: loop) { driver.feed(.received($0)) }
  }

  /// The ring's counters and present membership.
  package var engine: RingEngine? { driver?.machine.engine }
  /// Datagrams that were dropped before they reached the engine, by reason.
  package var linkDrops: [(reason: String, count: UInt64)] { link.allDrops }

  package func deliver(to handler: @escaping (GroupEvent) -> Void) { self.handler = handler }

  package func submit(_ request: GroupRequest) throws(GroupRefusal) {
    guard let driver else { throw .disconnected }
    if let refusal = driver.machine.refusal(of: request) { throw refusal }
    isSubmitting = true
    defer { isSubmitting = false }
    driver.feed(.request(request))
  }

  private func tell(_ event: GroupEvent) {
    guard isSubmitting || !held.isEmpty else { return handler(event) }
    if held.isEmpty { heldSince = BootClock.now }
    held.append(event)
  }

  /// Tells what waited; what the handler's own requests bring about waits for the next turn.
  private func release(at now: Instant) {
    let count = held.count
    for index in 0..<count { handler(held[index]) }
    held.removeFirst(count)
    heldSince = now
  }

  /// Goes over to other keys; on failure nothing changes.
  package func replace(keys: [ClusterKey]) throws(SubKey.Failure) { try link.replace(keys: keys) }

  /// The members of the ring that must leave before it can have these settings.
  package func membersInTheWay(of settings: RingEngine.Settings) -> Roster {
    engine?.membersInTheWay(of: settings) ?? .empty
  }

  /// Takes on other members and time-outs once the ring stands; notes tell whether it did.
  package func reconfigure(_ settings: RingEngine.Settings, members: [PacketLink.Member]) {
    link.propose(members: members)
    driver?.feed(.reconfigure(settings))
  }

  /// Whether obituaries are believed, and made, where nothing is sealed.
  package func believe(obituaries: Bool) { link.believe(obituaries: obituaries) }

  /// The datagram by which a guardian tells the other members that this process has died.
  ///
  /// `nil` where they would not believe it. It is to be made anew after the keys were replaced.
  package func obituary() -> [UInt8]? {
    guard let engine else { return nil }
    return link.obituary(of: engine.incarnation)
  }

  /// Calls `handler` when the others were told that this process is dead: they do not listen to it any
  /// more.
  package func whenReportedDead(_ handler: @escaping () -> Void) { link.reportedDead = handler }

  /// Calls `handler` with each member whose guardian says that it died and its addresses are gone,
  /// before the view without it.
  package func whenDied(_ handler: @escaping (NodeID) -> Void) { link.died = handler }

  /// Reports that the bound is on stable storage.
  package func stored(_ bound: UInt64) { driver?.feed(.stored(bound: bound)) }

  /// Reports that a bound could not be stored.
  package func notStored() { driver?.feed(.notStored) }

  private func perform(_ effect: GroupNode.Effect) {
    switch effect {
    case .send(let packet, let node): link.send(packet, to: node)
    case .multicast(let packet, let roster): link.send(packet, to: roster)
    case .store(let bound): store(bound)
    case .drain:
      // What is fed now waits behind the present effects, and the end of it behind that.
      link.drain { driver?.feed(.received($0)) }
      driver?.feed(.drained)
    case .group(let event): tell(event)
    case .client: break  // Nobody but the resident is connected here.
    case .note(let note):
      link.follow(note)
      noted(note)
    case .groupsNote(let note): groupsNoted(note)
    }
  }
}
