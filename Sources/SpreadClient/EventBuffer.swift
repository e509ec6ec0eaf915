// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Events on their way from the session's thread to their reader.
final class EventBuffer: Sendable {
  private enum End: Sendable {
    case normal
    case failed(SpreadError)
  }

  private typealias Reader = CheckedContinuation<Result<SpreadEvent?, SpreadError>, Never>

  private struct State: Sendable {
    var events: [SpreadEvent] = []
    var first = 0
    var end: End?
    /// Who waits for an event, by number; at most one.
    var reader: (number: UInt64, continuation: Reader)?
    var readers: UInt64 = 0
    var cancelled: Set<UInt64> = []
    var isFull = false

    var count: Int { events.count - first }

    mutating func take() -> SpreadEvent? {
      guard count > 0 else { return nil }
      let event = events[first]
      first += 1
      if first > 256, first * 2 > events.count {
        events.removeFirst(first)
        first = 0
      }
      return event
    }
  }

  private let state = Mutex(State())
  private let limit: Int
  private let hasRoom: @Sendable () -> Void

  /// `hasRoom` is called after the buffer was full, once half of it is free.
  init(limit: Int, hasRoom: @escaping @Sendable () -> Void) {
    (self.limit, self.hasRoom) = (max(1, limit), hasRoom)
  }

  /// Adds an event; returns whether no more should follow until there is room.
  func add(_ event: SpreadEvent) -> Bool {
    let (reader, isFull) = state.withLock { state -> (Reader?, Bool) in
      if let reader = state.reader {
        state.reader = nil
        return (reader.continuation, state.isFull)
      }
      state.events.append(event)
      if state.count >= limit { state.isFull = true }
      return (nil, state.isFull)
    }
    reader?.resume(returning: .success(event))
    return isFull
  }

  /// Ends the sequence, behind the events that wait.
  func finish(_ error: SpreadError? = nil) {
    let reader = state.withLock { state -> Reader? in
      guard state.end == nil else { return nil }
      state.end = error.map { .failed($0) } ?? .normal
      defer { state.reader = nil }
      return state.reader?.continuation
    }
    reader?.resume(returning: error.map { .failure($0) } ?? .success(nil))
  }

  /// The next event; `nil` at the end, or if the task is cancelled.
  func next() async throws(SpreadError) -> SpreadEvent? {
    let number = state.withLock { state in
      state.readers += 1
      return state.readers
    }
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { wait(as: number, $0) }
    } onCancel: {
      cancel(number)
    }
    return try result.get()
  }

  private func wait(as number: UInt64, _ continuation: Reader) {
    let (result, earlier, freed) = state.withLock {
      state -> (Result<SpreadEvent?, SpreadError>?, Reader?, Bool) in
      if state.cancelled.remove(number) != nil { return (.success(nil), nil, false) }
      if let event = state.take() {
        let freed = state.isFull && state.count <= limit / 2
        if freed { state.isFull = false }
        return (.success(event), nil, freed)
      }
      switch state.end {
      case .normal: return (.success(nil), nil, false)
      case .failed(let error): return (.failure(error), nil, false)
      case nil: break
      }
      // Two readers at once are a mistake: the earlier one gets nothing rather than waits for ever.
      defer { state.reader = (number, continuation) }
      return (nil, state.reader?.continuation, false)
    }
    earlier?.resume(returning: .success(nil))
    if let result { continuation.resume(returning: result) }
    if freed { hasRoom() }
  }

  private func cancel(_ number: UInt64) {
    let reader = state.withLock { state -> Reader? in
      guard let reader = state.reader, reader.number == number else {
        // It may come to wait only now; numbers are never used again.
        state.cancelled.insert(number)
        return nil
      }
      state.reader = nil
      return reader.continuation
    }
    reader?.resume(returning: .success(nil))
  }
}

/// The events of a session, in order.
///
/// Only one task at a time may read them.
public struct SpreadEvents: AsyncSequence, Sendable {
  public typealias Element = SpreadEvent
  public typealias Failure = SpreadError

  let buffer: EventBuffer

  public struct AsyncIterator: AsyncIteratorProtocol {
    let buffer: EventBuffer

    public mutating func next() async throws(SpreadError) -> SpreadEvent? {
      try await buffer.next()
    }

    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(SpreadError) -> SpreadEvent? {
      try await buffer.next()
    }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(buffer: buffer) }
}
