// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import Reactor

/// How an address is to stand on its interface.
package struct AddressOptions: Sendable, Equatable {
  /// The alias name of an IPv4 address, as ifconfig shows it; at most 15 bytes.
  package var label: String?
  /// As in rtnetlink(7); the kernel's default if `nil`.
  package var scope: UInt8?
  /// Adds no route for the prefix, so that the address attracts no traffic of the host.
  package var noPrefixRoute = true
  /// Uses an IPv6 address at once, without duplicate address detection (RFC 4862).
  package var noDuplicateDetection = true
  /// The seconds after which the kernel takes the address away; never if `nil`.
  ///
  /// The kernel refuses 0.
  package var validLifetime: UInt32?
  /// The seconds for which the kernel may choose it as a source address; as long as it is valid if
  /// `nil`.
  package var preferredLifetime: UInt32?

  package init() {}
}

/// What is wanted of one address.
package enum AddressChange: Sendable, Equatable {
  /// Add it; one that is there already is left as it is.
  case add(InterfaceAddress, AddressOptions)
  /// Set its lifetimes and flags anew; one that has gone is added.
  case renew(InterfaceAddress, AddressOptions)
  /// Take it away if it was added here.
  case remove(InterfaceAddress)

  package var address: InterfaceAddress {
    switch self {
    case .add(let address, _), .renew(let address, _), .remove(let address): address
    }
  }

  var verb: String {
    switch self {
    case .add: "add"
    case .renew: "renew"
    case .remove: "remove"
    }
  }
}

/// How one change ended.
package enum ChangeOutcome: Sendable, Equatable {
  case done
  /// It was so before: added by whomever, or gone.
  case already
  case failed(NetlinkError)
}

/// A request to the kernel that was not met: for what, and why.
package struct NetlinkError: Error, Sendable, Equatable {
  package enum Reason: Sendable, Equatable {
    /// The kernel refused, perhaps with a text of its own.
    case kernel(Errno, text: String?)
    /// There is no such interface on this machine.
    case noSuchInterface(InterfaceName)
    /// The address was there before and belongs to the host; it stays.
    case notOurs
    /// The guardian could not be told of the address, so it was not added.
    case unguarded
    /// The answer was lost; what happened is not known.
    case noAnswer
    /// Too many requests wait.
    case busy
    /// It was not sent: the time for which it was allowed had run out.
    case expired
  }

  /// What was attempted: "add 10.0.0.101/32 to eth0".
  package let attempt: String
  package let reason: Reason

  init(_ attempt: String, _ reason: Reason) { (self.attempt, self.reason) = (attempt, reason) }

  init(_ change: AddressChange, _ reason: Reason) {
    self.init("\(change.verb) \(change.address)", reason)
  }
}

extension NetlinkError: CustomStringConvertible {
  package var description: String {
    switch reason {
    case .kernel(let errno, let text): "\(attempt): \(errno)" + (text.map { ": \($0)" } ?? "")
    case .noSuchInterface(let name): "\(attempt): there is no interface \(name)"
    case .notOurs: "\(attempt): the host had this address before, so it stays"
    case .unguarded: "\(attempt): the guardian's table is full"
    case .noAnswer: "\(attempt): the kernel's answer was lost"
    case .busy: "\(attempt): too many requests wait for the kernel"
    case .expired: "\(attempt): not sent, it was allowed no longer"
    }
  }
}
