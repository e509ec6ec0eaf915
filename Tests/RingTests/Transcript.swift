// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Ring
import RingWire

/// A scenario with what its members did, as text that can be run again and compared.
///
/// It opens with comments that say why it is there. Then follow blocks: commands, `----`, what the
/// commands brought about, an empty line. Members that did the same share their lines.
///
/// | command | meaning |
/// | --- | --- |
/// | `members NODE...` | who is configured; the first command |
/// | `knows NODE NODE...` | what the first has configured when it is started next: itself, and these |
/// | `start NODE...` | start, or start again after a crash |
/// | `crash NODE...` | end without a word |
/// | `reconfigure NODE NODE...` | configure the first with itself and these while it runs |
/// | `leave NODE` | leave in good order |
/// | `submit NODE SERVICE TEXT` | give it a message to order |
/// | `pause DURATION NODE...` | do not run it for so long, as `300ms` or `2s` |
/// | `split NODE... / NODE... [/ ...]` | let only members of one part reach each other |
/// | `lose FROM TO [KIND]` | lose packets, or those of one kind; `*` is everybody |
/// | `heal` | undo every `split` and `lose` |
/// | `advance DURATION` | let time pass |
/// | `until NODE PHASE` | let time pass until it is in this phase |
/// | `until NODE delivered TEXT` | let time pass until it has delivered the message |
/// | `until ring NODE...` | let time pass until exactly these form a working ring |
struct Transcript {
  /// A command that means nothing, or a condition that never came.
  struct Failure: Error, CustomStringConvertible {
    let line: Int
    let text: String
    var description: String { "line \(line): \(text)" }
  }

  private struct Loss {
    let from: NodeID?
    let to: NodeID?
    let kind: PacketKind?
  }

  /// The longest that `until` waits.
  private static let patience = Duration.seconds(10)

  private(set) var cluster = Cluster([])
  /// The scenario with what was observed in place of what it held.
  private(set) var text = ""
  private var losses: [Loss] = []
  private var line = 0
  /// How much of the cluster's record has been written.
  private var written = 0

  /// Runs a scenario.
  init(running scenario: String) throws(Failure) {
    var isRecord = false
    for content in scenario.split(separator: "\n", omittingEmptySubsequences: false) {
      line += 1
      let content = String(content)
      if isRecord {
        guard content.isEmpty else { continue }
        isRecord = false
        text += "\n"
      } else if content == "----" {
        isRecord = true
        text += "----\n"
        for line in observed() { text += line + "\n" }
      } else if !content.isEmpty {
        text += content + "\n"
        if !content.hasPrefix("#") { try perform(content) }
      } else if !text.isEmpty, !text.hasSuffix("\n\n") {
        text += "\n"
      }
    }
    while text.hasSuffix("\n\n") { text.removeLast() }
  }
}

// MARK: - Commands

extension Transcript {
  private mutating func perform(_ command: String) throws(Failure) {
    let words = command.split(separator: " ").map(String.init)
    let rest = Array(words.dropFirst())
    switch words[0] {
    case "members": cluster = Cluster(try nodes(rest))
    case "knows": cluster.knows[try node(word(0, of: rest))] = try nodes(rest)
    case "start": cluster.start(try nodes(rest))
    case "crash": for node in try nodes(rest).nodes { cluster.crash(node) }
    case "reconfigure":
      cluster.reconfigure(try node(word(0, of: rest)), with: try nodes(rest))
    case "leave": cluster.leave(try node(word(0, of: rest)))
    case "submit":
      let service = try service(word(1, of: rest))
      cluster.submit(try word(2, of: rest), at: try node(word(0, of: rest)), service)
    case "pause":
      let duration = try duration(word(0, of: rest))
      for node in try nodes(Array(rest.dropFirst())).nodes { cluster.pause(node, for: duration) }
    case "split":
      var parts: [Roster] = []
      for part in rest.split(separator: "/") { parts.append(try nodes(Array(part))) }
      cluster.parts = parts
    case "lose": try lose(rest)
    case "heal":
      cluster.parts = nil
      losses = []
      cluster.loses = { _, _, _ in false }
    case "advance": cluster.advance(try duration(word(0, of: rest)))
    case "until": try wait(for: rest)
    default: throw failure("no such command: \(command)")
    }
  }

  private mutating func lose(_ words: [String]) throws(Failure) {
    let (from, to) = (try word(0, of: words), try word(1, of: words))
    var kind: PacketKind?
    if words.count > 2 {
      kind = PacketKind.allCases.first { "\($0)" == words[2] }
      guard kind != nil else { throw failure("no such kind of packet: \(words[2])") }
    }
    losses.append(
      Loss(from: from == "*" ? nil : try node(from), to: to == "*" ? nil : try node(to), kind: kind)
    )
    let losses = losses
    cluster.loses = { from, to, packet in
      losses.contains {
        ($0.from ?? from) == from && ($0.to ?? to) == to && ($0.kind ?? packet.kind) == packet.kind
      }
    }
  }

