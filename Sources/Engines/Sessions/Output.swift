// SPDX-License-Identifier: Apache-2.0

/// What waits to be written to one client, in order.
struct Output: Sendable, Equatable {
  /// One whole message.
  struct Item: Sendable, Equatable {
    /// Never empty, but in ``gap``.
    let bytes: [UInt8]
    /// Whether the slow policy may drop it: it is another client's message.
    let isDroppable: Bool
    /// The number of the message, of which all who get it share the bytes.
    let parcel: UInt64

    /// What is left in the place of one that was dropped.
    fileprivate static let gap = Item(bytes: [], isDroppable: false, parcel: 0)
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
  /// Whether what waits is counted in the ``Backlog``: from when the client first did not read, until
  /// nothing waits.
  var isHeld = false
  /// Whether messages are being dropped, which was said.
  var isDropping = false
  /// How many messages were dropped.
  private(set) var dropped: UInt64 = 0
  private(set) var bytes = 0
  private var items: [Item] = []
  /// The place of the first item that waits.
  private var head = 0
  /// How many gaps there are from the head on.
  private var gaps = 0
  /// How many of the items that wait may be dropped, and how many could in the batch handed out last.
  private var droppable = 0
  private var droppableInBatch = 0
  /// Nothing before this place may be dropped.
  private var firstDroppable = 0

  /// How many messages wait to be handed out.
  var count: Int { items.count - head - gaps }

  /// All that is not with the kernel, the unfinished batch included.
  var waiting: (messages: Int, bytes: Int) {
    guard case .blocked(let unsent, let unsentBytes) = flow else { return (count, bytes) }
    return (count + unsent, bytes + unsentBytes)
  }

  /// What of the batch is not with the kernel.
  var unsentBytes: Int {
    if case .blocked(_, let bytes) = flow { bytes } else { 0 }
  }

  /// What waits to be handed out.
  var waitingItems: [Item] { items[head...].filter { !$0.bytes.isEmpty } }

  mutating func append(_ item: Item) {
    items.append(item)
    bytes += item.bytes.count
    if item.isDroppable { droppable += 1 }
  }

  /// Whether more waits for a client that does not read than the limits allow.
  ///
  /// Messages of membership count by their bytes alone: one change of the ring makes two for each
  /// group of a client, which has had no time to read them then.
  func exceeds(messages: Int, bytes limit: Int) -> Bool {
    guard case .blocked(let unsent, _) = flow else { return false }
    return droppable + min(unsent, droppableInBatch) > messages || waiting.bytes > limit
  }

  /// Takes out as much as is written at once; nothing if nothing waits.
  ///
  /// What is written cannot be dropped any more: of the limits it takes half, so that the slow policy
  /// has something to choose from; a single message may be longer.
  mutating func takeBatch(messages limit: Int, bytes limitBytes: Int) -> [Item] {
    let messages = min(Self.batchMessages, max(1, limit / 2))
    let most = min(Self.batchBytes, limitBytes / 2)
    var batch: [Item] = []
    var length = 0
    while head < items.count, batch.count < messages {
      let next = items[head]
      guard batch.isEmpty || length + next.bytes.count <= most else { break }
      // Not to be kept until the places before the head are given up.
      items[head] = .gap
      head += 1
      if next.bytes.isEmpty {
        gaps -= 1
        continue
      }
      length += next.bytes.count
      batch.append(next)
    }
    bytes -= length
    droppableInBatch = batch.count { $0.isDroppable }
    droppable -= droppableInBatch
    if head == items.count {
      items.removeAll(keepingCapacity: true)
      (head, firstDroppable) = (0, 0)
    } else if head > 1_024, head * 2 > items.count {
      items.removeFirst(head)
      (head, firstDroppable) = (0, max(0, firstDroppable - head))
    }
    return batch
  }

  /// Drops the oldest message that may be, and returns it; `nil` if none may.
  ///
  /// The others stay in their places, and no place is looked at twice: the queue may be long.
  mutating func dropOldest() -> Item? {
    var place = max(firstDroppable, head)
    while place < items.count, !items[place].isDroppable { place += 1 }
    firstDroppable = place
    guard place < items.count else { return nil }
    let item = items[place]
    bytes -= item.bytes.count
    items[place] = .gap
    (gaps, droppable) = (gaps + 1, droppable - 1)
    dropped &+= 1
    if gaps > 1_024, gaps * 2 > items.count - head {
      items = waitingItems
      (head, gaps, firstDroppable) = (0, 0, 0)
    }
    return item
  }
}
