// SPDX-License-Identifier: Apache-2.0

extension GroupsEngine {
  /// What the engine has counted since it started.
  package struct Statistics: Sendable, Equatable {
    /// Joins, leaves and disconnects that took effect, each in its place in the order.
    package internal(set) var joins: UInt64 = 0
    package internal(set) var leaves: UInt64 = 0
    package internal(set) var disconnects: UInt64 = 0
    /// Messages of processes taken from the ring.
    package internal(set) var messages: UInt64 = 0
    /// What local processes were told: messages, views, transitional signals.
    package internal(set) var messagesDelivered: UInt64 = 0
    package internal(set) var viewsDelivered: UInt64 = 0
    package internal(set) var signalsDelivered: UInt64 = 0
    /// Joins, leaves and disconnects in a transitional configuration.
    package internal(set) var transitionalChanges: UInt64 = 0
    /// Exchanges of state: begun, completed, cut short by a ring change.
    package internal(set) var exchangesBegun: UInt64 = 0
    package internal(set) var exchangesCompleted: UInt64 = 0
    package internal(set) var exchangesCut: UInt64 = 0
    /// Ring changes that needed no exchange: nothing but departures.
    package internal(set) var departuresOnly: UInt64 = 0
    /// Messages that waited for the end of an exchange.
    package internal(set) var deferred: UInt64 = 0
    /// Messages of exchanges that this daemon sent.
    package internal(set) var chunksSent: UInt64 = 0

    private var drops = [UInt64](repeating: 0, count: DropReason.allCases.count)

    /// How many inputs were dropped for one reason.
    package func dropped(_ reason: DropReason) -> UInt64 { drops[reason.rawValue] }

    mutating func count(_ reason: DropReason) { drops[reason.rawValue] &+= 1 }
  }

  /// Why an input had no effect.
  package enum DropReason: Int, Sendable, Hashable, CaseIterable {
    /// A message before the first configuration.
    case beforeConfiguration
    /// A configuration that cannot follow the present one.
    case unexpectedConfiguration
    /// Bytes that cannot be read.
    case unreadable
    /// A join by a member.
    case alreadyMember
    /// A leave by a process that is no member.
    case notMember
    /// A change by a process of another synced set, which takes it itself, in a cut exchange.
    case otherSet
    /// State of an exchange that is over.
    case pastExchange
    /// State that breaks the rules of the exchange.
    case brokenState
    /// A message for nobody here.
    case noReceiver
    /// A connection under a name that is taken, or whose disconnect has no place in the order yet.
    case nameTaken
    /// A connection under a name that is not 1 to 31 bytes of 0x24 to 0x7E.
    case badName
    /// A connection beyond the most local processes.
    case tooManyProcesses
    /// A request of a process that is not connected.
    case unknownProcess
    /// A request of a process that is disconnecting.
    case disconnecting
    /// A join or leave of a private name.
    case privateName
    /// A message to no group, or to too many.
    case destinations
    /// A message that is longer than the longest allowed.
    case tooLong
    /// A request for which there was no room.
    case congested
  }
}
