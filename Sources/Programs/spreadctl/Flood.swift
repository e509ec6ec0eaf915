// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Bytes
import DaemonKit
import Glibc
import GroupModel
import Machine
import Reactor
import SessionClient
import SessionWire
import TextLayout

/// Measures throughput and latency.
struct Flood: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Send as fast as messages come back, and measure.",
    discussion: """
      Every process joins the group, waits until it has as many members as told, and keeps a \
      number of its own messages under way until it has sent them all. Latency is from sending a \
      message to its own delivery. With --rate messages leave at that pace instead. Interrupted, \
      it prints what was measured so far.
      """
  )

  @OptionGroup var options: SessionOptions

  @Option(help: "The group.")
  var group = "flooder"

  @Option(name: .shortAndLong, help: "The number of messages to send; 0 only receives.")
  var messages = 10_000

  @Option(help: "Send for so many seconds, instead of a number of messages.")
  var seconds: Int?

  @Option(name: .shortAndLong, help: "The bytes of each message, at least 16.")
  var bytes = 1_000

  @Option(help: "unreliable, reliable, fifo, causal, agreed or safe.")
  var service = Service.agreed

  @Option(name: .shortAndLong, help: "The most own messages under way.")
  var window = 200

  @Option(help: "Messages a second, instead of as fast as they come back.")
  var rate: Int?

  @Option(help: "Begin when the group has so many members.")
  var members = 1

  @Flag(help: "Print the figures in JSON, and no progress.")
  var json = false

  func validate() throws {
    guard GroupName(text: group) != nil else {
      throw ValidationError("'\(group)' is not the name of a group")
    }
    guard (16...(8 << 20)).contains(bytes) else {
      throw ValidationError("--bytes must be 16 to 8388608")
    }
    guard messages >= 0, window >= 1, members >= 1, rate ?? 1 >= 1, seconds ?? 1 >= 1 else {
      throw ValidationError("numbers must be 1 or more, and --messages 0 or more")
    }
  }

  func run() throws {
    var flooder: Flooder?
    let conversation = try Conversation(options, reconnects: false) { flooder?.take($0) }
    let made = Flooder(self, group: try destination(group), over: conversation)
    flooder = made
    try conversation.run()
    guard let figures = made.figures else {
      throw CommandFailure(text: "interrupted before the group had \(members) members")
    }
    Terminal.output(json ? figures.json.compact : figures.text)
    if figures.own < figures.sent, !conversation.isInterrupted {
      throw CommandFailure(text: "\(figures.sent - figures.own) messages did not come back")
    }
  }
}

/// One run of ``Flood``.
private final class Flooder {
  private let command: Flood
  private let group: InlineName
  private let conversation: Conversation
  private var started: Instant?
  private var finished: Instant?
  private var sendUntil: Instant?
  private var sent = 0
  private var received = 0
  private var receivedBytes = 0
  /// When own messages left that have not come back, in order.
  private var underWay: [Instant] = []
  private var oldest = 0
  private var latencies: [Int64] = []
  private var nextSend: Instant?
  private var nextReport: Instant?
  private var reported = 0

  init(_ command: Flood, group: InlineName, over conversation: Conversation) {
    (self.command, self.group, self.conversation) = (command, group, conversation)
    conversation.loop.addAlarm(
      next: { [unowned self] in nextSend },
      fire: { [unowned self] _ in sendPaced() }
    )
    conversation.loop.addAlarm(
      next: { [unowned self] in nextReport },
      fire: { [unowned self] in report(at: $0) }
    )
  }

  func take(_ notice: SessionClientEngine.Notice) {
    switch notice {
    case .opened:
      do throws(GroupRefusal) {
        try conversation.send(.join(group))
      } catch {
        conversation.fail("cannot join \(group.text): \(error.text)")
      }
    case .message(.membership(let view)):
      if view.members.count >= command.members, started == nil { start() }
    case .message(.regular(let sender, let multicast)):
      receive(isOwn: sender == conversation.privateName, multicast.data.count)
    case .writable: fill()
    case .message, .closed, .failed: break
    }
  }

  private func start() {
    let now = BootClock.now
    started = now
    sendUntil = command.seconds.map { now + .seconds($0) }
    if !command.json, isatty(STDERR_FILENO) == 1 { nextReport = now + .seconds(1) }
    if command.rate != nil { nextSend = now } else { fill() }
  }

