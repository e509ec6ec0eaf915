// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Groups
import Machine

/// A ring as the rules of Extended Virtual Synchrony allow it, without any protocol: daemons are
/// put into configurations at will, and what each delivers follows from one log per ring.
///
/// What a daemon is to deliver lies in its inbox, so daemons are apart from each other in time.
struct OracleRing {
  struct Entry {
    let sender: Int
    let service: Service
    let payload: [UInt8]
  }

  struct Configuration {
    let id: RingID
    let members: [Int]
    var log: [Entry] = []
  }

  /// Something a daemon delivers, and where it stands in the order.
  struct Delivery: Equatable {
    let event: GroupsEngine.RingEvent
    /// The ring's number and the place in its log; -1 for configurations.
    let ring: Int
    let place: Int
    /// Whether it stands in the transitional part of the ring.
    let isTransitional: Bool
  }

  struct Station {
    let node: NodeID
    var isUp = false
    /// The number of the ring it is in; -1 before the first.
    var ring = -1
    /// How much of that ring's log it has been given.
    var given = 0
    /// What its engine submitted and has no place in the order.
    var waiting: [(service: Service, payload: [UInt8])] = []
    var inbox: [Delivery] = []
    /// The highest ring sequence it knows; kept over a crash.
    var sequence: UInt64 = 0
    /// Whether it has left its ring's operation, and was not taken along by those that did.
    var isStranded = false

    var isInRing: Bool { isUp && ring >= 0 && !isStranded }
  }

  var stations: [Station]
  private(set) var rings: [Configuration] = []
  private var random: SplitMix64

  init(nodes: [NodeID], random: SplitMix64) {
    stations = nodes.map { Station(node: $0) }
    self.random = random
  }

  var up: [Int] { stations.indices.filter { stations[$0].isUp } }

  /// Puts the oldest waiting message of a daemon into its ring's order.
  mutating func order(_ station: Int) -> Bool {
    guard stations[station].isInRing, !stations[station].waiting.isEmpty else { return false }
    let next = stations[station].waiting.removeFirst()
    rings[stations[station].ring].log.append(
      Entry(sender: station, service: next.service, payload: next.payload)
    )
    return true
  }

  /// Gives a daemon the next message of its ring.
  mutating func give(_ station: Int) -> Bool {
    guard stations[station].isInRing else { return false }
    let ring = stations[station].ring
    guard stations[station].given < rings[ring].log.count else { return false }
    let place = stations[station].given
    stations[station].given += 1
    push(entry: place, of: ring, to: station, isTransitional: false)
    return true
  }

  mutating func crash(_ station: Int) {
    stations[station].isUp = false
    stations[station].ring = -1
    stations[station].waiting = []
    stations[station].inbox = []
    stations[station].isStranded = false
  }

  /// Puts daemons that are up into new rings, one per component; others must not be named.
  ///
  /// Those to be stranded agree to the new rings and never come to them: the others, who count on
  /// them, cannot tell. They stay at the end of the ring they are in until they are named again.
  mutating func reconfigure(_ components: [[Int]], stranding stranded: Set<Int> = []) {
    let before = stations.map(\.ring)
    for component in components {
      let sequence = (component.map { stations[$0].sequence }.max() ?? 0) + 1
      let members = component.sorted()
      guard let lowest = members.first else { continue }
      let id = RingID(sequence: sequence, representative: stations[lowest].node)
      rings.append(Configuration(id: id, members: members))
      let next = rings.count - 1
      for member in members {
        stations[member].sequence = sequence
        stations[member].isStranded = stranded.contains(member)
      }
      for old in Set(members.map { before[$0] }).sorted() where old >= 0 {
        finish(old, by: members.filter { before[$0] == old }, goingTo: next)
      }
      for member in members where before[member] < 0 && !stations[member].isStranded {
        install(next, at: member, together: [member])
      }
    }
  }

  /// The end of a ring for those that part from it together (Recovery.Deliver): all of them
  /// deliver up to one place, the transitional configuration, and of the rest what they have.
  private mutating func finish(_ ring: Int, by group: [Int], goingTo next: Int) {
    let log = rings[ring].log
    let least = group.map { stations[$0].given }.max() ?? 0
    let regularEnd = Int.random(in: least...log.count, using: &random)
    var rest: [Int] = []
    var hasHole = false
    for place in regularEnd..<log.count {
      let isOurs = group.contains(log[place].sender)
      // What their own members sent they deliver; the rest up to the first hole, or not at all.
      if isOurs || (!hasHole && Bool.random(using: &random)) {
        rest.append(place)
      } else {
        hasHole = true
      }
    }
    let event = GroupsEngine.RingEvent.transitional(
      to: rings[next].id,
      members: Roster(group.map { stations[$0].node })
    )
    for member in group where !stations[member].isStranded {
      while stations[member].given < regularEnd { _ = give(member) }
      stations[member].inbox.append(
        Delivery(event: event, ring: ring, place: -1, isTransitional: true)
      )
      for place in rest { push(entry: place, of: ring, to: member, isTransitional: true) }
      install(next, at: member, together: group)
    }
  }

  private mutating func install(_ ring: Int, at station: Int, together: [Int]) {
    let configuration = rings[ring]
    stations[station].ring = ring
    stations[station].given = 0
    let event = GroupsEngine.RingEvent.regular(
      ring: configuration.id,
      members: Roster(configuration.members.map { stations[$0].node }),
      cameTogether: Roster(together.map { stations[$0].node })
    )
    stations[station].inbox.append(
      Delivery(event: event, ring: ring, place: -1, isTransitional: false)
    )
  }

  private mutating func push(entry: Int, of ring: Int, to station: Int, isTransitional: Bool) {
    let message = rings[ring].log[entry]
    let ordered = GroupsEngine.OrderedMessage(
      sender: stations[message.sender].node,
      service: message.service,
      payload: message.payload[...]
    )
    stations[station].inbox.append(
      Delivery(event: .message(ordered), ring: ring, place: entry, isTransitional: isTransitional)
    )
  }
}
