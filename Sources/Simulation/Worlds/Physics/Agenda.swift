// SPDX-License-Identifier: Apache-2.0

/// What is to happen, in order of time and, at one time, of entry.
///
/// A binary heap of small keys; the items stay where they are in a slab whose places are reused.
package struct Agenda<Item: Sendable>: Sendable {
  private struct Key: Sendable {
    let at: Span
    let sequence: UInt64
    let place: Int

    static func < (lhs: Self, rhs: Self) -> Bool {
      lhs.at != rhs.at ? lhs.at < rhs.at : lhs.sequence < rhs.sequence
    }
  }

  private var heap: [Key] = []
  private var items: [Item?] = []
  private var free: [Int] = []
  private var entered: UInt64 = 0

  package init() {}

  package var count: Int { heap.count }
  /// When the next item is due.
  package var nextTime: Span? { heap.first?.at }

  package mutating func add(_ item: Item, at time: Span) {
    let place: Int
    if let reused = free.popLast() {
      place = reused
      items[place] = item
    } else {
      place = items.count
      items.append(item)
    }
    heap.append(Key(at: time, sequence: entered, place: place))
    entered += 1
    siftUp(heap.count - 1)
  }

  /// Takes the next item out.
  package mutating func next() -> (at: Span, item: Item)? {
    guard let top = heap.first, let last = heap.popLast() else { return nil }
    if !heap.isEmpty {
      heap[0] = last
      siftDown(0)
    }
    guard let item = items[top.place] else { return nil }
    items[top.place] = nil
    free.append(top.place)
    return (top.at, item)
  }

  private mutating func siftUp(_ start: Int) {
    var index = start
    let key = heap[index]
    while index > 0 {
      let parent = (index - 1) / 2
      guard key < heap[parent] else { break }
      heap[index] = heap[parent]
      index = parent
    }
    heap[index] = key
  }

  private mutating func siftDown(_ start: Int) {
    var index = start
    let key = heap[index]
    while true {
      var child = 2 * index + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < key else { break }
      heap[index] = heap[child]
      index = child
    }
    heap[index] = key
  }
}
