// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// Watches all processes of a world from outside and holds them to Extended Virtual Synchrony.
///
/// It sees what is submitted, what takes a place in a ring's order (a packet's first appearance on
/// the wire), and what is delivered. It stops at the first violation: after one nothing else can
/// be believed. Rules are named in ``Rule``.
package struct EVSChecker: Sendable {
  package let cast: Cast
  package internal(set) var violation: Violation?
  package internal(set) var counters = Counters()
  /// Fold of everything observed, in order: equal for equal worlds.
  package internal(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325

  var messages: [MessageRecord] = []
  var processes: [ProcessRecord] = []
  var rings: [RingRecord] = []
  var ringIndices: [RingID: Int] = [:]
  var transitions: [TransitionRecord] = []
  /// The process that runs on each host; -1 for none.
  var running: [Int]
  /// The processes that ran on each host, by incarnation.
  var incarnations: [[Int]]

  package init(cast: Cast) {
    self.cast = cast
    running = Array(repeating: -1, count: cast.count)
    incarnations = Array(repeating: [], count: cast.count)
  }

  // MARK: - Processes

  /// The most processes of one world.
  package static let processLimit = 128

  /// A host's engine starts; returns its incarnation.
  ///
  /// `remembers` says whether its stored ring sequence covers what earlier processes used.
  @discardableResult
  package mutating func start(host: Int, remembers: Bool = true) -> Int {
    precondition(running[host] < 0, "host \(host) runs already")
    precondition(processes.count < Self.processLimit, "too many restarts in one world")
    let incarnation = incarnations[host].count
    running[host] = processes.count
    incarnations[host].append(processes.count)
    processes.append(
      ProcessRecord(host: host, incarnation: incarnation, remembers: remembers)
    )
    fold(1, host, incarnation)
    return incarnation
  }

  /// A host's engine ends: by a crash, or because it left in good order.
  package mutating func stop(host: Int) {
    guard running[host] >= 0 else { return }
    processes[running[host]].isAlive = false
    running[host] = -1
    fold(2, host, 0)
  }

  // MARK: - Messages

  /// Makes the next letter of a host and notes it as submitted.
  ///
  /// A `fingerprint` of its bytes is for messages that are known again by that.
  package mutating func submit(
    host: Int,
    service: Service,
    length: Int,
    fingerprint: UInt64 = 0
  ) -> Letter? {
    let process = running[host]
    guard process >= 0 else { return nil }
    let sender = processes[process]
    let letter = Letter(
      host: host,
      incarnation: sender.incarnation,
      number: sender.messages.count,
      service: service,
      length: length
    )
    // What is submitted in a transitional configuration is sent in a later one.
    let isRegular = sender.transition < 0
    processes[process].messages.append(messages.count)
    messages.append(
      MessageRecord(
        process: process,
        number: letter.number,
        service: service,
        fingerprint: fingerprint,
        contextRing: isRegular ? sender.ring : -1,
        context: sender.cursor
      )
    )
    counters.submitted += 1
    fold(3, host, letter.length)
    return letter
  }

  /// Takes the host's last letter back: its engine refused it.
  package mutating func withdraw(host: Int) {
    guard running[host] >= 0, let last = processes[running[host]].messages.popLast() else { return }
    precondition(last == messages.count - 1, "only the last letter can be withdrawn")
    messages.removeLast()
    counters.submitted -= 1
  }

  /// The message a letter stands for; `nil` if nobody submitted it.
  func message(of letter: Letter) -> Int? {
    guard incarnations.indices.contains(letter.host),
      incarnations[letter.host].indices.contains(letter.incarnation)
    else { return nil }
    let process = incarnations[letter.host][letter.incarnation]
    guard processes[process].messages.indices.contains(letter.number) else { return nil }
    let message = processes[process].messages[letter.number]
    return messages[message].service == letter.service ? message : nil
  }

  // MARK: - Findings

  mutating func report(_ rule: Rule, _ text: String) {
    if violation == nil { violation = Violation(rule, text) }
  }

  func name(_ process: Int) -> String {
    guard process >= 0 else { return "nobody" }
    let record = processes[process]
    return "\(cast.node(record.host))/\(record.incarnation)"
  }

  func describe(_ message: Int) -> String {
    let record = messages[message]
    return "message \(name(record.process))#\(record.number) (\(record.service))"
  }

  func ringName(_ ring: Int) -> String { ring < 0 ? "no ring" : rings[ring].id.description }

  mutating func fold(_ kind: Int, _ first: Int, _ second: Int) {
    for word in [kind, first, second] {
      digest = (digest ^ UInt64(truncatingIfNeeded: word)) &* 0x100_0000_01b3
    }
    digest ^= digest >> 31
  }

  mutating func index(of ring: RingID) -> Int {
    if let index = ringIndices[ring] { return index }
    let record = RingRecord(
      id: ring,
      installer: Array(repeating: -1, count: cast.count),
      tried: Array(repeating: HostSet(), count: cast.count)
    )
    ringIndices[ring] = rings.count
    rings.append(record)
    return rings.count - 1
  }
}
