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
    beginSpeech(in: &exchange, into: &effects)
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
    chores.append(.apply(exchange.deferred, next: 0))
    settle(exchange.sets)
  }

  private mutating func take(
    _ message: OrderedMessage,
    in exchange: inout Exchange,
    into effects: inout EffectQueue<Effect>
  ) {
    // The muted have no say left in this exchange, not even one that mutes them once more.
    guard members.contains(message.sender), !exchange.muted.contains(message.sender) else {
      return drop(.brokenState)
    }
    guard case .state(let chunk) = decode(message, into: &effects) else {
      return mute(message.sender, in: &exchange, into: &effects)
    }
    guard chunk.ring == ring, !exchange.isPast(chunk) else { return drop(.pastExchange) }
    guard let set = exchange.note(chunk, from: message.sender, of: members) else {
      drop(.brokenState)
      return mute(message.sender, in: &exchange, into: &effects)
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

  // MARK: - Muting

  /// Goes on without a daemon whose share cannot be used, or the exchange would never end.
  ///
  /// Its share has one place in the order, so all do this at once: they forget what was staged, the
  /// daemon is out of its set and of all groups, and each set begins anew. Numbering tells what was
  /// on its way before from what comes after.
  private mutating func mute(
    _ daemon: NodeID,
    in exchange: inout Exchange,
    into effects: inout EffectQueue<Effect>
  ) {
    effects.append(.note(.brokenState(from: daemon)))
    directory.removeMembers(outside: synced)
    directory.adoptAll()
    if daemon == settings.me {
      expelLocals(into: &effects)
    } else if synced.contains(daemon) {
      // Rare enough to be done at once, and what follows needs it done.
      lose(outside: synced.removing(daemon))
      finishWork(into: &effects)
      synced = reachable
      directory.removeMembers(outside: synced)
    }
    exchange.mute(daemon)
    beginSpeech(in: &exchange, into: &effects)
  }

  /// Takes all processes of this daemon out of their groups, and tells them.
  private mutating func expelLocals(into effects: inout EffectQueue<Effect>) {
    (synced, reachable) = ([settings.me], [settings.me])
    directory.removeMembers(outside: synced)
    for group in directory.places(where: { _, _ in true }) {
      let name = directory.groups[group].name
      for member in directory.members(of: group) {
        _ = directory.remove(member, from: group)
        tell(member.process, .left(name), into: &effects)
      }
    }
  }

  // MARK: - Speaking

  /// Begins to say what the own set has, if this daemon is the one to do it.
  private mutating func beginSpeech(
    in exchange: inout Exchange,
    into effects: inout EffectQueue<Effect>
  ) {
    guard synced.lowest == settings.me, !exchange.muted.contains(settings.me) else { return }
    exchange.speech = Exchange.Speech(number: exchange.firstNumber)
    speak(in: &exchange, into: &effects)
  }

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
