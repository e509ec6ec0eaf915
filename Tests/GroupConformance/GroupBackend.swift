// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// A backend of ``GroupConnection`` under test: hosts with one user each, known by number from 0.
///
/// Users are connected from the start and reach each other.
package protocol GroupBackend: AnyObject {
  var capabilities: GroupCapabilities { get }

  /// Asks for something; `nil` if it was taken.
  func submit(_ request: GroupRequest, by user: Int) -> GroupRefusal?

  /// All that a user was told, but for ``GroupEvent/liveness(_:)``.
  func events(of user: Int) -> [GroupEvent]

  /// Lets time pass until nothing more happens.
  func settle()

  /// The user's process ends without a word.
  func crash(_ user: Int)

  /// The user's backend ends without a word and is started again at once. A user that outlives it
  /// is told ``GroupEvent/disconnected(_:)`` first.
  func restart(_ user: Int)

  /// Hosts reach only those in the same part from here on; each host is in one part.
  func part(_ parts: [[Int]])
}
