// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import GroupModel

/// One change of holder, as it was decided.
package struct HistoryEntry: Sendable, Hashable {
  /// The view in which it was decided.
  package var view: ViewID
  /// Grows with every change that a table has seen.
  package var number: UInt64
  package var vif: VIFID
  package var from: MemberID?
  package var to: MemberID?
  package var reason: ChangeReason
  /// How long ago, in milliseconds, at the moment of the report.
  package var age: UInt32

  /// The most that are kept.
  package static let limit = 256

  package init(
    view: ViewID,
    number: UInt64,
    vif: VIFID,
    from: MemberID?,
    to: MemberID?,
    reason: ChangeReason,
    age: UInt32 = 0
  ) {
    self.view = view
    self.number = number
    self.vif = vif
    self.from = from
    self.to = to
    self.reason = reason
    self.age = age
  }
}

/// Why a holder changed, or a VIF leaves the interfaces.
package enum ChangeReason: Sendable, Hashable {
  /// Nobody held it.
  case uncovered
  /// The holder left the view.
  case holderGone
  /// The holder is not eligible.
  case notEligible(Readiness)
  case drained
  case leaving
  /// Several held it at a merge.
  case conflict
  /// The table of the merged view has another holder.
  case merged
  case balance
  /// The holder could not remove it, or not in time.
  case cancelled
  /// A removal is asked by the replicated table.
  case asked
  case disconnected
  /// The holder has been silent for too long.
  case silent
  /// The component is too small.
  case quorum
  /// An operator asked for it.
  case ordered
  /// The configuration changed.
  case reconfigured
  /// A reason that a newer version of the program gave.
  case other
}

extension ChangeReason {
  /// The reason as a number, and that of the readiness that goes with it.
  var code: (reason: UInt8, readiness: UInt8) {
    switch self {
    case .uncovered: (0, 0)
    case .holderGone: (1, 0)
    case .notEligible(let readiness): (2, readiness.rawValue)
    case .drained: (3, 0)
    case .leaving: (4, 0)
    case .conflict: (5, 0)
    case .merged: (6, 0)
    case .balance: (7, 0)
    case .cancelled: (8, 0)
    case .asked: (9, 0)
    case .disconnected: (10, 0)
    case .silent: (11, 0)
    case .quorum: (12, 0)
    case .ordered: (13, 0)
    case .reconfigured: (14, 0)
    case .other: (255, 0)
    }
  }

  init(reason: UInt8, readiness: UInt8) {
    switch reason {
    case 0: self = .uncovered
    case 1: self = .holderGone
    case 2: self = .notEligible(Readiness(rawValue: readiness) ?? .other)
    case 3: self = .drained
    case 4: self = .leaving
    case 5: self = .conflict
    case 6: self = .merged
    case 7: self = .balance
    case 8: self = .cancelled
    case 9: self = .asked
    case 10: self = .disconnected
    case 11: self = .silent
    case 12: self = .quorum
    case 13: self = .ordered
    case 14: self = .reconfigured
    default: self = .other  // Of a newer version.
    }
  }
}

extension ChangeReason: CustomStringConvertible {
  package var description: String {
    switch self {
    case .uncovered: "nobody held it"
    case .holderGone: "its holder is gone"
    case .notEligible(let readiness): "its holder is not eligible: \(readiness)"
    case .drained: "its holder is drained"
    case .leaving: "its holder is leaving"
    case .conflict: "several held it"
    case .merged: "the merged table has another holder"
    case .balance: "balance"
    case .cancelled: "its removal was cancelled"
    case .asked: "another member is to hold it"
    case .disconnected: "the group is lost"
    case .silent: "its holder is silent"
    case .quorum: "too few members"
    case .ordered: "an operator asked for it"
    case .reconfigured: "the configuration changed"
    case .other: "another reason"
    }
  }
}
