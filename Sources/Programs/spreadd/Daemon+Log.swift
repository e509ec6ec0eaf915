// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Logging
import Ring
import SessionWire
import Sessions

/// What an operator reads of the engines: transitions at `info`, the rest at `debug`.
extension Daemon {
  func write(_ note: SessionsEngine.Note) {
    switch note {
    case .accepted(_, let member, let peer, let version):
      log.info("session \(member) from \(peer), client \(version)")
    case .refused(_, let peer, let refusal):
      log.info("refused a client from \(peer): \(refusal) (\(refusal.rawValue))")
    case .closed(_, let name, let reason):
      let text = "session \(name.text) is over: \(reason.name)"
      switch reason {
      case .requested, .ended: log.info("\(text)")
      case .handshakeTime, .refused, .crowded, .illegalType, .forged, .foreignName, .groups, .hint,
        .length, .slow, .backlog:
        log.warning("\(text)")
      }
    case .dropping(_, let name):
      log.warning("session \(name.text) does not keep up: its oldest messages are dropped")
    case .unreadable(let member):
      log.warning("a message of \(member) cannot be read: another version of the daemon?")
    }
  }

  func write(_ note: RingEngine.Note) {
    switch note {
    case .installed(let ring, let members): log.notice("ring \(ring): members \(members)")
    case .stalled(let duration): log.warning("the loop stood still for \(duration)")
    case .sequenceNotStored(let sequence):
      log.warning("ring sequence \(sequence) is in use, but not on stable storage yet")
    case .leftOut(let node, let duration):
      log.warning("\(node) spoils ring after ring and is left out for \(duration)")
    case .keptOut(let node, let difference):
      log.warning(
        "\(node) is kept out of the ring: \(difference); give all daemons the same Spread_Segments"
      )
    case .reconfigured: log.notice("the ring has taken on its new members and timers")
    case .notReconfigured(let members):
      log.error("the ring goes on with its old members and timers: \(members) in the way")
    case .gathering, .excluded, .refused: log.debug("ring: \(note)")
    }
  }

  func write(_ liveness: Liveness) {
    switch liveness {
    case .stalled(let duration): log.warning("the loop stood still for \(duration)")
    case .votedOut: log.warning("the others formed a ring without this daemon: joining anew")
    case .resumed: log.info("after the stall the ring stands")
    case .rotation: break
    }
  }
}

extension SessionsEngine.Peer: CustomStringConvertible {
  package var description: String {
    switch self {
    case .user(let user): "user \(user)"
    case .address(let address): "\(address)"
    }
  }
}
