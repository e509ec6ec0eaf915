// SPDX-License-Identifier: Apache-2.0

/// The rules that checkers watch, by the names under which they are specified.
package enum Rule: String, Sendable, CaseIterable {
  case integrity = "Basic.Integrity"
  case oneConfiguration = "Basic.OneConfiguration"
  case localOrder = "Basic.LocalOrder"
  case membership = "Config.Membership"
  case same = "Config.Same"
  case sequence = "Config.Sequence"
  case eventually = "Config.Eventually"
  case selfDelivery = "SelfDelivery"
  case virtualSynchrony = "VirtualSynchrony"
  case causal = "Causal"
  case consistent = "Total.Consistent"
  case noGaps = "Total.NoGaps"
  case safeDelivery = "Safe.Delivery"
  case safeConfiguration = "Safe.Configuration"
  case reliable = "Reliable"
  case fifo = "FIFO"
  case oneToken = "Ring.OneToken"
  case ringSequence = "Ring.Seq"
  case commitID = "Commit.Id"
  case groupView = "Group.View"
  case selfInclusion = "Group.SelfInclusion"
  case cut = "Group.Cut"
  case cameTogether = "Group.CameTogether"
  case oneOrder = "Group.OneOrder"
  case open = "Group.Open"
  case groupID = "Group.Id"
  /// What processes asked for comes true once the network heals.
  case groupsEventually = "Group.Eventually"
  /// A machine that asks to be called again and again without time going by.
  case progress = "Machine.Progress"
  /// A datagram that the codec does not give back as it was.
  case wire = "Wire.RoundTrip"
  /// Within a view no allocation creates a second holder.
  case secondHolder = "Failover.NoSecondHolder"
  /// Two holders in one component only where two sets brought a VIF to a merge.
  case twoHolders = "Failover.TwoHolders"
  /// In a settled view each VIF that somebody could hold has exactly one holder.
  case coverage = "Failover.Coverage"
  /// Only a holder announces, and the keeper of a merge does.
  case announcement = "Failover.Announcement"
}

/// A rule that was broken: the first thing a replay is to explain.
package struct Violation: Error, Sendable, Equatable {
  package let rule: Rule
  package let text: String

  package init(_ rule: Rule, _ text: String) { (self.rule, self.text) = (rule, text) }
}

extension Violation: CustomStringConvertible {
  package var description: String { "\(rule.rawValue): \(text)" }
}
