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
/// trap, grow or stop answering.
struct LiveRing {
  private static let names: [NodeID] = ["a", "b", "c", "d"]
  /// More effects of one call than any honest event has.
  private static let mostEffects = 20_000

  private struct Letter {
    let due: Instant
    let to: NodeID
    let bytes: [UInt8]
  }

  private var random: SplitMix64
  private var engines: [RingEngine] = []
  private var letters: [Letter] = []
  private var corpus = Corpus([])
  private var now = Instant.boot
  private var counter: UInt64 = 0
  private(set) var decoded: UInt64 = 0
  private(set) var refused: UInt64 = 0
  private(set) var delivered: UInt64 = 0

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
      if Int.random(in: 0..<10, using: &random) == 0 { try submit() }
    }
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
      case .deliver: delivered += 1
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
    corpus.add(bytes, &random)
    for name in Self.names where name != Self.names[index] && roster.contains(name) {
      guard Int.random(in: 0..<50, using: &random) > 0 else { continue }
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
