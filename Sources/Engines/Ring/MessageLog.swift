// SPDX-License-Identifier: Apache-2.0

import GroupModel
import RingWire

/// The messages of one ring that may still be needed, by sequence number.
///
/// Slot `sequence mod capacity` holds `sequence`; the capacity grows as needed up to ``limit``.
struct MessageLog: Sendable, Equatable {
  struct Entry: Sendable, Equatable {
    let originator: NodeID
    let content: DataPacket.Content
  }

  /// The most consecutive sequence numbers held: what is further ahead is refused.
  static let limit = 16_384

  /// Everything at or below this was discarded.
  private(set) var floor: UInt64 = 0
  /// Everything at or below this is held or was discarded.
  private(set) var aru: UInt64 = 0
  /// The highest sequence number held or discarded.
  private(set) var highest: UInt64 = 0
  private var slots = [Entry?](repeating: nil, count: 64)
  /// The bytes of the messages held, with what each part costs.
  private var bytes = 0

  /// The most bytes held: several times what flow control lets members send in jumbo frames.
  static let mostBytes = 128 << 20

  enum Insertion: Sendable, Equatable {
    case inserted
    case duplicate
    case beyond
  }

  func contains(_ sequence: UInt64) -> Bool {
    sequence <= aru || (sequence <= highest && slots[slot(of: sequence)] != nil)
  }

  /// The message, unless it is not held.
  subscript(sequence: UInt64) -> Entry? {
    sequence > floor && sequence <= highest ? slots[slot(of: sequence)] : nil
  }

  mutating func insert(_ entry: Entry, at sequence: UInt64) -> Insertion {
    guard !contains(sequence) else { return .duplicate }
    guard sequence - floor <= UInt64(Self.limit), hasRoom(for: sequence) else { return .beyond }
    grow(toHold: Int(sequence - floor))
    slots[slot(of: sequence)] = entry
    bytes += entry.size
    highest = max(highest, sequence)
    while aru < highest, slots[slot(of: aru + 1)] != nil { aru += 1 }
    return .inserted
  }

  /// Whether there is memory for it; what comes next in order has room of its own, since it lets the
  /// rest be delivered and discarded.
  private func hasRoom(for sequence: UInt64) -> Bool {
    bytes <= (sequence == aru + 1 ? 2 * Self.mostBytes : Self.mostBytes)
  }

  /// Forgets everything up to `sequence`, or up to the first message that is missing.
  mutating func discard(upTo sequence: UInt64) {
    let end = min(sequence, aru)
    while floor < end {
      floor += 1
      bytes -= slots[slot(of: floor)]?.size ?? 0
      slots[slot(of: floor)] = nil
    }
  }

  /// What is missing up to `end`, in ascending order, `count` ranges at most.
  func missing(upTo end: UInt64, count: Int) -> [SequenceRange] {
    var ranges: [SequenceRange] = []
    var sequence = aru + 1
    while sequence <= end, ranges.count < count {
      if contains(sequence) {
        sequence += 1
        continue
      }
      var last = sequence
      while last < end, !contains(last + 1) { last += 1 }
      if let range = SequenceRange(sequence, last) { ranges.append(range) }
      sequence = last + 1
    }
    return ranges
  }

  private func slot(of sequence: UInt64) -> Int {
    Int(truncatingIfNeeded: sequence) & (slots.count - 1)
  }

  private mutating func grow(toHold count: Int) {
    guard count > slots.count else { return }
    var capacity = slots.count
    while capacity < count { capacity *= 2 }
    var grown = [Entry?](repeating: nil, count: capacity)
    var sequence = floor
    while sequence < highest {
      sequence += 1
      grown[Int(truncatingIfNeeded: sequence) & (capacity - 1)] = slots[slot(of: sequence)]
    }
    slots = grown
  }
}

extension MessageLog.Entry {
  fileprivate var size: Int {
    let fragments =
      switch content {
      case .messages(let fragments): fragments
      case .recovered(let old): old.fragments
      }
    return fragments.reduce(0) { $0 + $1.payload.count + MemoryLayout<Fragment>.stride }
  }
}
