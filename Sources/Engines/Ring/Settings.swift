// SPDX-License-Identifier: Apache-2.0

package import GroupModel

extension RingEngine {
  /// What an engine is told at its start; members and time-outs may change later.
  package struct Settings: Sendable, Equatable {
    package var me: NodeID
    /// All configured members, this one included.
    package private(set) var configured: Roster
    /// How each of ``configured`` is told from one of that name at another address.
    private var marks: [MemberMark]
    /// All of ``configured``, by name and address.
    private(set) var known: KnownMembers
    package private(set) var timers: RingTimers
    /// The most packets that all members together send in one rotation; two for each member if that
    /// is more.
    package var window = 256
    /// The most packets that one member sends at one visit of the token.
    package var personalWindow = 64
    /// Whether the token may be passed before the window has been sent (ICDCS 2016).
    package var accelerated = true
    /// The most packets that are sent after the token has been passed.
    package var acceleratedWindow = 20
    /// The most bytes of messages in one datagram.
    package var datagramBudget = 1_350
    /// What a datagram holds besides, when names are short.
    static let datagramOverhead = 122
    /// The longest message, in bytes.
    package var longestMessage = 16 << 20

    /// Takes the address of each member as text that is the same wherever the address is.
    package init(
      me: NodeID,
      configured: Roster,
      timers: RingTimers,
      address: (NodeID) -> String = { _ in "" }
    ) {
      self.me = me
      self.configured = configured.inserting(me)
      self.timers = timers
      marks = self.configured.nodes.map { MemberMark(of: $0, at: address($0)) }
      known = KnownMembers(marks)
    }

    /// Takes on members, their addresses and time-outs.
    mutating func take(_ other: Self) {
      configured = other.configured.inserting(me)
      (marks, known, timers) = (other.marks, other.known, other.timers)
    }

    /// `nil` for who is not configured.
    func mark(of node: NodeID) -> MemberMark? { configured.index(of: node).map { marks[$0] } }

    /// Lets no datagram with messages be longer than so many bytes, without the headers of IP and UDP.
    package mutating func fit(datagram bytes: Int) {
      datagramBudget = bytes - Self.datagramOverhead
    }
  }
}
