// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// Watches what rings must do and shows from outside: tokens, and the birth of ring ids.
package struct RingChecker: Sendable {
  /// One token as it was first sent.
  private struct TokenRecord: Sendable {
    var process = -1
    var fingerprint: UInt64 = 0
  }

  /// Who made a ring id, and for whom.
  private struct Birth: Sendable {
    let process: Int
    let members: HostSet
  }

  private let cast: Cast
  package private(set) var violation: Violation?
  private var tokens: [RingID: [TokenRecord]] = [:]
  private var births: [RingID: Birth] = [:]

  package init(cast: Cast) { self.cast = cast }

  /// A process puts a token of an installed ring on the wire.
  ///
  /// Each token sequence number belongs to the process that sent it first and to one content: a
  /// second one would be a second live token.
  package mutating func token(
    by process: Int,
    on host: Int,
    ring: RingID,
    sequence: UInt64,
    fingerprint: UInt64
  ) {
    guard sequence < 1 << 22 else {
      return report(.oneToken, "token \(sequence) of ring \(ring) is out of all range")
    }
    let place = Int(sequence)
    let known = tokens[ring]?.count ?? 0
    if known <= place {
      tokens[ring, default: []].append(
        contentsOf: repeatElement(TokenRecord(), count: place + 1 - known)
      )
    }
    guard let first = tokens[ring]?[place], first.process >= 0 else {
      tokens[ring]?[place] = TokenRecord(process: process, fingerprint: fingerprint)
      return
    }
    if first.process != process || first.fingerprint != fingerprint {
      report(
        .oneToken,
        "token \(sequence) of ring \(ring) is sent by \(cast.node(host)), "
          + (first.process == process ? "twice with different content" : "and was by another")
      )
    }
  }

  /// A representative puts a commit token for a ring of these members on the wire, or forms a ring
  /// of one.
  ///
  /// `bound` is what the representative's storage holds; `nil` if it stores nothing. That the
  /// sequence is above all that members know shows when they install it (Config.Sequence).
  package mutating func birth(
    of ring: RingID,
    by process: Int,
    on host: Int,
    members: HostSet,
    bound: UInt64?
  ) {
    if let first = births[ring] {
      if first.process != process || first.members != members {
        report(
          .commitID,
          "\(cast.node(host)) makes ring \(ring) of \(cast.text(members)), an id used before for "
            + cast.text(first.members)
        )
      }
      return
    }
    births[ring] = Birth(process: process, members: members)
    if let bound, ring.sequence > bound {
      report(
        .commitID,
        "\(cast.node(host)) makes ring \(ring), but its storage holds only \(bound)"
      )
    }
  }

  /// A process installs a ring; `bound` is what its storage holds, `nil` if it stores nothing.
  package mutating func install(of ring: RingID, on host: Int, bound: UInt64?) {
    if let bound, ring.sequence > bound {
      report(
        .commitID,
        "\(cast.node(host)) installs ring \(ring), but its storage holds only \(bound)"
      )
    }
  }

  private mutating func report(_ rule: Rule, _ text: String) {
    if violation == nil { violation = Violation(rule, text) }
  }
}
