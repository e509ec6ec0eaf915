// SPDX-License-Identifier: Apache-2.0

import GroupModel
import GroupsWire
import Machine

/// The exchange of tables between the synced sets that meet in a ring.
///
/// The lowest member of each set says what the set's members have; the exchange is complete, at one
/// place in the ring's order for all, when the sets heard make up the ring.
extension GroupsEngine {
  mutating func beginExchange(into effects: inout EffectQueue<Effect>) {
    var exchange = Exchange()
    if synced.lowest == settings.me {
      exchange.speech = Exchange.Speech()
      speak(in: &exchange, into: &effects)
    }
    statistics.exchangesBegun += 1
    if let ring {
      effects.append(.note(.exchanging(ring, own: synced, members: members)))
    }
    phase = .exchanging(exchange)
  }

  /// State is taken in; what else the ring orders waits for the end of the exchange.
  mutating func wait(_ message: OrderedMessage, into effects: inout EffectQueue<Effect>) {
    guard case .exchanging(var exchange) = phase else { return }
    phase = .transitional  // The phase gives up its storage, so that nothing is copied.
    if StateChunk.isState(message.payload) {
      take(message, in: &exchange, into: &effects)
    } else {
      exchange.deferred.append(message)
      statistics.deferred += 1
    }
    guard exchange.covers(members) else {
      phase = .exchanging(exchange)
      return
    }
    statistics.exchangesCompleted += 1
    settle(exchange.sets, into: &effects)
    for message in exchange.deferred { apply(message, into: &effects) }
    flush(into: &effects)
  }

  private mutating func take(
    _ message: OrderedMessage,
    in exchange: inout Exchange,
    into effects: inout EffectQueue<Effect>
  ) {
    guard case .state(let chunk) = decode(message, into: &effects) else { return }
    guard chunk.ring == ring else { return drop(.pastExchange) }
    guard let set = exchange.note(chunk, from: message.sender, of: members) else {
      drop(.brokenState)
      return effects.append(.note(.brokenState(from: message.sender)))
    }
    if chunk.speaksFor != synced { stage(chunk, ofSet: set) }
    if message.sender == settings.me {
      exchange.speech?.inFlight -= 1
      speak(in: &exchange, into: &effects)
    }
  }

  /// Adds what another set has; nobody sees it before the exchange is complete.
  private mutating func stage(_ chunk: StateChunk, ofSet number: Int) {
    let origin = UInt16(clamping: number)
    for record in chunk.groups {
      let group = directory.findOrMake(record.name, id: record.id, origin: origin)
      let isShared = directory.groups[group].origin != origin
      if isShared || record.isChanged { directory.update(group) { $0.isTouched = true } }
      for member in record.members {
        let node = chunk.speaksFor.nodes[Int(member.node)]
        _ = directory.add(MemberID(node: node, process: member.process), to: group)
      }
    }
  }

  // MARK: - Speaking

  /// Sends as many chunks as may be under way.
  private mutating func speak(
    in exchange: inout Exchange,
    into effects: inout EffectQueue<Effect>
  ) {
    guard var speech = exchange.speech, let ring else { return }
    while !speech.isFinished && speech.inFlight < settings.chunksInFlight {
      let number = speech.number
      let groups = nextRecords(&speech)
      let chunk = StateChunk(
        ring: ring,
        speaksFor: synced,
        number: number,
        isLast: speech.isFinished,
        groups: groups
      )
      speech.number += 1
      speech.inFlight += 1
      statistics.chunksSent += 1
      effects.append(.submit(service: .agreed, payload: GroupsMessage.state(chunk).bytes))
    }
    exchange.speech = speech
  }

  /// What comes next of the own set's groups, about a chunk's length of it.
  private func nextRecords(_ speech: inout Exchange.Speech) -> [StateChunk.GroupRecord] {
    var records: [StateChunk.GroupRecord] = []
    var room = settings.chunkLength
    while speech.group < directory.groups.count {
      let group = directory.groups[speech.group]
      if group.origin == 0, let record = nextRecord(of: group, &speech, room: &room) {
        records.append(record)
      }
      if speech.member > 0 { return records }
      speech.group += 1
      if room <= 0 { break }
    }
    speech.isFinished = speech.group == directory.groups.count
    return records
  }

  /// What comes next of one group; `speech.member` is 0 afterwards if that was all of it.
  private func nextRecord(
    of group: Directory.Group,
    _ speech: inout Exchange.Speech,
    room: inout Int
  ) -> StateChunk.GroupRecord? {
    let count = directory.memberCount(of: speech.group)
    var members: [StateChunk.Member] = []
    room -= StateChunk.GroupRecord.length(of: group.name)
    while speech.member < count {
      let member = directory.member(speech.member, of: speech.group)
      speech.member += 1
      // Members that another set has brought meanwhile are not the own set's to tell.
      guard let node = synced.index(of: member.node) else { continue }
      members.append(StateChunk.Member(node: UInt16(clamping: node), process: member.process))
      room -= StateChunk.Member.length(of: member.process)
      if room <= 0 { break }
    }
    if speech.member == count { speech.member = 0 }
    guard !members.isEmpty else { return nil }
    return StateChunk.GroupRecord(
      name: group.name,
      id: group.id,
      isChanged: group.isChanged,
      members: members
    )
  }
}
