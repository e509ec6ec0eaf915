// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// What the three users of a backend in real time were told, and fences: messages by which it is seen
/// that all that was said before has arrived.
package struct FencedUsers {
  private struct User {
    var events: [GroupEvent] = []
    /// Who it is in its latest session.
    var member: MemberID?
    var isConnected = false
    /// Whether it has, or is to have, a session.
    var isActive = true
    /// How many fences of each user it has heard.
    var fences = [0, 0, 0]
  }

  /// What no scenario sends.
  private static let mark: [UInt8] = [0xFE, 0x4C, 0xE0]

  private var users = [User(), User(), User()]

  package init() {}

  /// A user was told of something.
  package mutating func take(_ event: GroupEvent, of user: Int) {
    switch event {
    case .message(let message) where message.payload.starts(with: Self.mark):
      users[user].fences[Int(message.payload.last ?? 0)] += 1
      return
    case .connected(let member):
      users[user].member = member
      users[user].isConnected = true
    case .disconnected: users[user].isConnected = false
    case .liveness: return
    case .message, .view, .transitional, .left: break
    }
    // First attempts may meet nobody yet: what is told begins with the session.
    if users[user].events.isEmpty, case .disconnected = event { return }
    users[user].events.append(event)
  }

  package func events(of user: Int) -> [GroupEvent] { users[user].events }

  /// Whether a user has, or is to have, a session.
  package func isActive(_ user: Int) -> Bool { users[user].isActive }
  package func isConnected(_ user: Int) -> Bool { users[user].isConnected }

  /// A user asked for its end, or crashed.
  package mutating func end(_ user: Int) { users[user].isActive = false }

  /// A user's session went with its backend, without a word.
  package mutating func lose(_ user: Int) { users[user].isConnected = false }

  package var areAllConnected: Bool { users.allSatisfy { !$0.isActive || $0.isConnected } }

  /// The messages that everybody in a part is to send, each to everybody in it, and how many fences of
  /// each all will have heard then.
  package func fence(within parts: [[Int]]) -> (requests: [(Int, GroupRequest)], heard: [[Int]]) {
    var heard = users.map(\.fences)
    var requests: [(Int, GroupRequest)] = []
    for part in parts {
      let active = part.filter { users[$0].isActive }
      let groups = active.compactMap { users[$0].member.flatMap(GroupName.init(privateNameOf:)) }
      for user in active {
        let request = GroupRequest.multicast(
          groups: groups,
          service: .agreed,
          tag: 0,
          payload: Self.mark + [UInt8(user)]
        )
        requests.append((user, request))
        for other in active { heard[other][user] += 1 }
      }
    }
    return (requests, heard)
  }

  /// How many fences of each user each has heard.
  package var heard: [[Int]] { users.map(\.fences) }
}

/// A backend in real time, which sees by fences that all has arrived.
package protocol FencedBackend: GroupBackend {
  var users: FencedUsers { get }
  /// The hosts that reach each other.
  var parts: [[Int]] { get }
  /// Lets everything run until something is so; a test fails if that takes too long.
  func wait(_ what: String, until isSo: () -> Bool)
}

extension FencedBackend {
  package func events(of user: Int) -> [GroupEvent] { users.events(of: user) }

  /// Waits until all that was said before has arrived: everybody sends to everybody in its part, and
  /// hears that.
  ///
  /// A word that a backend says by itself may follow the first ones of its users: it is done thrice.
  package func passFences() {
    for _ in 0..<3 {
      let fence = users.fence(within: parts)
      for (user, request) in fence.requests {
        wait("room for a fence") { submit(request, by: user) == nil }
      }
      wait("fences") { users.heard == fence.heard }
    }
  }
}