  private mutating func wait(for words: [String]) throws(Failure) {
    let first = try word(0, of: words)
    let isDone: (Cluster) -> Bool
    if first == "ring" {
      let members = try nodes(Array(words.dropFirst()))
      isDone = { $0.isRing(members) }
    } else {
      let (node, what) = (try node(first), try word(1, of: words))
      if what == "delivered" {
        let text = try word(2, of: words)
        isDone = { $0.texts(node).contains(text) }
      } else {
        guard let phase = RingEngine.PhaseName(rawValue: what) else {
          throw failure("no such phase: \(what)")
        }
        isDone = { $0[node].engine.phaseName == phase }
      }
    }
    guard cluster.advance(atMost: Self.patience, until: isDone) != nil else {
      throw failure("waited in vain for: \(words.joined(separator: " "))")
    }
  }
}

// MARK: - Words

extension Transcript {
  private func failure(_ text: String) -> Failure { Failure(line: line, text: text) }

  private func word(_ index: Int, of words: [String]) throws(Failure) -> String {
    guard index < words.count else { throw failure("a word is missing") }
    return words[index]
  }

  private func node(_ word: String) throws(Failure) -> NodeID {
    guard let node = NodeID(text: word) else { throw failure("not a name: \(word)") }
    return node
  }

  private func nodes(_ words: [String]) throws(Failure) -> Roster {
    var nodes: [NodeID] = []
    for word in words { nodes.append(try node(word)) }
    return Roster(nodes)
  }

  private func service(_ word: String) throws(Failure) -> Service {
    guard let service = Service.allCases.first(where: { "\($0)" == word }) else {
      throw failure("no such service: \(word)")
    }
    return service
  }

  private func duration(_ word: String) throws(Failure) -> Duration {
    if word.hasSuffix("ms"), let count = Int(word.dropLast(2)) { return .milliseconds(count) }
    if word.hasSuffix("us"), let count = Int(word.dropLast(2)) { return .microseconds(count) }
    if word.hasSuffix("s"), let count = Int(word.dropLast(1)) { return .seconds(count) }
    throw failure("not a duration: \(word)")
  }
}

// MARK: - What was observed

extension Transcript {
  /// What happened since the last block; members that did the same together.
  private mutating func observed() -> [String] {
    var stories: [(nodes: [NodeID], lines: [String])] = []
    let new = cluster.record[written...]
    written = cluster.record.count
    for node in cluster.roster.nodes {
      let lines = new.compactMap { $0.node == node ? Self.words(for: $0.effect) : nil }
      guard !lines.isEmpty else { continue }
      if let index = stories.firstIndex(where: { $0.lines == lines }) {
        stories[index].nodes.append(node)
      } else {
        stories.append(([node], lines))
      }
    }
    return stories.flatMap { story in
      let names = story.nodes.map(\.description).joined(separator: ",")
      return story.lines.map { "\(names) \($0)" }
    }
  }

  private static func words(for effect: RingEngine.Effect) -> String? {
    switch effect {
    case .deliver(.message(let message)):
      let text = String(decoding: message.payload, as: UTF8.self)
      return "deliver \(text) of \(message.sender), \(message.service)"
    case .deliver(.transitional(let configuration)):
      return "transitional \(configuration.from) to \(configuration.to) \(configuration.members)"
    case .deliver(.regular(let configuration)):
      let others = configuration.cameTogether
      return "regular \(configuration.ring) \(configuration.members), together \(others)"
    case .liveness(.votedOut): return "tell voted out"
    case .liveness(.resumed): return "tell resumed"
    case .liveness(.stalled): return "tell stalled"
    case .liveness(.rotation): return nil
    case .note(let note): return words(for: note)
    case .departed: return "departed"
    case .send, .multicast, .store, .drain: return nil
    }
  }

  private static func words(for note: RingEngine.Note) -> String? {
    switch note {
    case .gathering(let reason): "gather because \(spaced("\(reason)"))"
    case .excluded(let node, .reported(let by)): "exclude \(node): reported by \(by)"
    case .excluded(let node, let reason): "exclude \(node): \(spaced("\(reason)"))"
    case .leftOut(let node, let penalty): "leave out \(node) for \(penalty)"
    case .sequenceNotStored(let sequence): "use sequence \(sequence) before it is stored"
    case .refused(let reason): "refuse: \(spaced("\(reason)"))"
    case .keptOut(let node, let difference): "keep out \(node): \(difference)"
    case .reconfigured: "take on other members"
    case .notReconfigured(let members): "take on no other members: \(members) in the way"
    // Both are told in other words as well.
    case .installed, .stalled: nil
    }
  }

  /// The name of a case as words: `tokenLost` is `token lost`.
  private static func spaced(_ name: String) -> String {
    name.reduce(into: "") { $0 += $1.isUppercase ? " " + $1.lowercased() : String($1) }
  }
}
