// SPDX-License-Identifier: Apache-2.0

internal import FailoverWire
internal import GroupModel

/// Keeps what strangers send out of the fail-over engine, where anybody may send to its group.
///
/// What the engine sends goes out in an ``Envelope``, and only what comes in a genuine one, sent in
/// the view in which it is delivered, reaches it. So each member of a view judges each message the
/// same, whatever else it was in before.
///
/// - What is still on its way when a view comes will be dropped by everybody, its sender included:
///   the sender sends it again, in the new view, in order and before anything that follows from
///   the view. What means nothing outside its view (``FailoverMessage/isBoundToView(_:)``) is lost.
/// - Without a key all is taken that has no tag, and what has one is told: a node without the key of
///   the others holds its addresses as if it were alone.
/// - Counters rise for as long as a node runs, and those of others are remembered beyond a view: a
///   genuine Spread daemon can give the same id to two views.
struct Authentication: Sendable, Equatable {
  /// The most messages that wait to come back, or for a view.
  static let mostUnconfirmed = 4_096
  /// The most senders whose counters are remembered; only who has the key becomes one.
  static let mostSenders = 1_024
  /// The most reports in one view.
  static let mostReports = 64

  private let group: GroupName
  private(set) var seal: PayloadSeal?
  private var me: MemberID?
  private var view: Present?
  private var counter: UInt64 = 0
  private var unconfirmed: [Sent] = []
  /// In ascending order of sender.
  private var senders: [Sender] = []
  private(set) var drops = PayloadDrops()
  /// Who is not listened to for what in this view.
  private(set) var ignored: [PayloadReport] = []

  private struct Present: Sendable, Equatable {
    let id: ViewID
    let members: [MemberID]
  }

  /// Sent, or to be sent in the next view, and not delivered here yet.
  private struct Sent: Sendable, Equatable {
    /// Of its envelope; 0 until there is one.
    var counter: UInt64
    let request: GroupRequest
  }

  private struct Sender: Sendable, Equatable {
    let member: MemberID
    /// The highest counter that was accepted.
    var counter: UInt64
    /// When that was, in accepted messages of all senders.
    var turn: UInt64
  }

  /// What becomes of an event of the port.
  enum Verdict: Sendable, Equatable {
    case pass(GroupEvent)
    /// Dropped, and said already.
    case drop
    /// Dropped; the first of its kind from that sender in this view.
    case report(PayloadReport)
  }

  init(group: GroupName, seal: PayloadSeal?) { (self.group, self.seal) = (group, seal) }

  /// Goes on with other keys; what is on its way keeps the tag that it has.
  mutating func change(to seal: PayloadSeal?) {
    self.seal = seal
    ignored = []
  }

  // MARK: - In

  /// Judges an event of the port; `resend` is given what is to be requested before anything that
  /// follows from the event.
  mutating func take(_ event: GroupEvent, resend: (GroupRequest) -> Void) -> Verdict {
    switch event {
    case .connected(let me):
      end()
      self.me = me
    case .disconnected: end()
    case .left(let group): if group == self.group { end() }
    case .view(let view):
      if view.group == group {
        begin(Present(id: view.id, members: view.members.sorted()), resend: resend)
      }
    case .message(let message):
      guard message.groups.contains(group) else { break }
      return judge(message, resend: resend)
    case .transitional, .liveness: break
    }
    return .pass(event)
  }

  /// Nothing that was sent comes back; whatever is of lasting interest is said again in a new view.
  private mutating func end() {
    view = nil
    unconfirmed = []
    ignored = []
  }

  private mutating func begin(_ present: Present, resend: (GroupRequest) -> Void) {
    view = present
    ignored = []
    let again = unconfirmed
    unconfirmed = []
    for sent in again {
      if let request = wrap(sent.request) { resend(request) }
    }
  }

