// SPDX-License-Identifier: Apache-2.0

/// What worlds exercised: the proof that they were not tame.
package struct Counters: Sendable, Equatable {
  // Seen by the checkers.
  package var submitted = 0
  package var sent = 0
  package var delivered = 0
  package var deliveredInTransitional = 0
  package var safeInRegular = 0
  package var safeInTransitional = 0
  package var largeDelivered = 0
  package var retransmissions = 0
  package var configurations = 0
  package var transitions = 0
  package var merges = 0
  package var threeWayMerges = 0
  package var recoveriesPastHoles = 0

  package init() {}
}
