// SPDX-License-Identifier: Apache-2.0

import GroupModel
import SessionClient
import SessionWire

/// What a sender asks of a message's delivery.
public enum SpreadService: String, Sendable, Hashable, CaseIterable {
  /// At most once, perhaps never.
  case unreliable
  /// To all that stay reachable, in no promised order.
  case reliable
  /// Reliable, and in the order of each sender.
  case fifo
  /// FIFO, and after all that its sender had received or sent before.
  case causal
  /// In one order for all receivers, over all groups.
  case agreed
  /// Agreed, and only once every daemon is known to have it.
  case safe

  var value: Service {
    switch self {
    case .unreliable: .unreliable
    case .reliable: .reliable
    case .fifo: .fifo
    case .causal: .causal
    case .agreed: .agreed
    case .safe: .safe
    }
  }

  init(_ service: Service) {
    switch service {
    case .unreliable: self = .unreliable
    case .reliable: self = .reliable
    case .fifo: self = .fifo
    case .causal: self = .causal
    case .agreed: self = .agreed
    case .safe: self = .safe
    }
  }
}

/// What happens in a session.
public enum SpreadEvent: Sendable, Hashable {
  /// The session is open, under this private name, by which others can send to it alone.
  case connected(privateName: String)
  case message(SpreadMessage)
  /// A new membership of a group that the session is in.
  case view(SpreadView)
  /// A group is about to lose members by a fault: up to the next view, what was sent safe is known
  /// to be held only by those who stay.
  case transitional(group: String)
  /// The session has left the group.
  case left(group: String)
  /// The daemon refused a message of this session to these groups.
  case rejected(groups: [String])
  /// The session is lost, with all memberships; `connected` follows when it is back.
  case disconnected(reason: String)
}

/// A message as it is delivered.
public struct SpreadMessage: Sendable, Hashable {
  /// The private name of the session that sent it.
  public let sender: String
  /// All groups and private names it was sent to.
  public let groups: [String]
  public let service: SpreadService
  /// The sender's number.
  public let tag: Int16
  public let payload: [UInt8]

  /// The payload as text; `nil` if it is not UTF-8.
  public var text: String? { String(validating: payload, as: UTF8.self) }
}

/// One membership of a group, which all its members see alike.
public struct SpreadView: Sendable, Hashable {
  /// Why a view came to be.
  public enum Cause: Sendable, Hashable {
    case joined(String)
    case left(String)
    case disconnected(String)
    /// Daemons failed, were cut off, or came back.
    case network
  }

  /// The identity of a view, for comparison.
  public struct ID: Sendable, Hashable, CustomStringConvertible {
    let id: GroupID

    public var description: String {
      "\(String(id.process, radix: 16)).\(id.time).\(id.index)"
    }
  }

  public let group: String
  public let id: ID
  /// Private names, in the same order at every member.
  public let members: [String]
  public let cause: Cause
  /// Those who came from the former view together with this session, itself among them.
  ///
  /// They have delivered the same messages in it.
  public let cameTogether: [String]
}

/// Why something was not done.
public enum SpreadError: Error, Sendable, Hashable {
  /// Not `PORT`, `PORT@HOST`, or the path of a socket.
  case invalidAddress(String)
  /// Not the name of a session.
  case invalidName(String)
  /// Not the name of a group.
  case invalidGroup(String)
  case tooManyGroups(limit: Int)
  case tooLong(limit: Int)
  /// No daemon could be reached; the text says why.
  case unreachable(String)
  /// The daemon refused the session; the text says why.
  case refused(String)
  /// The daemon said something that cannot be understood.
  case protocolViolation(String)
  /// There is no session at present.
  case disconnected
  /// The session was closed.
  case closed
}

extension SpreadError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .invalidAddress(let text): "'\(text)' is not PORT, PORT@HOST, or an absolute path"
    case .invalidName(let text): "'\(text)' cannot be the name of a session"
    case .invalidGroup(let text): "'\(text)' is not the name of a group"
    case .tooManyGroups(let limit): "a message goes to 1 to \(limit) groups"
    case .tooLong(let limit): "the message is longer than \(limit) bytes"
    case .unreachable(let text), .refused(let text), .protocolViolation(let text): text
    case .disconnected: "there is no session at present"
    case .closed: "the session was closed"
    }
  }
}

extension SpreadError {
  init(_ reason: DisconnectReason) {
    switch reason {
    case .requested: self = .closed
    case .unreachable(let text): self = .unreachable(text)
    case .refused(let text): self = .refused(text)
    case .protocolViolation(let text): self = .protocolViolation(text)
    }
  }

  init(_ refusal: GroupRefusal) {
    switch refusal {
    case .disconnected, .congested, .unsupported, .privateName: self = .disconnected
    case .tooLong(let limit): self = .tooLong(limit: limit)
    case .destinations(let limit): self = .tooManyGroups(limit: limit)
    }
  }
}

extension SpreadEvent {
  /// The event that a daemon's word is to the session of that name.
  init(_ message: DaemonMessage, to own: InlineName) {
    switch message {
    case .regular(let sender, let multicast):
      self = .message(
        SpreadMessage(
          sender: sender.text,
          groups: multicast.destinations.map(\.text),
          service: SpreadService(multicast.type.service ?? .reliable),
          tag: multicast.hint.tag ?? 0,
          payload: Array(multicast.data)
        )
      )
    case .membership(let view): self = .view(SpreadView(view, to: own))
    case .transition(let group, _): self = .transitional(group: group.text)
    case .selfLeave(let group): self = .left(group: group.text)
    case .rejected(_, _, let multicast):
      self = .rejected(groups: multicast.destinations.map(\.text))
    }
  }
}

extension SpreadView {
  init(_ view: MembershipMessage, to own: InlineName) {
    let changed = view.changed?.text ?? ""
    cause =
      switch view.cause {
      case .join: .joined(changed)
      case .leave: .left(changed)
      case .disconnect: .disconnected(changed)
      case .network: .network
      }
    cameTogether = view.cameTogether(with: own).map(\.text)
    (group, id) = (view.group.text, ID(id: view.id))
    members = view.members.map(\.text)
  }
}