  private var mayStillSend: Bool {
    guard !conversation.isEnding else { return false }
    guard let sendUntil else { return sent < command.messages }
    return BootClock.now < sendUntil
  }

  private func fill() {
    guard started != nil, command.rate == nil else { return }
    while underWay.count - oldest < command.window, mayStillSend, sendOne() {}
    finishIfDone()
  }

  private func sendPaced() {
    guard let rate = command.rate, let due = nextSend else { return }
    guard mayStillSend else {
      nextSend = nil
      finishIfDone()
      return
    }
    if underWay.count - oldest < command.window { _ = sendOne() }
    nextSend = due + .nanoseconds(1_000_000_000 / rate)
  }

  private func sendOne() -> Bool {
    let message = SessionMulticast(
      service: command.service,
      groups: [group],
      data: [UInt8](repeating: UInt8(truncatingIfNeeded: sent), count: command.bytes)[...]
    )
    let now = BootClock.now
    do throws(GroupRefusal) {
      try conversation.send(.multicast(message))
    } catch {
      if error != .congested { conversation.fail("cannot send: \(error.text)") }
      return false
    }
    sent += 1
    underWay.append(now)
    return true
  }

  private func receive(isOwn: Bool, _ count: Int) {
    guard started != nil else { return }
    received += 1
    receivedBytes += count
    guard isOwn, oldest < underWay.count else { return }
    let now = BootClock.now
    latencies.append((now - underWay[oldest]).microseconds)
    oldest += 1
    finished = now
    if oldest > 4_096, oldest * 2 > underWay.count {
      underWay.removeFirst(oldest)
      oldest = 0
    }
    fill()
  }

  private func finishIfDone() {
    guard !mayStillSend, oldest == underWay.count, sent > 0 else { return }
    conversation.end()
  }

  private func report(at now: Instant) {
    nextReport = now + .seconds(1)
    let rate = Int64(received - reported)
    reported = received
    let text =
      "\r\(grouped(Int64(sent))) sent, \(grouped(Int64(received))) received, "
      + "\(grouped(rate)) a second \u{1B}[K"
    text.withCString { _ = Glibc.write(STDERR_FILENO, $0, strlen($0)) }
  }

  /// What was measured; `nil` if it never began.
  var figures: Figures? {
    guard let started else { return nil }
    if nextReport != nil { Terminal.error("") }
    let end = finished ?? BootClock.now
    return Figures(
      sent: sent,
      own: latencies.count,
      received: received,
      bytes: receivedBytes,
      elapsed: max((end - started).microseconds, 1),
      latencies: latencies.sorted()
    )
  }
}

/// What one flood measured.
struct Figures {
  let sent: Int
  /// How many of them came back.
  let own: Int
  let received: Int
  let bytes: Int
  /// From the first message sent to the last own one delivered, in microseconds.
  let elapsed: Int64
  /// Sorted, in microseconds.
  let latencies: [Int64]

  /// Messages a second.
  private var rate: Int64 { Int64(received) * 1_000_000 / elapsed }
  private var kilobytes: Int64 { Int64(bytes) * 1_000 / elapsed }

  private func latency(permille: Int) -> Int64 {
    guard !latencies.isEmpty else { return 0 }
    return latencies[min(latencies.count - 1, latencies.count * permille / 1_000)]
  }

  var text: String {
    let time = { (value: Int64) in shortTime(microseconds: value) }
    return """
      sent      \(grouped(Int64(sent))), of which \(grouped(Int64(own))) came back
      received  \(grouped(Int64(received))) in \(time(elapsed))
      rate      \(grouped(rate)) messages a second, \(tenths(kilobytes / 100)) MB a second
      latency   median \(time(latency(permille: 500))), 99 % \(time(latency(permille: 990))), \
      longest \(time(latencies.last ?? 0))
      """
  }

  var json: JSONValue {
    .object([
      .init("sent", .integer(Int64(sent))), .init("own", .integer(Int64(own))),
      .init("received", .integer(Int64(received))), .init("bytes", .integer(Int64(bytes))),
      .init("microseconds", .integer(elapsed)), .init("messages_per_second", .integer(rate)),
      .init("kilobytes_per_second", .integer(kilobytes)),
      .init("latency_p50_microseconds", .integer(latency(permille: 500))),
      .init("latency_p99_microseconds", .integer(latency(permille: 990))),
      .init("latency_max_microseconds", .integer(latencies.last ?? 0)),
    ])
  }
}

extension Duration {
  fileprivate var microseconds: Int64 {
    components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
  }
}
