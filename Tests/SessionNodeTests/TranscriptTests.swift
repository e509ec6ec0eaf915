// SPDX-License-Identifier: Apache-2.0

import GroupModel
import SessionNode
import SessionWire
import Sessions
import Testing
import Transcripts

/// Clients of recorded conversations, with this daemon in the place of the genuine one.
@Suite("Recorded clients at this daemon")
struct TranscriptTests {
  /// Those with one daemon, and without invented names.
  static let names = Transcript.names.filter { !$0.hasPrefix("02") && !$0.hasPrefix("11") }

  @Test("Every client gets what the genuine daemon sent it", arguments: names)
  func replay(name: String) throws {
    let transcript = try Transcript(name)
    let network = SessionNetwork(["dA"])
    var ids: [String: SessionsEngine.ID] = [:]
    for line in transcript.lines {
      switch (line.side, line.event) {
      case (.client, .open): ids[line.connection] = network.open()
      case (.client, .bytes(let bytes)):
        if let id = ids[line.connection] { network.send(bytes, id) }
        network.advance(.milliseconds(100))
      case (.client, .end):
        if let id = ids[line.connection] { network.end(id) }
        network.advance(.milliseconds(100))
      case (.daemon, _), (.client, .unit), (.client, .step): break
      }
    }
    #expect(!ids.isEmpty)
    for (connection, id) in ids.sorted(by: { $0.key < $1.key }) {
      let genuine = try describe(transcript.stream(of: .daemon, connection), transcript, connection)
      let own = try describe(
        network.connections[id]?.received ?? [],
        transcript,
        connection
      )
      if name.hasPrefix("03") {
        // A group that is made anew gets an id of its own here; the genuine daemon uses one twice.
        let withoutIDs = { (units: [String]) in units.map { $0.split(separator: " id ")[0] } }
        #expect(withoutIDs(own) == withoutIDs(genuine))
        #expect(own.count { $0.contains(" id ") } == 2 && Set(own).count == own.count)
      } else {
        #expect(own == genuine, "\(name) \(connection)")
      }
      #expect(network.connections[id]?.isClosed == true)
    }
  }

  /// The units of a daemon's stream, without what varies between runs: times and indexes of ids.
  private func describe(
    _ stream: [UInt8],
    _ transcript: Transcript,
    _ connection: String
  ) throws -> [String] {
    var rest = stream[...]
    var units: [String] = []
    let client = transcript.stream(of: .client, connection)
    let version = Version(client[0], client[1])
    if version.authenticates {
      guard case .complete(let list, let length) = try MethodList.parse(rest) else { return units }
      units.append("\(list)")
      rest = rest.dropFirst(length)
      if case .refused = list { return units + ["\(rest.count) left"] }
    }
    guard case .complete(let answer, let length) = try Acceptance.parse(rest, for: version) else {
      return units
    }
    units.append("\(answer)")
    rest = rest.dropFirst(length)
    let limits = MessageFrame.Limits(groups: 100, body: 144_000)
    var ids: [GroupID: Int] = [:]
    while case .complete(let frame, let length) = try MessageFrame.parse(
      rest,
      from: .daemon,
      limits: limits
    ) {
      let message = try DaemonMessage(frame)
      switch message {
      case .membership(let view):
        #expect(view.id.process == 0x7F00_0001)
        // Which views are the same is told by the place where each id was first seen.
        let number = ids[view.id] ?? ids.count
        ids[view.id] = number
        units.append(
          "\(view.group.text) \(view.cause) \(view.members.map(\.text)) "
            + "\(view.sets.map { $0.map(\.text) }) \(view.ownSet) id \(number)"
        )
      case .regular, .transition, .selfLeave, .rejected:
        // Of these, not one byte differs.
        units.append("\(Array(rest.prefix(length)))")
      }
      rest = rest.dropFirst(length)
    }
    return units + ["\(rest.count) left"]
  }
}
