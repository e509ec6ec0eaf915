// SPDX-License-Identifier: Apache-2.0

import GroupModel

/// The processes connected to this daemon.
struct Locals: Sendable, Equatable {
  private enum State: Sendable, Equatable {
    case connected
    /// It asked to be disconnected, and hears all up to the place of that in the order.
    case leaving
    /// It is gone; its name is taken until its disconnect has had its place in the order.
    case gone
  }

  private struct Local: Sendable, Equatable {
    var state: State
    /// The number of the last message looked at for it.
    var stamp: UInt64 = 0
  }

  private var processes: [InlineName: Local] = [:]
  private var stamp: UInt64 = 0

  var count: Int { processes.count }

  func contains(_ process: InlineName) -> Bool { processes[process] != nil }

  /// Whether the process is there and did not ask to be disconnected.
  func isConnected(_ process: InlineName) -> Bool { processes[process]?.state == .connected }

  /// Whether the process is there to be told something.
  func hears(_ process: InlineName) -> Bool {
    switch processes[process]?.state {
    case .connected, .leaving: true
    case .gone, nil: false
    }
  }

  mutating func add(_ process: InlineName) { processes[process] = Local(state: .connected) }
  mutating func beginLeaving(_ process: InlineName) { processes[process]?.state = .leaving }
  mutating func lose(_ process: InlineName) { processes[process]?.state = .gone }
  mutating func remove(_ process: InlineName) { processes[process] = nil }

  /// Those meant by any of the destinations, each once.
  mutating func receivers(
    of destinations: [GroupName],
    at node: NodeID,
    in directory: Directory
  ) -> [InlineName] {
    var receivers: [InlineName] = []
    stamp &+= 1
    for destination in destinations {
      if destination.isPrivate {
        guard let member = destination.member, member.node == node else { continue }
        if isNew(member.process) { receivers.append(member.process) }
        continue
      }
      guard let group = directory.place(of: destination) else { continue }
      for position in directory.positions(of: node, in: group) {
        let process = directory.member(position, of: group).process
        if isNew(process) { receivers.append(process) }
      }
    }
    return receivers
  }

  /// Marks a process as looked at for this message; `false` if it was, or cannot hear.
  private mutating func isNew(_ process: InlineName) -> Bool {
    guard hears(process), processes[process]?.stamp != stamp else { return false }
    processes[process]?.stamp = stamp
    return true
  }
}

/// Requests that wait until the ring takes messages and no exchange is under way.
struct Outbox: Sendable, Equatable {
  struct Item: Sendable, Equatable {
    let service: Service
    let payload: [UInt8]
  }

  var isCongested = false
  private(set) var items: [Item] = []
  private(set) var bytes = 0

  mutating func append(_ item: Item) {
    items.append(item)
    bytes += item.payload.count
  }

  mutating func takeAll() -> [Item] {
    defer { (items, bytes) = ([], 0) }
    return items
  }
}
