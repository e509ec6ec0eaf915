// SPDX-License-Identifier: Apache-2.0

import GroupModel
import RingWire

/// Puts the parts of large messages together, one message per sender at a time.
///
/// Parts arrive in the order of the ring, so those of one sender follow each other.
struct Assembler: Sendable, Equatable {
  private struct Partial: Sendable, Equatable {
    let service: Service
    let total: Int
    var bytes: [UInt8]
  }

  private let senders: Roster
  private let longestMessage: Int
  private var partials: [Partial?]

  init(senders: Roster, longestMessage: Int) {
    self.senders = senders
    self.longestMessage = longestMessage
    partials = Array(repeating: nil, count: senders.count)
  }

  enum Result: Sendable, Equatable {
    case whole(ArraySlice<UInt8>)
    case incomplete
    case broken
  }

  mutating func take(_ fragment: Fragment, from sender: NodeID) -> Result {
    switch fragment.position {
    case .whole:
      guard fragment.payload.count <= longestMessage else { return .broken }
      return .whole(fragment.payload)
    case .first(let total):
      return begin(fragment, total: Int(total), from: sender)
    case .middle:
      return extend(fragment, from: sender, isLast: false)
    case .last:
      return extend(fragment, from: sender, isLast: true)
    }
  }

  private mutating func begin(_ fragment: Fragment, total: Int, from sender: NodeID) -> Result {
    guard let index = senders.index(of: sender) else { return .broken }
    let isBroken = partials[index] != nil
    partials[index] = nil
    guard total <= longestMessage, fragment.payload.count < total else { return .broken }
    partials[index] = Partial(
      service: fragment.service,
      total: total,
      bytes: Array(fragment.payload)
    )
    return isBroken ? .broken : .incomplete
  }

  private mutating func extend(
    _ fragment: Fragment,
    from sender: NodeID,
    isLast: Bool
  ) -> Result {
    guard let index = senders.index(of: sender), let partial = partials[index] else {
      return .broken
    }
    let length = partial.bytes.count + fragment.payload.count
    guard partial.service == fragment.service,
      isLast ? length == partial.total : length < partial.total
    else {
      partials[index] = nil
      return .broken
    }
    return append(fragment.payload, at: index, isLast: isLast)
  }

  private mutating func append(
    _ payload: ArraySlice<UInt8>,
    at index: Int,
    isLast: Bool
  ) -> Result {
    partials[index]?.bytes.append(contentsOf: payload)
    guard isLast, let whole = partials[index]?.bytes else { return .incomplete }
    partials[index] = nil
    return .whole(whole[...])
  }
}
