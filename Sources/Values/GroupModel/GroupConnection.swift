// SPDX-License-Identifier: Apache-2.0

/// What a user asks of a ``GroupConnection``.
package enum GroupRequest: Sendable, Hashable {
  case join(GroupName)
  case leave(GroupName)
  /// Sends to all members of all the groups, which the sender need not be in (open groups).
  case multicast(groups: [GroupName], service: Service, tag: Int16, payload: [UInt8])
  /// Leaves everything gracefully; `disconnected(.requested)` is the last event.
  case disconnect
}

/// What a backend can do; asking for a missing one fails at configuration time.
package struct GroupCapabilities: OptionSet, Sendable, Hashable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Safe delivery.
  package static let safe = Self(rawValue: 1 << 0)
  /// The transitional signal before a view that loses members.
  package static let transitional = Self(rawValue: 1 << 1)
  /// Views say who came together.
  package static let cameTogether = Self(rawValue: 1 << 2)
  /// Senders need not be members.
  package static let openGroups = Self(rawValue: 1 << 3)
  /// Messages to one member.
  package static let privateNames = Self(rawValue: 1 << 4)
}

/// Why a request was not taken.
package enum GroupRefusal: Error, Sendable, Equatable {
  /// The backend is not connected.
  case disconnected
  /// The backend's queue is full; try again after the next event.
  case congested
  /// The payload is longer than the backend takes.
  case tooLong(limit: Int)
  /// The message names no destination, or more than the backend takes.
  case destinations(limit: Int)
  /// Nobody joins or leaves a private name.
  case privateName
  /// The backend lacks a capability.
  case unsupported(GroupCapabilities)
}

/// The port to group communication that fail-over and logging use, whatever carries it.
///
/// Adapters: the embedded engine, a Spread session, Corosync CPG. An adapter belongs to one loop
/// and never blocks it.
package protocol GroupConnection: AnyObject {
  var capabilities: GroupCapabilities { get }

  /// Takes a request; what follows from it reaches the handler later, never within this call.
  ///
  /// - Throws: why the request was not taken; then it has no effect at all.
  func submit(_ request: GroupRequest) throws(GroupRefusal)

  /// Names who is told of events, in the backend's order; to be called before the loop runs.
  func deliver(to handler: @escaping (GroupEvent) -> Void)
}