  private mutating func judge(
    _ message: GroupMessage,
    resend: (GroupRequest) -> Void
  ) -> Verdict {
    let isOwn = message.sender == me
    guard Envelope.isOne(message.payload) else {
      return seal?.takesBare ?? true
        ? .pass(.message(message)) : drop(.unsealed, from: message.sender)
    }
    guard let seal else { return drop(.sealed, from: message.sender) }
    guard let envelope = try? Envelope(decoding: message.payload) else {
      return drop(.malformed, from: message.sender)
    }
    guard let view, envelope.view == view.id else {
      // That of an own one is on its way again since the view.
      return drop(.otherView, from: message.sender)
    }
    let text = envelope.statement(group: group, members: view.members, sender: message.sender)
    switch seal.judge(envelope.tag, of: text, by: envelope.keyID) {
    case .genuine: break
    case .forged: return drop(.forged, from: message.sender)
    case .unknownKey:
      // The keys changed while it was on its way, and this node may wait for it.
      if isOwn, let sent = confirm(envelope.counter), let request = wrap(sent.request) {
        resend(request)
      }
      return drop(.unknownKey, from: message.sender)
    }
    guard advance(message.sender, to: envelope.counter) else {
      return drop(.replayed, from: message.sender)
    }
    if isOwn { _ = confirm(envelope.counter) }
    return .pass(
      .message(
        GroupMessage(
          sender: message.sender,
          groups: message.groups,
          service: message.service,
          tag: message.tag,
          payload: envelope.payload
        )
      )
    )
  }

  private mutating func drop(_ reason: PayloadDrop, from sender: MemberID) -> Verdict {
    drops[reason] += 1
    let report = PayloadReport(sender: sender, reason: reason)
    // Some are on their way at each change of view, and nobody's fault.
    guard reason != .otherView, ignored.count < Self.mostReports, !ignored.contains(report)
    else { return .drop }
    ignored.append(report)
    return .report(report)
  }

  /// Takes note of a counter; `false` if the sender has used it, or a higher one, before.
  private mutating func advance(_ member: MemberID, to counter: UInt64) -> Bool {
    let turn = (senders.map(\.turn).max() ?? 0) + 1
    if let index = senders.sortedIndex(of: member, by: \.member) {
      guard counter > senders[index].counter else { return false }
      (senders[index].counter, senders[index].turn) = (counter, turn)
      return true
    }
    if senders.count >= Self.mostSenders,
      let oldest = senders.indices.min(by: { senders[$0].turn < senders[$1].turn })
    {
      senders.remove(at: oldest)
    }
    let place = senders.firstIndex { $0.member > member } ?? senders.endIndex
    senders.insert(Sender(member: member, counter: counter, turn: turn), at: place)
    return true
  }

  /// An own message came back, and all before it did or never will.
  private mutating func confirm(_ counter: UInt64) -> Sent? {
    guard let index = unconfirmed.firstIndex(where: { $0.counter == counter }) else { return nil }
    return unconfirmed.remove(at: index)
  }

  // MARK: - Out

  /// The request to make of the port in place of one of the engine's; `nil` while it has to wait.
  mutating func wrap(_ request: GroupRequest) -> GroupRequest? {
    guard case .multicast(let groups, let service, let tag, let payload) = request,
      groups == [group], let seal, seal.sendsSealed
    else { return request }
    let isBound = FailoverMessage.isBoundToView(payload[...])
    guard let view, let me else {
      if !isBound { keep(Sent(counter: 0, request: request)) }
      return nil
    }
    counter += 1
    var envelope = Envelope(
      keyID: seal.keyID,
      counter: counter,
      view: view.id,
      tag: PayloadTag(0, 0),
      payload: payload[...]
    )
    envelope.tag = seal.tag(
      of: envelope.statement(group: group, members: view.members, sender: me)
    )
    if !isBound { keep(Sent(counter: counter, request: request)) }
    return .multicast(groups: groups, service: service, tag: tag, payload: envelope.encoded())
  }

  private mutating func keep(_ sent: Sent) {
    if unconfirmed.count >= Self.mostUnconfirmed {
      drops.unsent += 1
      unconfirmed.removeFirst()
    }
    unconfirmed.append(sent)
  }

  /// What the engine is told of a request that the port did not take: its own, and its own limits.
  mutating func unwrap(
    _ request: GroupRequest,
    _ refusal: GroupRefusal
  ) -> (GroupRequest, GroupRefusal) {
    guard case .multicast(let groups, let service, let tag, let payload) = request,
      let envelope = try? Envelope(decoding: payload[...])
    else { return (request, refusal) }
    _ = confirm(envelope.counter)
    let bare = GroupRequest.multicast(
      groups: groups,
      service: service,
      tag: tag,
      payload: Array(envelope.payload)
    )
    return switch refusal {
    case .tooLong(let limit): (bare, .tooLong(limit: max(limit - Envelope.overhead, 0)))
    case .disconnected, .congested, .destinations, .privateName, .unsupported: (bare, refusal)
    }
  }
}
