// SPDX-License-Identifier: Apache-2.0

internal import GroupModel
internal import Machine
internal import Ring
internal import RingWire

/// All that is watched of the rings of a world, whatever runs over them.
package struct RingWatch: Sendable {
  /// How the checker knows messages again.
  package enum Naming: Sendable {
    /// Each says by its bytes which it is: ``Letter``.
    case byLetter
    /// By the order in which their sender gave them to the ring, and a fingerprint of their bytes.
    case byOrder
  }

  let cast: Cast
  let naming: Naming
  package internal(set) var checker: EVSChecker
  var ringChecker: RingChecker
  var tally = Counters()
  private var wireViolation: Violation?
  private var phases: [RingEngine.PhaseName]
  /// The letters that each host is in the midst of sending in parts.
  var parts: [Letter?]
  private(set) var finalRing: RingID?
  var recovering: [RingID] = []

  package init(cast: Cast, naming: Naming) {
    (self.cast, self.naming) = (cast, naming)
    checker = EVSChecker(cast: cast)
    ringChecker = RingChecker(cast: cast)
    phases = Array(repeating: .gather, count: cast.count)
    parts = Array(repeating: nil, count: cast.count)
  }

  package var violation: Violation? {
    checker.violation ?? ringChecker.violation ?? wireViolation
  }

  package var counters: Counters {
    var sum = tally
    sum.add(checker.counters)
    return sum
  }

  mutating func report(_ rule: Rule, _ text: String) {
    if wireViolation == nil { wireViolation = Violation(rule, text) }
  }

  // MARK: - Engines

  mutating func start(_ boot: Boot) {
    checker.start(host: boot.host, remembers: boot.remembers)
    parts[boot.host] = nil
    phases[boot.host] = .gather
  }

  mutating func stop(host: Int, _ statistics: RingEngine.Statistics) {
    checker.stop(host: host)
    tally.rebroadcasts += Int(statistics.rebroadcasts)
    tally.recoveriesWithHoles += Int(statistics.recoveriesWithHoles)
    tally.stalls += Int(statistics.stalls)
    tally.votedOut += Int(statistics.votedOut)
    tally.tokensRepeated += Int(statistics.tokensRepeated)
    tally.restartsNoticed += Int(statistics.gathered(because: .memberRestarted))
  }

  mutating func observe(_ phase: RingEngine.PhaseName, on host: Int) { phases[host] = phase }

  mutating func hear(_ note: RingEngine.Note, from host: Int) {
    switch note {
    case .gathering:
      if phases[host] == .commit { tally.changesDuringCommit += 1 }
      if phases[host] == .recovery { tally.changesDuringRecovery += 1 }
    case .leftOut: tally.leftOut += 1
    case .sequenceNotStored: tally.unstoredSequences += 1
    case .refused:
      checker.withdraw(host: host)
      tally.refused += 1
    case .reconfigured: tally.reconfigured += 1
    case .notReconfigured: tally.notReconfigured += 1
    case .installed, .excluded, .stalled, .keptOut: break
    }
  }

  // MARK: - Messages

  /// A message is given to a host's ring by the layers above it.
  mutating func submit(host: Int, service: Service, payload: [UInt8]) {
    _ = checker.submit(
      host: host,
      service: service,
      length: payload.count,
      fingerprint: Self.fingerprint(payload[...])
    )
  }

  mutating func deliver<Errand>(
    _ delivery: Delivery,
    at host: Int,
    in world: inout Surroundings<Errand>
  ) {
    switch delivery {
    case .message(let message):
      world.log(host, "delivers \(Self.text(message))")
      deliver(message, at: host)
    case .transitional(let change):
      world.log(host, "delivers transitional \(change.from) to \(change.to) \(change.members)")
      checker.transitional(at: host, from: change.from, to: change.to, members: change.members)
    case .regular(let next):
      world.log(host, "delivers regular \(next.ring) \(next.members) with \(next.cameTogether)")
      if finalRing != nil {
        report(.eventually, "\(cast.node(host)) delivers \(next.ring) after all was settled")
      }
      ringChecker.install(of: next.ring, on: host, bound: world.bounds[host])
      checker.regular(
        at: host,
        ring: next.ring,
        members: next.members,
        cameTogether: next.cameTogether
      )
    }
  }

  private mutating func deliver(_ message: Delivery.Message, at host: Int) {
    let sender = cast.host(message.sender) ?? -1
    switch naming {
    case .byLetter:
      checker.deliver(
        at: host,
        Delivered(
          sender: sender,
          service: message.service,
          ring: message.ring,
          payload: message.payload
        )
      )
    case .byOrder:
      checker.deliver(
        at: host,
        sender: sender,
        service: message.service,
        ring: message.ring,
        length: message.payload.count,
        fingerprint: Self.fingerprint(message.payload)
      )
    }
  }

  /// Tells payloads of one sender apart, and shows a byte out of place.
  private static func fingerprint(_ payload: ArraySlice<UInt8>) -> UInt64 {
    payload.withUnsafeBytes { bytes in
      var hash = UInt64(bytes.count) &* 0x9E37_79B9_7F4A_7C15
      var offset = 0
      while offset + 8 <= bytes.count {
        hash = (hash ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        hash = (hash ^ hash >> 32) &* 0xD6E8_FEB8_6659_FD93
        offset += 8
      }
      while offset < bytes.count {
        hash = (hash ^ UInt64(bytes[offset])) &* 0x100_0000_01b3
        offset += 1
      }
      return hash ^ hash >> 29
    }
  }

  // MARK: - The end

  mutating func settled(_ live: HostSet) { finalRing = checker.commonRing(of: live) }

  /// Whether these hosts, and nobody else, are in one ring, and none of them is about to leave it.
  func isSettled(_ live: HostSet) -> Bool {
    checker.commonRing(of: live) != nil && live.allSatisfy { phases[$0] == .operational }
  }

  mutating func unsettled(_ live: HostSet) {
    report(
      .eventually,
      "\(cast.text(live)) have come to no common configuration to stay in: "
        + checker.describeRings(of: live)
    )
  }
}
