// SPDX-License-Identifier: Apache-2.0

import Addresses
import EmbeddedRing
import GroupConformance
import GroupModel
import GroupNode
import Machine
import Namespaces
import Reactor
import Ring
import RingWire
import Testing

/// Three embedded engines with their sockets on the loopback of a namespace, cut from each other by a
/// packet filter.
///
/// Must be used and ended on one thread, within a namespace of its own.
final class RealRings: FencedBackend {
  /// What ends with a process.
  private struct Host {
    let loop: EventLoop
    let ring: EmbeddedRing
  }

  private static let names: [NodeID] = ["a", "b", "c"]
  private static let patience = Duration.seconds(60)

  let capabilities: GroupCapabilities
  private var hosts: [Host?] = [nil, nil, nil]
  private(set) var users = FencedUsers()
  private(set) var parts = [[0, 1, 2]]
  /// What each host's storage holds.
  private var bounds: [UInt64] = [1, 1, 1]
  private var starts: UInt64 = 0

  init() throws {
    capabilities = [.safe, .transitional, .cameTogether, .openGroups, .privateNames]
    for host in 0..<3 { hosts[host] = try make(host) }
    settle()
    for host in hosts where host?.ring.capabilities != capabilities {
      Issue.record("other capabilities: \(String(describing: host?.ring.capabilities))")
    }
  }

  /// The time-outs are long: these engines are not optimised, and run beside other tests.
  private func make(_ host: Int) throws -> Host {
    starts += 1
    let loop = try EventLoop()
    let members = Self.names.enumerated().map { number, name in
      PacketLink.Member(
        node: name,
        endpoint: Endpoint(
          address: .v4(IPv4Address(0x7F00_0001 + UInt32(number))),
          port: 4_803
        )
      )
    }
    let link = try PacketLink(
      me: Self.names[host],
      members: members,
      cluster: 1,
      boot: BootID(starts, 2, 3, 4),
      sealer: nil
    )
    let settings = RingEngine.Settings(
      me: Self.names[host],
      configured: Roster(Self.names),
      timers: .wan
    )
    let process = try #require(InlineName("user".utf8))
    let node = GroupNode(
      settings: settings,
      process: process,
      storedSequenceBound: bounds[host],
      random: SplitMix64(seed: starts),
      startingAt: BootClock.now
    )
    let ring = try EmbeddedRing(
      node: node,
      link: link,
      loop: loop,
      store: { [unowned self] in store($0, of: host) },
      noted: { _ in },
      groupsNoted: { _ in }
    )
    ring.deliver { [unowned self] in users.take($0, of: host) }
    return Host(loop: loop, ring: ring)
  }

  private func store(_ bound: UInt64, of host: Int) {
    bounds[host] = max(bounds[host], bound)
    hosts[host]?.ring.stored(bound)
  }

  // MARK: - Backend

  func submit(_ request: GroupRequest, by user: Int) -> GroupRefusal? {
    guard let host = hosts[user] else { return .disconnected }
    do throws(GroupRefusal) {
      try host.ring.submit(request)
    } catch {
      return error
    }
    if request == .disconnect { users.end(user) }
    return nil
  }

  func crash(_ user: Int) {
    hosts[user] = nil
    users.end(user)
  }

  func restart(_ user: Int) {
    hosts[user] = nil
    users.lose(user)
    do {
      hosts[user] = try make(user)
    } catch {
      Issue.record("cannot start it again: \(error)")
    }
  }

  func part(_ parts: [[Int]]) {
    self.parts = parts
    do {
      try Namespace.cutLoopback(into: parts)
    } catch {
      Issue.record("cannot cut: \(error)")
    }
  }

  // MARK: - Time

  private var isAsParted: Bool {
    parts.allSatisfy { part in
      // Whoever asked for its end has left the ring.
      let living = part.filter { hosts[$0] != nil && users.isActive($0) }
      let roster = Roster(living.map { Self.names[$0] })
      return living.allSatisfy { number in
        guard let engine = hosts[number]?.ring.engine else { return false }
        return engine.phaseName == .operational && engine.members == roster
      }
    }
  }

  /// Waits until the rings are as the cut wants them, and all that was said before has arrived.
  func settle() {
    wait("rings of \(parts)") { self.isAsParted }
    wait("connections") { self.users.areAllConnected }
    passFences()
  }

  func wait(_ what: String, until isSo: () -> Bool) {
    let limit = BootClock.now + Self.patience
    while !isSo() {
      guard BootClock.now < limit else {
        let phases = hosts.map { $0?.ring.engine?.phaseName }
        Issue.record("\(what): not within \(Self.patience), in \(phases)")
        return
      }
      do {
        for host in hosts.compactMap({ $0 }) {
          try host.loop.turn(until: BootClock.now + .microseconds(200))
        }
      } catch {
        Issue.record("a loop: \(error)")
        return
      }
    }
  }
}

@Suite("The embedded engine and its sockets", .serialized)
struct RealRingsTests {
  @Test(
    "Cut, merged, killed and started again, it conforms",
    .enabled(if: Namespace.isAllowed),
    arguments: GroupConformance.scenarios.indices
  )
  func conformance(index: Int) throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let scenario = GroupConformance.scenarios[index]
    for finding in scenario.run(try RealRings()) {
      Issue.record("\(scenario.name): \(finding.prefix(2_000))")
    }
  }
}
