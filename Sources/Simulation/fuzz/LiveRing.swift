// SPDX-License-Identifier: Apache-2.0

import Bytes
import GroupModel
import Machine
import Ring
import RingWire

/// Ring members that work, and a wire on which damaged copies of real datagrams turn up.
///
/// The damage is not sealed out here: whatever decodes reaches an engine in the name of a member, as
/// from an attacker on a network with `Key = none`. An engine may then lose its ring; it must not
/// trap, grow or stop answering, and once the attack is over all must form a ring again, deliver,
/// and come to rest.
struct LiveRing {
  private static let names: [NodeID] = ["a", "b", "c", "d"]
  /// More effects of one call than any honest event has.
  private static let mostEffects = 20_000
  /// How long members may take to form a ring after the attack: some may be left out for 30 seconds.
  private static let patience = Duration.seconds(90)
  /// How long what was submitted may take then.
  private static let deliveryPatience = Duration.seconds(10)
  /// More datagrams and deadlines in a second than an idle ring has.
  private static let mostIdleEvents = 8_000

  private struct Letter {
    let due: Instant
    let to: NodeID
    let bytes: [UInt8]
  }

  private var random: SplitMix64
  private var engines: [RingEngine] = []
  private var letters: [Letter] = []
  private var corpus = Corpus([])
  private var forger = Forger(Self.names)
  /// Whether packets are damaged and lost.
  private var isHostile = true
  /// Who delivered what is submitted last of all.
  private var marked: Set<Int> = []
  private var now = Instant.boot
  private var counter: UInt64 = 0
  private(set) var decoded: UInt64 = 0
  private(set) var refused: UInt64 = 0
  private(set) var delivered: UInt64 = 0
  private(set) var forged: UInt64 = 0
  /// How long it took to form a ring after the attack.
  private(set) var formedAfter = Duration.zero

  init(seed: UInt64) {
    random = SplitMix64(seed: seed)
    for (index, name) in Self.names.enumerated() {
      let settings = RingEngine.Settings(
        me: name,
        configured: Roster(Self.names),
        timers: .fast
      )
      engines.append(
        RingEngine(
          settings: settings,
          storedSequenceBound: UInt64(index) * 1_000,
          random: SplitMix64(seed: random.next()),
          startingAt: now
        )
      )
    }
  }

  /// Runs one world of `steps` events; throws what must not happen.
  mutating func run(steps: Int) throws(FuzzFailure) {
    for _ in 0..<steps {
      try next()
      if !corpus.isEmpty, Int.random(in: 0..<4, using: &random) == 0 { try attack() }
      if Int.random(in: 0..<16, using: &random) == 0 { try forge() }
      if Int.random(in: 0..<10, using: &random) == 0 { try submit() }
    }
    try recover()
  }

  /// Without an attacker: one ring of all, that delivers and then rests.
  private mutating func recover() throws(FuzzFailure) {
    isHostile = false
    // What is left of the attack may break the first ring, and its parts deliver by themselves.
    var attempts = 1
    while try !isDeliveredToAll() {
      guard attempts < 3 else { throw FuzzFailure("three safe messages are not delivered by all") }
      attempts += 1
    }
    let end = now + .seconds(1)
    var events = 0
    while now < end {
      try next()
      events += 1
    }
    guard events <= Self.mostIdleEvents else {
      throw FuzzFailure("\(events) events in an idle second after the attack")
    }
  }

  /// Whether a safe message reaches everybody, once there is a ring of all.
  private mutating func isDeliveredToAll() throws(FuzzFailure) -> Bool {
    marked = []
    formedAfter = try advance(atMost: Self.patience, for: "a ring of all") {
      let ring = $0.engines[0].ring
      return $0.engines.allSatisfy {
        $0.phaseName == .operational && $0.ring == ring && $0.members.count == Self.names.count
      }
    }
    _ = try advance(atMost: Self.deliveryPatience, for: "the backlog to go") {
      $0.engines.allSatisfy { $0.backlog == 0 }
    }
    try feed(.submit(service: .safe, payload: Self.mark), to: 1)
    let end = now + Self.deliveryPatience
    while marked.count < Self.names.count, now < end { try next() }
    return marked.count == Self.names.count
  }

  private static let mark = Array("all is well".utf8)

  private mutating func advance(
    atMost limit: Duration,
    for what: String,
    until isDone: (Self) -> Bool
  ) throws(FuzzFailure) -> Duration {
    let begin = now
    while !isDone(self) {
      guard now < begin + limit else {
        let state = engines.map { "\($0.phaseName) \($0.members) backlog \($0.backlog)" }
        throw FuzzFailure("waited \(limit) in vain for \(what): \(state)")
      }
      try next()
    }
    return now - begin
  }

