// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import SessionNode
import SessionWire
import Sessions
import Testing

/// Random clients, slow ones and ones that crash among them, on daemons that part and merge; then
/// the records of all of them are held against each other.
@Suite("Properties of sessions and groups")
struct PropertyTests {
  private static let groups = ["g", "h", "i"]

  /// What one session was told, as it came.
  private struct Record {
    let name: String
    var messages: [DaemonMessage] = []
    /// Whether the session was still there in the end.
    var isOpen = true
  }

  @Test("One order, no message twice, views that agree", arguments: UInt64(1)...24)
  func world(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let policy: SessionsEngine.SlowPolicy = seed % 2 == 0 ? .disconnect : .dropOldest
    let network = SessionNetwork(["dC", "dA", "dB"]) {
      $0.queuedMessages = 30
      $0.slowPolicy = policy
    }
    var users: [SessionUser] = []
    var past: [SessionUser] = []
    var named = 0
    var sent = 0
    for _ in 0..<150 {
      switch Int.random(in: 0..<20, using: &random) {
      case 0..<3 where users.count < 8:
        named += 1
        let host = Int.random(in: 0..<3, using: &random)
        users.append(try SessionUser("u\(named)", at: host, of: network))
      case 3..<6:
        users.randomElement(using: &random)?.join(pick(&random))
      case 6:
        users.randomElement(using: &random)?.leave(pick(&random))
      case 7..<14:
        sent += 1
        let service: Service = [.fifo, .causal, .agreed, .safe][sent % 4]
        let to = [pick(&random), pick(&random)]
        users.randomElement(using: &random)?.multicast("\(sent)", to: to, service: service)
      case 14 where users.count > 2:
        // Crashes, with or without a word.
        let gone = users.remove(at: Int.random(in: users.indices, using: &random))
        if sent % 2 == 0 { gone.say(.kill) } else { network.end(gone.id) }
        past.append(gone)
      case 15:
        if let slow = users.randomElement(using: &random) { network.stopReading(slow.id) }
      case 16:
        for user in users { network.resumeReading(user.id) }
      case 17:
        let host = Int.random(in: 0..<3, using: &random)
        network.part([[host], (0..<3).filter { $0 != host }])
      case 18:
        network.part([[0, 1, 2]])
      default:
        network.advance(.milliseconds(Int.random(in: 1...400, using: &random)))
      }
      if Bool.random(using: &random) { network.advance(.milliseconds(2)) }
    }
    // First safety, then liveness: all heals, and all that are left agree.
    network.part([[0, 1, 2]])
    for user in users { network.resumeReading(user.id) }
    network.settle()
    network.settle()
    var records: [Record] = []
    for var user in users + past {
      let messages = try user.take()
      let isLeft = !past.contains { $0.id == user.id } && !user.isClosed
      records.append(Record(name: user.name.text, messages: messages, isOpen: isLeft))
    }
    #expect(sent > 20)
    checkOrder(records)
    checkViews(records)
    if policy == .disconnect { checkEnd(records) }
  }

  private func pick(_ random: inout SplitMix64) -> String {
    Self.groups[Int.random(in: 0..<3, using: &random)]
  }

  /// What clients sent is unique by its text.
  private func texts(_ record: Record) -> [(sender: String, text: Int)] {
    record.messages.compactMap { message in
      guard case .regular(let sender, let multicast) = message else { return nil }
      return (sender.text, Int(String(decoding: multicast.data, as: UTF8.self)) ?? -1)
    }
  }

  private func checkOrder(_ records: [Record]) {
    let orders = records.map { record in texts(record).map(\.text) }
    for order in orders { #expect(Set(order).count == order.count, "a message came twice") }
    for record in records {
      for (_, own) in Dictionary(grouping: texts(record), by: \.sender) {
        #expect(own.map(\.text) == own.map(\.text).sorted(), "a sender's messages are out of order")
      }
    }
    for (place, order) in orders.enumerated() {
      let places = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
      for other in orders[(place + 1)...] {
        let common = other.compactMap { places[$0] }
        #expect(common == common.sorted(), "two sessions got messages in different orders")
      }
    }
  }

  private func checkViews(_ records: [Record]) {
    var members: [GroupID: [String]] = [:]
    for record in records {
      var isIn: Set<String> = []
      for message in record.messages {
        switch message {
        case .membership(let view):
          let names = view.members.map(\.text)
          #expect(names.contains(record.name), "a view without its receiver")
          #expect(members[view.id, default: names] == names, "one id, two views")
          members[view.id] = names
          if view.cause == .network {
            #expect(view.sets.flatMap(\.self).map(\.text).sorted() == names.sorted())
            #expect(view.sets[view.ownSet].map(\.text).contains(record.name))
          }
          isIn.insert(view.group.text)
        case .transition(let group, _): #expect(isIn.contains(group.text))
        case .selfLeave(let group):
          #expect(isIn.remove(group.text) != nil)
        case .regular(_, let multicast):
          let to = multicast.destinations.map(\.text)
          #expect(!isIn.isDisjoint(with: to), "a message of a group before its first view")
        case .rejected: Issue.record("rejected")
        }
      }
    }
  }

  /// Those that are left have the same last view of each group they are in.
  private func checkEnd(_ records: [Record]) {
    for group in Self.groups {
      var last: [String: MembershipMessage] = [:]
      for record in records where record.isOpen {
        for message in record.messages {
          switch message {
          case .membership(let view) where view.group.text == group: last[record.name] = view
          case .selfLeave(let left) where left.text == group: last[record.name] = nil
          case .membership, .selfLeave, .regular, .transition, .rejected: break
          }
        }
      }
      #expect(Set(last.values.map(\.id)).count <= 1, "\(group): different last views")
      if let view = last.values.first {
        #expect(view.members.map(\.text).sorted() == last.keys.sorted(), "\(group)")
      }
    }
  }
}
