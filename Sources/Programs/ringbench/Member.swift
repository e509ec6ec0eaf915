// SPDX-License-Identifier: Apache-2.0

import Bytes
import DaemonKit
import EmbeddedRing
import Glibc
import GroupModel
import GroupNode
import Machine
import Reactor
import Ring
import RingWire
import Sealing
import Transport

/// One ring member with a sender and a receiver of benchmark messages, on one loop.
final class Member {
  private let loop: EventLoop
  private let link: PacketLink
  private let ring: EmbeddedRing
  private let roster: Roster
  private let me: NodeID
  private let topic: GroupName = "bench"
  private var sender: Sender?
  private var receiver: Receiver?
  private var input: [UInt8] = []
  private var isEnding = false

  init(
    me: NodeID,
    members: [PacketLink.Member],
    timers: RingTimers,
    group: PacketLink.Group?,
    keys: [ClusterKey]?
  ) throws {
    self.me = me
    roster = Roster(members.map(\.node))
    loop = try EventLoop()
    let boot = BootID(Entropy.word(), Entropy.word(), Entropy.word(), Entropy.word())
    let cluster = topic.name.digest
    let sealer = try keys.map { keys in
      try PacketSealer(
        settings: SealingEngine.Settings(
          me: me,
          configured: Roster(members.map(\.node)),
          boot: boot,
          cluster: cluster
        ),
        keys: keys,
        random: SplitMix64(seed: Entropy.word())
      )
    }
    link = try PacketLink(
      me: me,
      members: members,
      group: group,
      cluster: cluster,
      boot: boot,
      sealer: sealer
    )
    let now = BootClock.now
    let node = GroupNode(
      settings: RingEngine.Settings(me: me, configured: roster, timers: timers),
      process: topic.name,
      storedSequenceBound: UInt64(max(0, now.sinceBoot / .milliseconds(1))),
      random: SplitMix64(seed: Entropy.word()),
      startingAt: now
    )
    var made: EmbeddedRing?
    ring = try EmbeddedRing(
      node: node,
      link: link,
      loop: loop,
      // Ring ids of a benchmark need not outlive it; a bound is stored at once, as it were.
      store: { made?.stored($0) },
      noted: { _ in },
      groupsNoted: { _ in }
    )
    made = ring
    ring.deliver { [unowned self] in take($0) }
    loop.addAlarm(
      next: { [unowned self] in
        sender?.nextAt.map { Instant(sinceBoot: .nanoseconds($0)) + Self.bootOffset }
      },
      fire: { [unowned self] _ in proceed() }
    )
    _ = try loop.watch(fileDescriptor: 0, for: .readable) { [unowned self] _ in readCommands() }
  }

  /// Runs until the standard input ends.
  func run() throws {
    try ring.submit(.join(topic))
    while !isEnding {
      try loop.turn()
      proceed()
    }
  }

  // MARK: - Sending

  private func proceed() {
    sender?.proceed(at: Self.monotonic) { service, message in
      do {
        try ring.submit(
          .multicast(groups: [topic], service: service, tag: 0, payload: message)
        )
        return true
      } catch {
        return false
      }
    }
  }

  private func readCommands() {
    var buffer = [UInt8](repeating: 0, count: 4_096)
    let count = read(0, &buffer, buffer.count)
    guard count > 0 else {
      isEnding = true
      return
    }
    input += buffer[..<count]
    while let end = input.firstIndex(of: UInt8(ascii: "\n")) {
      let line = String(decoding: input[..<end], as: UTF8.self)
      input.removeSubrange(...end)
      if let command = Command(line) {
        obey(command)
      } else {
        say(.object([.init("event", .string("error")), .init("command", .string(line))]))
      }
    }
  }

  private func obey(_ command: Command) {
    let position = UInt8(truncatingIfNeeded: roster.index(of: me) ?? 0)
    let now = Self.monotonic
    switch command {
    case .flood(let run, let service, let length, let senders, let window, let milliseconds):
      sender = Sender(
        run: run,
        service: service,
        length: length,
        me: position,
        senders: senders,
        pace: .window(window, until: now + milliseconds * 1_000_000)
      )
    case .beat(let run, let service, let length, let count, let microseconds):
      sender = Sender(
        run: run,
        service: service,
        length: length,
        me: position,
        senders: 1,
        pace: .interval(microseconds * 1_000, next: now, left: count)
      )
    case .statistics: sayStatistics()
    }
  }

  // MARK: - Receiving

  private func take(_ event: GroupEvent) {
    switch event {
    case .message(let message):
      guard let mark = Mark(reading: message.payload) else { return }
      let isOwn = message.sender.node == me
      let now = Self.monotonic
      if receiver?.run != mark.run { receiver = Receiver(run: mark.run, at: now) }
      if isOwn, sender?.run == mark.run { sender?.noteDelivery() }
      if let result = receiver?.take(mark, isOwn: isOwn, at: now) { say(result) }
    case .view(let view):
      say(
        .object([
          .init("event", .string("view")),
          .init("at", .integer(Int64(Self.monotonic))),
          .init("members", .array(view.members.map { .string("\($0.node)") })),
        ])
      )
    case .liveness(.stalled(let gap)):
      say(
        .object([
          .init("event", .string("stalled")),
          .init("milliseconds", .integer(Int64(gap / .milliseconds(1)))),
        ])
      )
    case .connected, .transitional, .left, .disconnected, .liveness: break
    }
  }

  private func sayStatistics() {
    guard let statistics = ring.engine?.statistics else { return }
    let socket = link.statistics
    say(
      .object([
        .init("event", .string("statistics")),
        .init("tokens", .integer(Int64(statistics.tokens))),
        .init("packets", .integer(Int64(statistics.packetsSent))),
        .init("retransmissions", .integer(Int64(statistics.retransmissions))),
        .init("repeatedTokens", .integer(Int64(statistics.tokensRepeated))),
        .init("window", .integer(Int64(statistics.window))),
        .init("configurations", .integer(Int64(statistics.configurations))),
        .init("datagramsSent", .integer(Int64(socket.sent))),
        .init("datagramsReceived", .integer(Int64(socket.received))),
      ])
    )
  }

  private func say(_ value: JSONValue) {
    print(value.compact)
    fflush(nil)
  }

  // MARK: - Time

  /// CLOCK_MONOTONIC, which all programs of a benchmark share, in nanoseconds.
  private static var monotonic: UInt64 {
    var time = timespec()
    _ = clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// How far the loop's clock is ahead: how long the machine was suspended.
  private static let bootOffset =
    BootClock.now.sinceBoot - Duration.nanoseconds(Int64(monotonic))
}
