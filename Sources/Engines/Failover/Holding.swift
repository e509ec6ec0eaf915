// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import FailoverWire
internal import Machine

/// What this node has done with one of its VIFs.
struct Holding: Sendable, Hashable {
  /// What is, or is about to be, on the interfaces.
  private(set) var vif: VirtualInterface
  /// As it is configured now; `nil` if it is no longer.
  var successor: VirtualInterface?
  var presence = Presence.absent
  /// The removal that was answered last, so that it is answered once.
  var answered: MoveID?
  /// The removal whose failure was told last.
  var confessed: MoveID?
  /// It is to be announced as soon as that may be.
  var owesAnnouncement = false
  /// When to announce once more after a merge.
  var announcesAgain: Instant?
  /// For status: when and why the holder last changed, as far as this run of the daemon knows.
  var since: Instant
  var reason: String
  /// Whether it has changed in this run.
  var hasChanged = false

  /// Whether the addresses are on the interfaces; at most one kernel request is under way.
  enum Presence: Sendable, Hashable {
    case absent
    case adding
    case present
    case removing
    /// A removal failed; it is tried again then.
    case stuck(retry: Instant)
  }

  init(_ vif: VirtualInterface, at now: Instant) {
    self.vif = vif
    successor = vif
    since = now
    reason = "not assigned yet"
  }

  var isAbsent: Bool { presence == .absent }

  /// Whether it is as configured now.
  var isCurrent: Bool { successor == vif }

  /// Once nothing of the old is left, the new takes its place.
  mutating func succeed() {
    if isAbsent, let successor { vif = successor }
  }

  var retry: Instant? {
    switch presence {
    case .stuck(let retry): retry
    case .absent, .adding, .present, .removing: nil
    }
  }
}
