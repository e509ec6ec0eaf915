// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import Machine

extension InterfacesEngine {
  /// What can happen to this node's addresses.
  package enum Event: Sendable, Equatable {
    /// The VIF is to stand on its interfaces; answered by ``Effect/held(_:_:)``.
    case hold(VirtualInterface)
    /// The VIF is to leave its interfaces, also where only a part of it is there; answered by
    /// ``Effect/dropped(_:_:)``.
    case drop(VirtualInterface)
    /// A token of the installed ring that this node had passed on at `passed` came back.
    case rotation(passed: Instant)
    /// The loop stalled, or others went on without this node: nothing is proved until a token comes
    /// back.
    case distrust
    /// The membership changed, or this node leaves it: what proved the old one proves nothing any
    /// more, and what was to be held and has not been sent to the kernel is given back by
    /// ``Effect/recalled(_:)``.
    case recall
    /// All addresses that stand on the interfaces, whoever put them there.
    case observed([InterfaceAddress])
    /// The kernel reports an address that is there, new or changed.
    case appeared(InterfaceAddress)
    /// The kernel reports that an address has gone.
    case vanished(InterfaceAddress)
    /// Whether the interface is administratively up.
    case link(InterfaceName, isUp: Bool)
    /// A batch of ``Effect/change(_:_:lease:until:)`` has ended, with one outcome for each change.
    case completed(Batch, [Outcome])
    /// Another lease and another life of proofs count from now on: see ``Settings``.
    case reconfigure(lease: Duration?, proofLife: Duration)
  }

  /// What the shell is to do; performed in order.
  package enum Effect: Sendable, Equatable {
    /// Ask the kernel for the changes, in one batch; answered by ``Event/completed(_:_:)``.
    ///
    /// Only one batch is under way at a time. Removals are made whenever the kernel gets to them;
    /// everything else only before `until`, looked at again right before it is sent. What is put or
    /// stays there has the `lease`; `nil` is for ever.
    case change(Batch, [Change], lease: Duration?, until: Instant?)
    /// All addresses of the VIF stand, or why not.
    case held(VIFID, Result)
    /// All addresses of the VIF are gone, or why not.
    case dropped(VIFID, Result)
    /// The VIF was to be held, and nothing was done about it; ask again if it still is.
    case recalled(VIFID)
    /// The VIF stood and cannot be kept there; the text says why. It is to be dropped.
    case lost(VIFID, String)
    /// Some address of a VIF that stood is not there: it must not be announced.
    case vanished(VIFID)
    /// All of its addresses are there again.
    case restored(VirtualInterface)
    /// One line for the log.
    case note(Note)
  }

  /// The number of a batch.
  package struct Batch: Sendable, Hashable {
    package let number: UInt64
    package init(number: UInt64) { self.number = number }
  }

  /// One change of one address.
  package enum Change: Sendable, Equatable {
    /// Put it there, for as long as the lease is.
    case add(InterfaceAddress)
    /// Begin its lease anew.
    case renew(InterfaceAddress)
    /// Take it away if it was added here.
    case remove(InterfaceAddress)
  }

  /// How one change ended.
  package enum Outcome: Sendable, Equatable {
    case done
    /// It was so before.
    case already
    /// It was not sent: the time for which it was allowed had run out.
    case expired
    case failed(String)
  }

  /// How a wish ended.
  package enum Result: Sendable, Equatable {
    case done
    /// The kernel's reasons.
    case failed(String)
  }

  /// What an operator may want to read.
  package enum Note: Sendable, Equatable {
    /// Somebody else took an address away, and it was put back; how often that was within a minute.
    case putBack(InterfaceAddress, times: Int)
    /// The lease had run out, since nothing proved that this node may renew it; the address is back.
    case leaseReturned(InterfaceAddress)
    /// Somebody takes the address away again and again: it is given up here.
    case fight(InterfaceAddress)
    /// For so long leases could not be renewed, since proof was missing.
    case renewalHeld(Duration)
  }

  /// What does not follow from events; leases change by ``Event/reconfigure(lease:proofLife:)``.
  package struct Settings: Sendable, Equatable {
    /// For how long the kernel keeps an address that is not renewed, in whole seconds; `nil` for ever.
    package var lease: Duration?
    /// How long ago a token that proves anything was passed on: the token time-out.
    package var proofLife: Duration
    /// How often an address is put back within ``putBackPeriod`` before it is given up.
    package var putBacks = 3
    package var putBackPeriod: Duration = .seconds(60)
    /// How long an address is missing before it is put back, by how often it was lately: whoever
    /// empties an interface does so in rounds until nothing is left.
    package var putBackPauses: [Duration] = [.zero, .milliseconds(200), .seconds(1)]
    /// The most addresses that wishes bring into one batch, so that completions keep coming.
    package var mostInBatch = 512

    package init(lease: Duration?, proofLife: Duration) {
      (self.lease, self.proofLife) = (lease, proofLife)
    }
  }
}

extension InterfacesEngine.Note: CustomStringConvertible {
  package var description: String {
    switch self {
    case .putBack(let address, let times):
      "\(address) had been taken away by somebody else: put back (\(times) within a minute)"
    case .leaseReturned(let address):
      "\(address): its lease had run out while the ring stood still: added again"
    case .fight(let address):
      "\(address) is taken away by somebody else again and again: given up here; find out who "
        + "does it (ip monitor address)"
    case .renewalHeld(let time):
      "leases were not renewed for \(time): no token had come back; they are from now on"
    }
  }
}
