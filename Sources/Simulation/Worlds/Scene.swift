// SPDX-License-Identifier: Apache-2.0

package import GroupModel
package import Machine
package import RingWire

/// What runs on the hosts of a world, and how it is watched.
package protocol Scene {
  associatedtype Engine: StateMachine
  /// What the scene itself puts on the world's agenda.
  associatedtype Errand: Sendable

  /// The first rule that was broken.
  var violation: Violation? { get }
  var counters: Counters { get }
  /// Equal for equal worlds.
  var digest: UInt64 { get }

  /// A host starts an engine.
  mutating func start(_ boot: Boot, in world: inout Surroundings<Errand>) -> Engine
  /// The engine of a host ended: by a crash, or because it left.
  mutating func stop(host: Int, _ place: Place<Engine>, in world: inout Surroundings<Errand>)
  /// What the engine is told when this happens to its host.
  func event(_ happening: Happening) -> Engine.Event
  /// Watches an effect, and performs it unless it is the world's to perform.
  mutating func perform(
    _ effect: Engine.Effect,
    on host: Int,
    in world: inout Surroundings<Errand>
  ) -> Demand?
  /// Looks at an engine after all its effects were performed.
  mutating func observe(_ place: Place<Engine>, on host: Int, in world: inout Surroundings<Errand>)
  /// Does what it had put on the agenda; an event for a running engine may come of it.
  mutating func run(
    _ errand: Errand,
    in world: inout Surroundings<Errand>
  ) -> (host: Int, event: Engine.Event)?

  /// A host is to submit many messages at once.
  mutating func burst(host: Int, in world: inout Surroundings<Errand>)
  /// The faults are over, once and for all.
  mutating func calm(in world: inout Surroundings<Errand>)
  /// Whether these hosts, all that run, have come to what they must come to.
  func isSettled(_ live: HostSet, in world: borrowing Surroundings<Errand>) -> Bool
  /// Checks the state after settling, for the first time.
  mutating func settled(_ live: HostSet, in world: inout Surroundings<Errand>)
  /// Whether everything that was asked for after settling has come to its end.
  func isFinished(_ live: HostSet) -> Bool
  /// Checks the state at the end, a while after settling.
  mutating func finish(_ live: HostSet, in world: inout Surroundings<Errand>)
  /// Reports that the hosts did not settle in time.
  mutating func unsettled(_ live: HostSet, in world: inout Surroundings<Errand>)
}

/// What a starting engine gets from its host.
package struct Boot: Sendable {
  package let host: Int
  package let storedBound: UInt64
  /// Whether the stored bound covers what earlier processes of the host used.
  package let remembers: Bool
  package let random: SplitMix64
  package let now: Instant
}

/// What happens to a host's engine from the outside.
package enum Happening: Sendable {
  case received(Packet)
  case stored(bound: UInt64)
  case notStored
  case drained
  case leave
}

/// What a host's engine wants of the world.
package enum Demand: Sendable {
  case send(Packet, to: NodeID)
  case multicast(Packet, to: Roster)
  case store(bound: UInt64)
  case drain
  case end
}

/// What scenes and worlds share: time, chance, the agenda and the transcript.
package struct Surroundings<Errand: Sendable>: Sendable {
  package let cast: Cast
  package let climate: Climate
  package internal(set) var now = Span.zero
  package var chance: Chance
  /// Whether faults are still to come.
  package internal(set) var isTroubled = true
  /// The hosts whose engine runs.
  package internal(set) var live = HostSet()
  /// Those of them that do not stand still.
  package internal(set) var awake = HostSet()
  /// What each host's storage holds; `nil` without a state directory, and where storage fails.
  package internal(set) var bounds: [UInt64?]
  package var transcript: Transcript?
  var agenda = Agenda<Item<Errand>>()

  /// Puts an errand of the scene on the agenda.
  package mutating func post(_ errand: Errand, after wait: Span) {
    agenda.add(.errand(errand), at: now + wait)
  }

  /// Writes a line that is rare enough to be made even if no transcript is kept.
  mutating func tell(_ host: Int?, _ text: String) { log(host, text) }

  /// Writes a line of the transcript, if one is kept.
  package mutating func log(_ host: Int?, _ text: @autoclosure () -> String) {
    guard transcript != nil else { return }
    transcript?.add(at: now, host.map { cast.node($0).description } ?? "--", text())
  }
}

/// What a world's agenda holds.
enum Item<Errand: Sendable>: Sendable {
  case arrival(Parcel, from: Int, to: Int)
  /// The alarm that a host set; void unless it is still the one set last.
  case alarm(host: Int)
  /// Storage is done; void unless the host still waits for this.
  case stored(host: Int, ticket: Int)
  /// A host that stood still goes on; void unless it still stands still for this.
  case resume(host: Int, ticket: Int)
  case start(host: Int)
  case fault
  case strike(Fault)
  /// Some host other than this one is cut off.
  case spring(sparing: Int)
  case mend(Repair)
  case errand(Errand)
}

/// What ends a fault.
enum Repair: Sendable {
  case join(HostSet)
  case link(from: Int, to: Int)
  case storm
  case voice(Int)
}

/// What happened, a line each, for people.
package struct Transcript: Sendable {
  package private(set) var lines: [String] = []

  package init() {}

  mutating func add(at time: Span, _ who: String, _ text: String) {
    lines.append("\(time)  \(who)  \(text)")
  }
}
