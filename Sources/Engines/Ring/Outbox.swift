// SPDX-License-Identifier: Apache-2.0

import GroupModel
import RingWire

/// Messages that wait for a place in the order: packed when small, cut into parts when large.
struct Outbox: Sendable, Equatable {
  private struct Pending: Sendable, Equatable {
    let service: Service
    let payload: [UInt8]
  }

  /// The most messages that wait.
  static let messageLimit = 65_536
  /// The least room that is worth beginning a large message in.
  private static let leastPart = 128

  /// The most bytes of fragments in one packet.
  var room: Int
  private let byteLimit: Int
  private var queue: [Pending] = []
  private var head = 0
  /// How much of the first message has a place already.
  private var offset = 0
  /// The bytes that wait, with what they cost in packets.
  private(set) var bytes = 0

  init(room: Int, longestMessage: Int) {
    self.room = room
    byteLimit = max(64 << 20, 2 * longestMessage)
  }

  var count: Int { queue.count - head }
  var isEmpty: Bool { head == queue.count }
  var hasRoom: Bool { count < Self.messageLimit && bytes < byteLimit }
  /// Whether less than half of the room is left.
  var isCongested: Bool { count >= Self.messageLimit / 2 || bytes >= byteLimit / 2 }
  /// About how many packets the waiting messages need.
  var packets: UInt32 { UInt32(clamping: (bytes + room - 1) / room) }

  mutating func append(service: Service, payload: [UInt8]) {
    queue.append(Pending(service: service, payload: payload))
    bytes += payload.count + Fragment.overhead
  }

  /// Takes what goes into one packet; `nil` if nothing waits.
  ///
  /// Safe messages share packets with safe ones only, so that a packet is delivered as a whole.
  mutating func takePacket() -> [Fragment]? {
    guard !isEmpty else { return nil }
    var fragments: [Fragment] = []
    var left = room
    let isSafe = queue[head].service == .safe
    while head < queue.count, (queue[head].service == .safe) == isSafe {
      guard let fragment = takeFragment(room: left, isFirst: fragments.isEmpty) else { break }
      left -= fragment.payload.count + fragment.cost
      fragments.append(fragment)
    }
    compact()
    return fragments
  }

  /// Forgets that a message was begun: its parts on the old ring are void.
  mutating func restart() {
    bytes += offset
    offset = 0
  }

  private mutating func takeFragment(room left: Int, isFirst: Bool) -> Fragment? {
    let service = queue[head].service
    let size = queue[head].payload.count
    if offset == 0, size + Fragment.overhead <= left {
      let payload = queue[head].payload[...]
      finishHead(bytes: size)
      return Fragment(service: service, position: .whole, payload: payload)
    }
    if offset == 0 {
      // It fits a packet of its own, or what is left is not worth a part.
      if size + Fragment.overhead <= room && !isFirst { return nil }
      if left < Self.leastPart && !isFirst { return nil }
      let end = left - Fragment.longestOverhead
      let payload = queue[head].payload[..<end]
      offset = end
      bytes -= end
      return Fragment(service: service, position: .first(total: UInt32(size)), payload: payload)
    }
    let space = left - Fragment.overhead
    guard space > 0 else { return nil }
    if size - offset <= space {
      let payload = queue[head].payload[offset...]
      finishHead(bytes: size - offset)
      return Fragment(service: service, position: .last, payload: payload)
    }
    guard left >= Self.leastPart || isFirst else { return nil }
    let payload = queue[head].payload[offset..<offset + space]
    offset += space
    bytes -= space
    return Fragment(service: service, position: .middle, payload: payload)
  }

  private mutating func finishHead(bytes count: Int) {
    bytes -= count + Fragment.overhead
    head += 1
    offset = 0
  }

  private mutating func compact() {
    if head == queue.count {
      queue.removeAll(keepingCapacity: queue.count <= 1_024)
      head = 0
    } else if head >= 1_024, head * 2 >= queue.count {
      queue.removeFirst(head)
      head = 0
    }
  }
}

extension Fragment {
  /// What it costs in a packet beyond its payload.
  var cost: Int {
    switch position {
    case .first: Self.longestOverhead
    case .whole, .middle, .last: Self.overhead
    }
  }
}
