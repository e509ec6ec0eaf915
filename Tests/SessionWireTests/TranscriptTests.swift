// SPDX-License-Identifier: Apache-2.0

import Bytes
import GroupModel
import SessionWire
import Testing
import Transcripts

@Suite("Recorded conversations of genuine clients and daemons")
struct TranscriptTests {
  @Test("Every byte is understood, as what it is, and written again", arguments: Transcript.names)
  func decode(name: String) throws {
    let transcript = try Transcript(name)
    var speakers: [String: Conversation] = [:]
    var expected: [String] = []
    var found: [String] = []
    for line in transcript.lines {
      switch line.event {
      case .open, .step: break
      case .end: break
      case .unit(let text):
        // Further lines of a unit are indented.
        if !text.hasPrefix(" ") { expected.append(text.split(separator: " (")[0].description) }
      case .bytes(let bytes):
        // Byte by byte: what is cut anywhere is the same.
        for byte in bytes {
          found += try speakers[line.connection, default: Conversation()].hear(byte, line.side)
        }
      }
    }
    #expect(found == expected)
    #expect(speakers.values.allSatisfy { $0.isComplete })
    #expect(expected.count > 3)
  }

  @Test("The records are those that are meant")
  func records() {
    #expect(Transcript.names.count == 12)
  }

  @Test("A network view tells who came together")
  func sets() throws {
    let transcript = try Transcript("11-ring")
    var views: [MembershipMessage] = []
    for connection in transcript.connections {
      for message in try messages(transcript.stream(of: .daemon, connection)) {
        if case .membership(let view) = message, view.cause == .network { views.append(view) }
      }
    }
    #expect(views.contains { $0.sets.count == 2 && $0.ownSet == 1 })
    #expect(views.contains { $0.sets.count == 2 && $0.ownSet == 0 })
    #expect(views.contains { $0.sets.count == 1 })
    for view in views { #expect(view.sets.flatMap(\.self).sorted() == view.members.sorted()) }
  }

  /// The messages of a daemon's stream of a session that was accepted.
  private func messages(_ stream: [UInt8]) throws -> [DaemonMessage] {
    var rest = stream[...]
    guard case .complete(.methods, let list) = try MethodList.parse(rest) else { return [] }
    rest = rest.dropFirst(list)
    guard case .complete(.accepted, let length) = try Acceptance.parse(rest, for: .own) else {
      return []
    }
    rest = rest.dropFirst(length)
    var messages: [DaemonMessage] = []
    while case .complete(let frame, let length) = try MessageFrame.parse(
      rest,
      from: .daemon,
      limits: .test
    ) {
      messages.append(try DaemonMessage(frame))
      rest = rest.dropFirst(length)
    }
    return messages
  }
}

extension MessageFrame.Limits {
  static let test = Self(groups: 100, body: 144_000)
}

/// Both directions of one connection, understood by the codecs.
private struct Conversation {
  private enum Expected {
    case connect
    case methods
    case choice
    case acceptance
    case messages
    case nothing
  }

  private var client = Expected.connect
  private var daemon = Expected.methods
  private var heard: [Transcript.Side: [UInt8]] = [:]
  private var version = Version.own
  private var session = InlineName.empty

  /// Whether nothing unfinished is left.
  var isComplete: Bool { heard.values.allSatisfy(\.isEmpty) }

  /// Takes one byte; returns the name of the unit that it completes, if it does.
  mutating func hear(_ byte: UInt8, _ side: Transcript.Side) throws -> [String] {
    if side == .client, case .nothing = client { return [] }
    heard[side, default: []].append(byte)
    let bytes = heard[side, default: []][...]
    let unit =
      switch side {
      case .client: try hearClient(bytes)
      case .daemon: try hearDaemon(bytes)
      }
    guard let unit else { return [] }
    heard[side] = []
    return [unit]
  }

  private mutating func hearClient(_ bytes: ArraySlice<UInt8>) throws -> String? {
    switch client {
    case .connect:
      do {
        guard case .complete(let request, let length) = try ConnectRequest.parse(bytes) else {
          return nil
        }
        #expect(request.bytes == Array(bytes) && length == bytes.count)
        version = request.version
      } catch {
        // The refusal comes as early as it can; the rest of the request is passed over.
        client = .nothing
        return "CONNECT"
      }
      client = version.authenticates ? .choice : .messages
      if !version.authenticates { daemon = .acceptance }
      return "CONNECT"
    case .choice:
      guard case .complete(let choice, let length) = MethodChoice.parse(bytes) else { return nil }
      #expect(choice.bytes == Array(bytes) && length == bytes.count)
      client = .messages
      return "AUTH-CHOICE"
    case .messages:
      guard
        case .complete(let frame, let length) = try MessageFrame.parse(
          bytes,
          from: .client,
          limits: .test
        )
      else { return nil }
      #expect(length == bytes.count)
      let message = try ClientMessage(frame, of: session)
      let written = message.bytes(from: session, order: frame.header.order)
      switch message {
      case .kill:
        // What follows the NUL of its group is anything.
        #expect(written.prefix(48) == bytes.prefix(48))
        return "KILL"
      case .join:
        #expect(written == Array(bytes))
        return "JOIN"
      case .leave:
        #expect(written == Array(bytes))
        return "LEAVE"
      case .multicast:
        #expect(written == Array(bytes))
        return "MULTICAST"
      }
    case .methods, .acceptance, .nothing:
      return nil
    }
  }

  private mutating func hearDaemon(_ bytes: ArraySlice<UInt8>) throws -> String? {
    switch daemon {
    case .methods:
      guard case .complete(let list, let length) = try MethodList.parse(bytes) else { return nil }
      #expect(list.bytes == Array(bytes) && length == bytes.count)
      if case .refused(let code) = list {
        #expect(Refusal(rawValue: code) != nil)
        daemon = .nothing
        return "ERROR CODE"
      }
      daemon = .acceptance
      return "AUTH-LIST"
    case .acceptance:
      guard case .complete(let answer, let length) = try Acceptance.parse(bytes, for: version)
      else { return nil }
      #expect(answer.bytes(for: version) == Array(bytes) && length == bytes.count)
      guard case .accepted(_, let name) = answer else {
        daemon = .nothing
        return "ERROR CODE"
      }
      session = try #require(InlineName(name))
      daemon = .messages
      return "ACCEPT"
    case .messages:
      guard
        case .complete(let frame, let length) = try MessageFrame.parse(
          bytes,
          from: .daemon,
          limits: .test
        )
      else { return nil }
      let message = try DaemonMessage(frame)
      #expect(message.bytes() == Array(bytes) && length == bytes.count)
      switch message {
      case .regular: return "REGULAR"
      case .membership: return "REGULAR MEMBERSHIP"
      case .transition: return "TRANSITION"
      case .selfLeave: return "SELF-LEAVE"
      case .rejected: return "REJECT"
      }
    case .connect, .choice, .nothing:
      return nil
    }
  }
}
