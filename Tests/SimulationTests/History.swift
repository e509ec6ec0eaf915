// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Worlds

/// A hand-made history of three hosts, for the checkers.
struct History {
  var checker = EVSChecker(cast: Cast(count: 3))

  static let a = 0
  static let b = 1
  static let c = 2

  /// Starts the hosts, each in a ring of one, and merges them into ring 10.
  static func merged() -> History {
    var history = History()
    for host in 0..<3 {
      history.checker.start(host: host)
      history.regular(host, ring: UInt64(host + 1), [host], with: [host])
    }
    for host in 0..<3 {
      history.transitional(host, from: UInt64(host + 1), to: 10, [host])
      history.regular(host, ring: 10, [0, 1, 2], with: [host])
    }
    return history
  }

  func ring(_ sequence: UInt64) -> RingID {
    RingID(sequence: sequence, representative: checker.cast.node(0))
  }

  func roster(_ hosts: [Int]) -> Roster { Roster(hosts.map(checker.cast.node)) }

  mutating func submit(_ host: Int, _ service: Service = .agreed) -> Letter {
    let letter = checker.submit(host: host, service: service, length: 40)
    guard let letter else { preconditionFailure("host \(host) does not run") }
    return letter
  }

  mutating func send(
    _ letters: Letter...,
    ring sequence: UInt64 = 10,
    at position: UInt64,
    by holder: Int? = nil
  ) {
    let sender = letters[0].host
    checker.send(
      by: holder ?? sender,
      sender: sender,
      ring: ring(sequence),
      sequence: position,
      completing: letters,
      fingerprint: UInt64(letters[0].number)
    )
  }

  /// Submits a message and sends it at once.
  mutating func sent(
    by host: Int,
    _ service: Service = .agreed,
    ring sequence: UInt64 = 10,
    at position: UInt64
  ) -> Letter {
    let letter = submit(host, service)
    send(letter, ring: sequence, at: position)
    return letter
  }

  mutating func deliver(_ letters: Letter..., at hosts: Int..., ring sequence: UInt64 = 10) {
    for host in hosts {
      for letter in letters { deliver(letter, at: host, ring: sequence, payload: letter.bytes) }
    }
  }

  mutating func deliver(_ letter: Letter, at host: Int, ring sequence: UInt64, payload: [UInt8]) {
    checker.deliver(
      at: host,
      Delivered(
        sender: letter.host,
        service: letter.service,
        ring: ring(sequence),
        payload: payload[...]
      )
    )
  }

  mutating func transitional(
    _ host: Int,
    from: UInt64 = 10,
    to: UInt64 = 20,
    _ members: [Int]
  ) {
    checker.transitional(at: host, from: ring(from), to: ring(to), members: roster(members))
  }

  mutating func regular(
    _ host: Int,
    ring sequence: UInt64 = 20,
    _ members: [Int],
    with together: [Int]
  ) {
    checker.regular(
      at: host,
      ring: ring(sequence),
      members: roster(members),
      cameTogether: roster(together)
    )
  }

  /// Both configurations of a change after which these hosts are a ring.
  mutating func change(_ members: [Int], from: UInt64 = 10, to: UInt64 = 20) {
    for host in members { transitional(host, from: from, to: to, members) }
    for host in members { regular(host, ring: to, members, with: members) }
  }

  var broken: Rule? { checker.violation?.rule }
}