  /// The earliest of a datagram's arrival and an engine's deadline.
  private mutating func next() throws(FuzzFailure) {
    let letter = letters.indices.min { letters[$0].due < letters[$1].due }
    let deadline = engines.indices.compactMap { index in
      engines[index].nextDeadline.map { (index, $0) }
    }.min { $0.1 < $1.1 }
    if let letter, deadline.map({ letters[letter].due <= $0.1 }) ?? true {
      let letter = letters.swapRemove(at: letter)
      now = max(now, letter.due)
      guard let index = Self.names.firstIndex(of: letter.to) else { return }
      guard let (_, packet) = try? Datagram.decode(letter.bytes[...]) else {
        throw FuzzFailure("a datagram of an engine does not decode: \(letter.bytes)")
      }
      try feed(.received(packet), to: index)
    } else if let (index, due) = deadline {
      now = max(now, due)
      var effects = EffectQueue<RingEngine.Effect>()
      engines[index].advance(to: now, into: &effects)
      try perform(effects.takeAll(), of: index)
    }
  }

  private mutating func attack() throws(FuzzFailure) {
    let bytes = corpus.damaged(&random)
    guard let (header, packet) = try? Datagram.decode(bytes[...]) else {
      refused += 1
      return
    }
    decoded += 1
    let again = Datagram.encode(packet, header: header)
    guard let (_, same) = try? Datagram.decode(again[...]), same == packet else {
      throw FuzzFailure("what decodes is not what it encodes to: \(bytes)")
    }
    let index = Int.random(in: 0..<engines.count, using: &random)
    // A node never hears itself: the link drops what comes in its own name.
    guard packet.sender != Self.names[index] else { return }
    try feed(.received(packet), to: index)
  }

  /// Sends a forged packet to somebody; a token mostly to whom the true one is on its way.
  private mutating func forge() throws(FuzzFailure) {
    guard let packet = forger.packet(&random) else { return }
    let header = DatagramHeader(kind: packet.kind, cluster: 1, counter: 0, boot: BootID(9, 9, 9, 9))
    guard let (_, same) = try? Datagram.decode(Datagram.encode(packet, header: header)[...]),
      same == packet
    else {
      refused += 1
      return
    }
    var index = Int.random(in: 0..<engines.count, using: &random)
    if packet.kind == .token || packet.kind == .commitToken,
      Int.random(in: 0..<4, using: &random) > 0,
      let sender = Self.names.firstIndex(of: packet.sender)
    {
      index = (sender + 1) % engines.count
    }
    guard packet.sender != Self.names[index] else { return }
    forged += 1
    try feed(.received(packet), to: index)
  }

  private mutating func submit() throws(FuzzFailure) {
    let index = Int.random(in: 0..<engines.count, using: &random)
    guard !engines[index].isCongested else { return }
    let lengths = [0, 1, 100, 1_350, 5_000, 60_000]
    let length = lengths.randomElement(using: &random) ?? 0
    let service = Service.allCases.randomElement(using: &random) ?? .agreed
    try feed(.submit(service: service, payload: Array(repeating: 7, count: length)), to: index)
  }

  private mutating func feed(
    _ event: RingEngine.Event,
    to index: Int
  ) throws(FuzzFailure) {
    var effects = EffectQueue<RingEngine.Effect>()
    engines[index].handle(event, at: now, into: &effects)
    try perform(effects.takeAll(), of: index)
  }

  private mutating func perform(
    _ effects: [RingEngine.Effect],
    of index: Int
  ) throws(FuzzFailure) {
    guard effects.count <= Self.mostEffects else {
      throw FuzzFailure("\(effects.count) effects of one call")
    }
    for effect in effects {
      switch effect {
      case .send(let packet, let node): post(packet, from: index, to: Roster([node]))
      case .multicast(let packet, let roster): post(packet, from: index, to: roster)
      case .deliver(let delivery):
        delivered += 1
        if !isHostile, case .message(let message) = delivery, message.payload[...] == Self.mark[...]
        {
          marked.insert(index)
        }
      case .store(let bound): try feed(.stored(bound: bound), to: index)
      case .drain: try feed(.drained, to: index)
      case .liveness, .note, .departed: break
      }
    }
  }

  private mutating func post(_ packet: Packet, from index: Int, to roster: Roster) {
    counter += 1
    let header = DatagramHeader(
      kind: packet.kind,
      cluster: 1,
      counter: counter,
      boot: BootID(UInt64(index), 0, 0, 0)
    )
    let bytes = Datagram.encode(packet, header: header)
    if isHostile {
      corpus.add(bytes, &random)
      forger.read(packet)
    }
    for name in Self.names where name != Self.names[index] && roster.contains(name) {
      guard !isHostile || Int.random(in: 0..<50, using: &random) > 0 else { continue }
      let delay = Duration.microseconds(Int.random(in: 50..<400, using: &random))
      letters.append(Letter(due: now + delay, to: name, bytes: bytes))
    }
  }
}

/// Something that no bytes may bring about.
struct FuzzFailure: Error {
  let text: String
  init(_ text: String) { self.text = text }
}

extension Array {
  /// Removes an element by putting the last one into its place.
  fileprivate mutating func swapRemove(at index: Int) -> Element {
    swapAt(index, count - 1)
    return removeLast()
  }
}
