// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import Machine

extension InterfacesEngine {
  /// A VIF that is wished for or stands.
  struct Claim: Sendable, Equatable {
    let vif: VirtualInterface
    var stage: Stage
    /// One for each address, in the VIF's order.
    var slots: [Slot]
    /// What was told last of a VIF that stands: whether all of it is there.
    var isToldWhole = true

    init(_ vif: VirtualInterface, stage: Stage) {
      (self.vif, self.stage) = (vif, stage)
      slots = vif.addresses.map(Slot.init)
    }
  }

  enum Stage: Sendable, Equatable {
    /// To be added, once there is proof.
    case wished
    /// The kernel is adding it.
    case asked
    case standing
    /// It could not be kept; to be dropped.
    case lost
    /// To be removed.
    case unwished
    /// The kernel is removing it.
    case leaving
  }

  struct Slot: Sendable, Equatable {
    let address: InterfaceAddress
    /// Since when it is known not to be there; `nil` while it is.
    var missingSince: Instant?
    /// When its lease runs out, by what the kernel confirmed last; `nil` if that was without one.
    var endsAt: Instant?
    /// When it was put back lately, the oldest first.
    var putBacks: [Instant] = []

    init(_ address: InterfaceAddress) { self.address = address }

    var isMissing: Bool { missingSince != nil }
  }

  /// A batch that the kernel has not answered.
  struct UnderWay: Sendable, Equatable {
    let batch: Batch
    let parts: [Part]
    let lease: Duration?
    /// When it will have kept leases from being renewed for too long.
    var renewalDeadline: Instant?
  }

  /// Why a change is in a batch, and how many of its changes belong to that.
  enum Part: Sendable, Equatable {
    case hold(VIFID, count: Int)
    case drop(VIFID, count: Int)
    case putBack(InterfaceAddress, of: VIFID, counted: Bool)
    case renew(InterfaceAddress, of: VIFID)

    var count: Int {
      switch self {
      case .hold(_, let count), .drop(_, let count): count
      case .putBack, .renew: 1
      }
    }
  }
}
