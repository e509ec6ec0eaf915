// SPDX-License-Identifier: Apache-2.0

import Addresses
import GroupModel
import Machine
import SessionWire
import Sessions

/// What clients and daemons of the Spread protocol say, for damage.
enum ClientStreams {
  private static let name = InlineName(Array("g".utf8)) ?? .empty
  private static let session = InlineName(Array("#a#d".utf8)) ?? .empty

  /// Whole streams of clients: a handshake with messages behind it.
  static var clients: [[UInt8]] {
    let open =
      ConnectRequest(wantsMembership: true, name: Array("a".utf8)).bytes
      + MethodChoice(["NULL"]).bytes
    let old = ConnectRequest(version: Version(3, 12), wantsMembership: false, name: []).bytes
    let messages: [ClientMessage] = [
      .join(name),
      .multicast(
        SessionMulticast(service: .safe, tag: -1, groups: [name, session], data: [1, 2])
      ),
      .leave(name), .kill,
    ]
    return [open, old] + messages.map { open + $0.bytes(from: session) }
      + [open + messages.flatMap { $0.bytes(from: session, order: .big) }]
  }

  /// Messages of daemons.
  static var daemons: [[UInt8]] {
    let id = GroupID(process: 1, time: 2, index: 3)
    let view = MembershipMessage(
      group: name,
      cause: .network,
      id: id,
      members: [session, name],
      sets: [[session], [name]],
      ownSet: 1
    )
    let messages: [DaemonMessage] = [
      .membership(view), .transition(group: name, ending: id), .selfLeave(group: name),
      .regular(
        sender: session,
        SessionMulticast(service: .fifo, groups: [name], data: [9])
      ),
    ]
    return messages.flatMap { [$0.bytes(), $0.bytes(order: .big)] }
  }

  /// Whether an engine that reads the stream, in two pieces, keeps the session.
  ///
  /// Whatever the client says, what the engine answers is bounded and its books are right.
  static func survives(_ stream: ArraySlice<UInt8>) -> Bool {
    var settings = SessionsEngine.Settings(
      me: "d",
      daemons: [.init(node: "d", address: .v4(IPv4Address(1)))]
    )
    settings.longestMessage = 4_096
    var engine = SessionsEngine(settings: settings)
    var effects = EffectQueue<SessionsEngine.Effect>()
    let id = SessionsEngine.ID(1)
    engine.handle(.opened(id, .user(0), isAdmitted: false), at: .boot, into: &effects)
    let half = stream.startIndex + stream.count / 2
    engine.handle(.received(id, Array(stream[..<half])), at: .boot, into: &effects)
    engine.handle(.received(id, Array(stream[half...])), at: .boot, into: &effects)
    let isOpen = engine.counts.open == 1
    engine.handle(.ended(id), at: .boot, into: &effects)
    engine.advance(to: .boot + .seconds(60), into: &effects)
    precondition(engine.counts.open == 0 && engine.counts.handshakes == 0)
    var (connects, crashes, closes) = (0, 0, 0)
    for effect in effects.takeAll() {
      switch effect {
      case .connect: connects += 1
      case .crash: crashes += 1
      case .close: closes += 1
      case .request, .ready, .write, .finish, .note: break
      }
    }
    precondition(connects == crashes && connects <= 1 && closes == 1)
    return isOpen
  }

  /// Whether a daemon's message is understood.
  static func reads(_ message: ArraySlice<UInt8>) -> Bool {
    let limits = MessageFrame.Limits(groups: 100, body: 4_096)
    let parsed = try? MessageFrame.parse(message, from: .daemon, limits: limits)
    guard case .complete(let frame, _)? = parsed else { return false }
    return (try? DaemonMessage(frame)) != nil
  }
}
