// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import RingWire

extension MessageLog.Entry {
  /// Whether it may be delivered only when every member is known to hold it.
  var isSafe: Bool {
    switch content {
    case .messages(let fragments): fragments.first?.service == .safe
    case .recovered: false
    }
  }
}

extension RingEngine.Context {
  /// The most packets in flight beyond the safe point.
  var maxOutstanding: Int { min(MessageLog.limit / 4, max(1_024, 4 * settings.window)) }

  /// Delivers in order what may be delivered: agreed up to the first gap, safe up to the safe point.
  mutating func deliverReady() {
    while let entry = home.log[home.delivered + 1] {
      if entry.isSafe, home.delivered + 1 > home.safe { break }
      home.delivered += 1
      deliver(entry)
    }
  }

  /// Hands the messages that end with this entry to the layer above.
  mutating func deliver(_ entry: MessageLog.Entry) {
    guard case .messages(let fragments) = entry.content else { return }
    for fragment in fragments {
      switch home.assembler.take(fragment, from: entry.originator) {
      case .whole(let payload):
        statistics.messagesDelivered += 1
        let message = Delivery.Message(
          sender: entry.originator,
          service: fragment.service,
          ring: home.id,
          payload: payload
        )
        emit(.deliver(.message(message)))
      case .incomplete: break
      case .broken: drop(.brokenFragment)
      }
    }
  }

  /// Makes the ring recovered into the installed one, and delivers its configuration.
  mutating func install(cameTogether: Roster) {
    swap(&home, &next)
    home.delivered = home.log.floor
    isInstalled = true
    sequences.noteInstalled(home.id.sequence)
    outbox.restart()
    attempts = Attempts()
    keptOut = keptOut.subtracting(home.members)
    broadcastAt = now
    statistics.configurations += 1
    statistics.longestRotation = .zero
    let configuration = Delivery.RegularConfiguration(
      ring: home.id,
      members: home.members,
      cameTogether: cameTogether
    )
    emit(.deliver(.regular(configuration)))
    note(.installed(home.id, members: home.members))
    for (node, penalty) in peers.judge(installed: home.members, at: now) {
      note(.leftOut(node, for: penalty))
    }
    deliverReady()
  }
}
