// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Bytes
import ConfigurationText
import DaemonKit
import GroupModel
import Reactor
import SessionClient
import SessionWire

/// Prints what is said in groups.
struct Join: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Join groups, and print their messages and views.",
    discussion: "A lost session is opened again, and the groups are joined anew. Ends by SIGINT."
  )

  @OptionGroup var options: SessionOptions

  @Flag(help: "Print one JSON object for each message and view.")
  var json = false

  @Flag(help: "Print nothing but the payload of messages, each with a line feed behind it.")
  var raw = false

  @Option(help: "End after so many messages.")
  var count: Int?

  @Argument(help: "The groups.")
  var groups: [String]

  func validate() throws {
    for group in groups {
      guard GroupName(text: group) != nil else {
        throw ValidationError(
          "'\(group)' is not the name of a group: use 1 to 31 ASCII characters but blank, !, \", #"
        )
      }
    }
    if json, raw { throw ValidationError("--json and --raw exclude each other") }
    if let count, count < 1 { throw ValidationError("--count must be 1 or more") }
  }

  func run() throws {
    let names = try groups.map(destination)
    var left = count ?? .max
    var conversation: Conversation?
    let made = try Conversation(options, reconnects: true) { notice in
      switch notice {
      case .opened:
        for name in names {
          do throws(GroupRefusal) {
            try conversation?.send(.join(name))
          } catch  where error == .disconnected {
            break  // It was lost at once, and is opened again.
          } catch {
            conversation?.fail("cannot join \(name.text): \(error.text)")
          }
        }
      case .message(let message):
        guard left > 0 else { return }
        show(message)
        guard case .regular = message else { return }
        left -= 1
        if left == 0 { conversation?.end() }
      case .closed, .failed, .writable: break
      }
    }
    conversation = made
    try made.run()
  }

  private func show(_ message: DaemonMessage) {
    let line = MessageLine(message)
    if json { return Terminal.output(line.json.compact) }
    if raw {
      if case .regular(_, let multicast) = message {
        Terminal.output(bytes: multicast.data + [UInt8(ascii: "\n")])
      }
      return
    }
    Terminal.output(line.text)
  }
}

/// A daemon's word as a line of text or as JSON.
struct MessageLine {
  private let message: DaemonMessage

  init(_ message: DaemonMessage) { self.message = message }

  var text: String {
    switch message {
    case .regular(let sender, let multicast):
      let tag = multicast.hint.tag ?? 0
      let details = serviceName(multicast) + (tag == 0 ? "" : ", \(tag)")
      return "\(shown(sender)) -> \(destinations(multicast)) (\(details)): \(payload(multicast))"
    case .membership(let view):
      let members = view.members.map(shown).joined(separator: " ")
      return "* \(shown(view.group)): \(cause(view)); members: \(members)"
    case .transition(let group, _): return "* \(shown(group)): about to lose members by a fault"
    case .selfLeave(let group): return "* \(shown(group)): left"
    case .rejected(_, let original, let multicast):
      return
        "* refused: \(destinations(multicast)) (type 0x\(String(original.rawValue, radix: 16)))"
    }
  }

  var json: JSONValue {
    switch message {
    case .regular(let sender, let multicast):
      return .object([
        .init("event", .string("message")), .init("sender", .string(sender.text)),
        .init("groups", .array(multicast.destinations.map { .string($0.text) })),
        .init("service", .string(serviceName(multicast))),
        .init("tag", .integer(Int64(multicast.hint.tag ?? 0))),
        .init("bytes", .integer(Int64(multicast.data.count))), content(multicast),
      ])
    case .membership(let view):
      return .object([
        .init("event", .string("view")), .init("group", .string(view.group.text)),
        .init("id", .string(id(view.id))), .init("cause", .string("\(view.cause)")),
        .init("changed", .text(view.changed?.text)),
        .init("members", .array(view.members.map { .string($0.text) })),
        .init(
          "sets",
          .array(view.sets.map { set in .array(set.map { .string($0.text) }) })
        ), .init("own_set", .integer(Int64(view.ownSet))),
      ])
    case .transition(let group, let ending):
      return .object([
        .init("event", .string("transitional")), .init("group", .string(group.text)),
        .init("id", .string(id(ending))),
      ])
    case .selfLeave(let group):
      return .object([.init("event", .string("left")), .init("group", .string(group.text))])
    case .rejected(_, let original, let multicast):
      return .object([
        .init("event", .string("rejected")),
        .init("groups", .array(multicast.destinations.map { .string($0.text) })),
        .init("type", .integer(Int64(original.rawValue))),
      ])
    }
  }

  private func id(_ id: GroupID) -> String {
    "\(String(id.process, radix: 16)).\(id.time).\(id.index)"
  }

  private func serviceName(_ multicast: SessionMulticast) -> String {
    multicast.type.service.map { "\($0)" } ?? "unknown"
  }

  /// A name without what would upset a terminal: a sender may name anything among its destinations.
  private func shown(_ name: InlineName) -> String { visible(name.text) }

  private func destinations(_ multicast: SessionMulticast) -> String {
    multicast.destinations.map(shown).joined(separator: " ")
  }

  private func cause(_ view: MembershipMessage) -> String {
    let who = view.changed.map(shown) ?? ""
    return switch view.cause {
    case .join: "\(who) joined"
    case .leave: "\(who) left"
    case .disconnect: "\(who) is gone"
    case .network: "the network changed"
    }
  }

  /// The payload without what would upset a terminal.
  private func payload(_ multicast: SessionMulticast) -> String {
    guard let text = String(validating: multicast.data, as: UTF8.self) else {
      return "\(multicast.data.count) bytes that are not text"
    }
    return visible(text, limit: 2_000)
  }

  /// The payload as text, or in base 64 if it is none.
  private func content(_ multicast: SessionMulticast) -> JSONValue.Member {
    guard let text = String(validating: multicast.data, as: UTF8.self) else {
      return .init("base64", .string(base64(multicast.data)))
    }
    return .init("text", .string(text))
  }
}

/// Base 64 with padding (RFC 4648, section 4).
func base64(_ bytes: some Collection<UInt8>) -> String {
  let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  var text: [UInt8] = []
  var rest = Array(bytes)[...]
  while !rest.isEmpty {
    let group = rest.prefix(3)
    rest = rest.dropFirst(3)
    let padded = Array(group) + [UInt8](repeating: 0, count: 3 - group.count)
    let word = padded.reduce(0) { $0 << 8 | Int($1) }
    for place in 0..<4 {
      text.append(place > group.count ? UInt8(ascii: "=") : alphabet[word >> (18 - 6 * place) & 63])
    }
  }
  return String(decoding: text, as: UTF8.self)
}
