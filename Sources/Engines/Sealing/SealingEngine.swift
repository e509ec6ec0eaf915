// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import GroupModel
package import Machine
package import RingWire

/// Decides which datagrams are fresh and from whom: replay windows, boot ids and challenges.
///
/// The engine never sees a key. The shell opens what the engine names and says whether it was
/// authentic; only then does the engine spend memory on the sender.
///
/// A boot id that is not known might be an old boot's whose datagrams are replayed. It is believed
/// after one challenge: a random number that only a live holder of the cluster key can answer under
/// that boot id. So replay protection survives a restart of either side, with nothing on disk.
///
///     unknown boot --authentic--> challenged --answer with the number--> believed (one for a node)
package struct SealingEngine: StateMachine {
  /// A datagram that has been taken apart but not opened.
  package struct Sealed: Sendable, Equatable {
    package let header: DatagramHeader
    package let origin: Endpoint

    package init(header: DatagramHeader, origin: Endpoint) {
      (self.header, self.origin) = (header, origin)
    }
  }

  package enum Event: Sendable, Equatable {
    /// A datagram with a well-formed header arrived.
    case arrived(Sealed)
    /// The datagram that ``Effect/open(_:)`` named is authentic, and this is its body.
    case opened(Sealed, body: ArraySlice<UInt8>)
    /// The datagram that ``Effect/open(_:)`` named is not authentic.
    case forged(Sealed)
    /// The key ids that are accepted from here on.
    case keys([UInt16])
    /// The members that are configured from here on.
    case configured(Roster)
  }

  package enum Effect: Sendable, Equatable {
    /// Open it, and answer with ``Event/opened(_:body:)`` or ``Event/forged(_:)`` at once.
    case open(Sealed)
    /// An authentic, fresh packet from a live boot of a configured member.
    case accept(Packet)
    /// Seal and send a question, or the answer to one.
    case send(Challenge, to: Endpoint)
    /// A boot of the member is believed from here on; an earlier one is not.
    case believed(NodeID, boot: BootID, instead: BootID?)
    /// The boot of the member is dead: whatever it sent that still arrives is dropped.
    case buried(NodeID, boot: BootID)
    /// Others were told that this boot is dead, and no longer listen to it.
    case reportedDead
  }

  /// Why a datagram was dropped.
  package enum Drop: Int, Sendable, CaseIterable {
    /// It belongs to another cluster.
    case otherCluster
    /// It is sealed with a key that is not active here.
    case unknownKey
    /// It does not open under its key.
    case forged
    /// It was seen before, or is too old to tell.
    case replayed
    /// Its boot id is not believed; it was challenged if the rate allowed.
    case unverifiedBoot
    /// It answers a challenge that was not made, or was answered.
    case unaskedAnswer
    /// It is the body of no known message, or its sender is not configured.
    case malformed
    /// It is our own.
    case own
    /// An obituary told that its boot is dead.
    case dead
  }

  package struct Settings: Sendable, Equatable {
    package var me: NodeID
    package var configured: Roster
    package var boot: BootID
    package var cluster: UInt64
    /// The least time between two challenges to one boot id, and between two answers.
    package var challengeInterval: Duration = .milliseconds(5)
    /// The most boot ids that are under challenge at one time.
    package var mostChallenged = 64

    package init(me: NodeID, configured: Roster, boot: BootID, cluster: UInt64) {
      (self.me, self.configured, self.boot, self.cluster) = (me, configured, boot, cluster)
    }
  }

  /// A boot that has proved to be alive.
  struct Believed: Sendable, Equatable {
    let node: NodeID
    let boot: BootID
    var window = ReplayWindow()
  }

  /// A boot that has been asked to prove that it is alive.
  struct Asked: Sendable, Equatable {
    let boot: BootID
    let number: UInt128
    var at: Instant
  }

  /// A boot that an obituary reported.
  struct Buried: Sendable, Equatable {
    let node: NodeID
    let boot: BootID
  }

  /// The last question of a member that was answered, for the rate.
  struct Answered: Sendable, Equatable {
    let node: NodeID
    let number: UInt128
    let at: Instant
  }

  package private(set) var settings: Settings
  private var keys: [UInt16]
  private var random: SplitMix64
  /// At most one for each configured member.
  private(set) var believed: [Believed] = []
  /// Oldest first; bounded.
  private(set) var asked: [Asked] = []
  /// At most one for each configured member.
  private(set) var answered: [Answered] = []
  /// At most one for each configured member.
  private(set) var buried: [Buried] = []
  /// How many datagrams were dropped, by ``Drop``.
  package private(set) var drops = [UInt64](repeating: 0, count: Drop.allCases.count)

  /// `random` must be seeded unpredictably: challenge numbers come from it.
  package init(settings: Settings, keys: [UInt16], random: SplitMix64) {
    (self.settings, self.keys, self.random) = (settings, keys, random)
  }

  /// There is nothing to do with time alone: rates are judged when something arrives.
  package var nextDeadline: Instant? { nil }
  package mutating func advance(to now: Instant, into effects: inout EffectQueue<Effect>) {}

  package mutating func handle(
    _ event: Event,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    switch event {
    case .keys(let active): keys = active
    case .configured(let roster): keep(roster)
    case .arrived(let sealed): arrive(sealed, into: &effects)
    case .forged: drop(.forged)
    case .opened(let sealed, let body): open(sealed, body: body, at: now, into: &effects)
    }
  }

  /// Counts a datagram whose header could not be read.
  package mutating func countMalformed() { drop(.malformed) }

  // MARK: - Before opening

  /// Lets through what can be authentic and fresh; nothing is remembered of it yet.
  private mutating func arrive(_ sealed: Sealed, into effects: inout EffectQueue<Effect>) {
    let header = sealed.header
    guard header.cluster == settings.cluster else { return drop(.otherCluster) }
    let isObituary = header.kind == .obituary
    guard header.boot != settings.boot || isObituary else { return drop(.own) }
    guard keys.contains(header.keyID) else { return drop(.unknownKey) }
    guard !buried.contains(where: { $0.boot == header.boot }) else { return drop(.dead) }
    if let known = believed.first(where: { $0.boot == header.boot }) {
      // Its counter was drawn when it was sealed, long before it is sent.
      guard isObituary || known.window.isFresh(header.counter) else { return drop(.replayed) }
    }
    effects.append(.open(sealed))
  }

  // MARK: - After opening

  private mutating func open(
    _ sealed: Sealed,
    body: ArraySlice<UInt8>,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    if sealed.header.kind == .challenge {
      let index = believed.firstIndex { $0.boot == sealed.header.boot }
      if let index, !take(sealed.header.counter, at: index) { return }
      guard let challenge = try? Challenge(decoding: body),
        challenge.sender != settings.me, settings.configured.contains(challenge.sender)
      else { return drop(.malformed) }
      switch challenge.role {
      case .question: answer(challenge, to: sealed.origin, at: now, into: &effects)
      case .answer: believe(challenge, from: sealed, into: &effects)
      }
      return
    }
    if sealed.header.kind == .obituary {
      return bury(sealed.header.boot, body: body, into: &effects)
    }
    guard let index = believed.firstIndex(where: { $0.boot == sealed.header.boot }) else {
      question(sealed, at: now, into: &effects)
      return drop(.unverifiedBoot)
    }
    guard take(sealed.header.counter, at: index) else { return }
    guard let packet = try? Packet(kind: sealed.header.kind, body: body),
      packet.sender == believed[index].node
    else { return drop(.malformed) }
    effects.append(.accept(packet))
  }

  /// Marks a counter of a believed boot as taken; counts a drop and gives `false` if it was before.
  private mutating func take(_ counter: UInt64, at index: Int) -> Bool {
    // Opening is synchronous, but the window may have moved if a batch was opened.
    guard believed[index].window.isFresh(counter) else {
      drop(.replayed)
      return false
    }
    believed[index].window.take(counter)
    return true
  }

  /// Takes an authentic obituary: of a boot that is believed here, or of our own.
  private mutating func bury(
    _ boot: BootID,
    body: ArraySlice<UInt8>,
    into effects: inout EffectQueue<Effect>
  ) {
    guard let obituary = try? Obituary(decoding: body) else { return drop(.malformed) }
    if boot == settings.boot {
      guard obituary.sender == settings.me else { return drop(.malformed) }
      effects.append(.reportedDead)
      return
    }
    // The dead answer no challenge: the obituary of a boot that never lived here says nothing.
    guard let index = believed.firstIndex(where: { $0.boot == boot }) else {
      return drop(.unverifiedBoot)
    }
    guard obituary.sender == believed[index].node else { return drop(.malformed) }
    believed.remove(at: index)
    buried.removeAll { $0.node == obituary.sender }
    buried.append(Buried(node: obituary.sender, boot: boot))
    effects.append(.buried(obituary.sender, boot: boot))
    effects.append(.accept(.departure(obituary.departure)))
  }

  /// Asks an unknown boot to prove that it is live.
  private mutating func question(
    _ sealed: Sealed,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    let boot = sealed.header.boot
    let number: UInt128
    if let index = asked.firstIndex(where: { $0.boot == boot }) {
      guard now - asked[index].at >= settings.challengeInterval else { return }
      asked[index].at = now
      number = asked[index].number
    } else {
      if asked.count >= settings.mostChallenged { asked.removeFirst() }
      number = UInt128(random.next()) << 64 | UInt128(random.next())
      asked.append(Asked(boot: boot, number: number, at: now))
    }
    let challenge = Challenge(sender: settings.me, role: .question, number: number, boot: boot)
    effects.append(.send(challenge, to: sealed.origin))
  }

  /// Proves that this boot is live; whoever asks holds the cluster key.
  ///
  /// Only repetitions of one question are limited. Recorded questions of several past boots cost an
  /// answer each, no more than it took to open them; a limit on all of a member's questions would let
  /// the recordings leave none to the live one.
  private mutating func answer(
    _ question: Challenge,
    to origin: Endpoint,
    at now: Instant,
    into effects: inout EffectQueue<Effect>
  ) {
    guard question.boot == settings.boot else { return drop(.unaskedAnswer) }
    let index = answered.firstIndex { $0.node == question.sender }
    if let index {
      guard
        now - answered[index].at >= settings.challengeInterval
          || answered[index].number != question.number
      else { return }
      answered.remove(at: index)
    }
    answered.append(Answered(node: question.sender, number: question.number, at: now))
    let answer = Challenge(
      sender: settings.me,
      role: .answer,
      number: question.number,
      boot: settings.boot
    )
    effects.append(.send(answer, to: origin))
  }

  /// Takes a proof: the boot is live, and whatever boot the member had before is not.
  private mutating func believe(
    _ answer: Challenge,
    from sealed: Sealed,
    into effects: inout EffectQueue<Effect>
  ) {
    guard answer.boot == sealed.header.boot,
      let index = asked.firstIndex(where: { $0.boot == answer.boot && $0.number == answer.number })
    else { return drop(.unaskedAnswer) }
    asked.remove(at: index)
    let before = believed.firstIndex { $0.node == answer.sender }
    let instead = before.map { believed.remove(at: $0).boot }
    // What was sealed before the answer may be a recording: none of it was judged here.
    let window = ReplayWindow(upTo: sealed.header.counter)
    believed.append(Believed(node: answer.sender, boot: answer.boot, window: window))
    effects.append(.believed(answer.sender, boot: answer.boot, instead: instead))
  }

  /// Forgets the boots of those that are configured no more.
  private mutating func keep(_ roster: Roster) {
    settings.configured = roster
    believed.removeAll { !roster.contains($0.node) }
    answered.removeAll { !roster.contains($0.node) }
    buried.removeAll { !roster.contains($0.node) }
  }

  private mutating func drop(_ reason: Drop) { drops[reason.rawValue] &+= 1 }
}
