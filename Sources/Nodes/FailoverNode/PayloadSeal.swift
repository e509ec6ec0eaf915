// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// The keys of a cluster on a shared backend, and what is done with payloads that have no tag.
package struct PayloadSeal: Sendable {
  private let authenticator: any PayloadAuthenticator
  /// Whether this node's own messages have a tag.
  package let sendsSealed: Bool
  /// Whether messages without a tag are taken: while a cluster that had no key gets one.
  package let takesBare: Bool

  package init(
    _ authenticator: some PayloadAuthenticator,
    sendsSealed: Bool = true,
    takesBare: Bool = false
  ) {
    self.authenticator = authenticator
    (self.sendsSealed, self.takesBare) = (sendsSealed, takesBare)
  }

  /// The key that new tags are made with.
  package var keyID: UInt16 { authenticator.keyID }

  func tag(of statement: [UInt8]) -> PayloadTag { authenticator.tag(of: statement) }

  func judge(_ tag: PayloadTag, of statement: [UInt8], by key: UInt16) -> PayloadVerdict {
    authenticator.judge(tag, of: statement, by: key)
  }
}

extension PayloadSeal: Equatable {
  package static func == (lhs: Self, rhs: Self) -> Bool {
    (lhs.sendsSealed, lhs.takesBare) == (rhs.sendsSealed, rhs.takesBare)
      && isSame(lhs.authenticator, as: rhs.authenticator)
  }

  private static func isSame<Authenticator: PayloadAuthenticator>(
    _ one: Authenticator,
    as other: any PayloadAuthenticator
  ) -> Bool {
    one == other as? Authenticator
  }
}

/// Why a payload that came from the group does not reach the fail-over engine.
package enum PayloadDrop: String, Sendable, Hashable, CaseIterable {
  /// The tag is not that of its contents.
  case forged
  /// The sender uses a key that is not in this node's key file.
  case unknownKey = "unknown_key"
  /// Its counter is not higher than that of an earlier one.
  case replayed
  /// It was sent in another view; some are, at each change of membership.
  case otherView = "other_view"
  /// It is no envelope that this version can read.
  case malformed
  /// It has no tag at all.
  case unsealed
  /// It has a tag, and this node has no key.
  case sealed
}

/// That a sender is not listened to, and why.
package struct PayloadReport: Sendable, Hashable {
  package let sender: MemberID
  package let reason: PayloadDrop

  package init(sender: MemberID, reason: PayloadDrop) {
    (self.sender, self.reason) = (sender, reason)
  }
}

extension PayloadDrop: CustomStringConvertible {
  package var description: String {
    switch self {
    case .forged: "the tag of its message is wrong: it has another key of that number, or none"
    case .unknownKey: "it uses a key that is not in the key file here"
    case .replayed: "it repeats a message"
    case .otherView: "its message is of another view"
    case .malformed: "its message cannot be read"
    case .unsealed: "its message has no tag: it runs without a Key"
    case .sealed: "its message has a tag, and here is no Key to judge it by"
    }
  }
}

/// How many payloads were dropped, by reason.
package struct PayloadDrops: Sendable, Equatable {
  private var counts = [UInt64](repeating: 0, count: PayloadDrop.allCases.count)
  /// Own messages that were lost since too many waited.
  package internal(set) var unsent: UInt64 = 0

  package internal(set) subscript(reason: PayloadDrop) -> UInt64 {
    get { PayloadDrop.allCases.firstIndex(of: reason).map { counts[$0] } ?? 0 }
    set { PayloadDrop.allCases.firstIndex(of: reason).map { counts[$0] = newValue } }
  }

  package init() {}
}
