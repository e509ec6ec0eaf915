// SPDX-License-Identifier: Apache-2.0

/// What waits to be written to one client, in order.
struct Output: Sendable, Equatable {
  /// One whole message.
  struct Item: Sendable, Equatable {
    let bytes: [UInt8]
    /// Whether the slow policy may drop it: it is another client's message.
    let isDroppable: Bool
  }

  /// Where the connection's output stands.
  enum Flow: Sendable, Equatable {
    /// Nothing waits.
    case idle
    /// What waits was announced.
    case ready
    /// A batch was handed out.
    case writing
    /// The kernel takes no more: this much of the batch is not with it.
    case blocked(messages: Int, bytes: Int)
  }

  /// The most that is handed out at once.
  private static let batchMessages = 128
  private static let batchBytes = 256 << 10

  var flow = Flow.idle
  /// Whether messages are being dropped, which was said.
  var isDropping = false
  /// How many messages were dropped.
  private(set) var dropped: UInt64 = 0
  private(set) var bytes = 0
  private var items: [Item] = []
  /// The place of the first item that waits.
  private var head = 0

  var isEmpty: Bool { head == items.count }
  var count: Int { items.count - head }

  mutating func append(_ item: Item) {
    items.append(item)
    bytes += item.bytes.count
  }

  /// Whether more waits, the unfinished batch included, than the limits allow.
  func exceeds(messages: Int, bytes limit: Int) -> Bool {
    guard case .blocked(let unsent, let unsentBytes) = flow else { return false }
    return count + unsent > messages || bytes + unsentBytes > limit
  }

  /// Takes out as much as is written at once; nothing if nothing waits.
  mutating func takeBatch() -> [[UInt8]] {
    var batch: [[UInt8]] = []
    var length = 0
    while head < items.count, batch.count < Self.batchMessages, length < Self.batchBytes {
      let next = items[head].bytes
      // Not to be kept until the places before the head are given up.
      items[head] = Item(bytes: [], isDroppable: false)
      head += 1
      length += next.count
      batch.append(next)
    }
    bytes -= length
    if head == items.count {
      items.removeAll(keepingCapacity: true)
      head = 0
    } else if head > 1_024, head * 2 > items.count {
      items.removeFirst(head)
      head = 0
    }
    return batch
  }

  /// Drops the oldest message that may be; `false` if none may.
  mutating func dropOldest() -> Bool {
    guard let place = items[head...].firstIndex(where: \.isDroppable) else { return false }
    bytes -= items.remove(at: place).bytes.count
    dropped &+= 1
    return true
  }
}
