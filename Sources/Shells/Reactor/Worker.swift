// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Synchronization

/// A thread for work that can block, with a bounded first-in, first-out queue of jobs.
///
/// `State` is made on the thread, handed to each job, and never leaves it; so it may hold
/// connections of libraries that are not thread-safe. Results go back through a ``Mailbox``.
package final class Worker<State: ~Copyable>: Sendable {
  /// What runs on the thread.
  package typealias Job = @Sendable (inout State) -> Void

  private struct Queue {
    var jobs: [Job] = []
    var closed = false
  }

  /// What the thread shares with the handle; it may outlive the handle.
  private final class Shared: Sendable {
    let queue = Mutex(Queue())
    let bell: Descriptor
    init(bell: consuming Descriptor) { self.bell = bell }
  }

  private let shared: Shared
  private let capacity: Int
  private let thread: Mutex<pthread_t?>

  /// Starts the thread.
  ///
  /// ps and top show the first 15 bytes of `name`; at most `capacity` jobs wait.
  package init(
    name: String,
    capacity: Int,
    makeState: @escaping @Sendable () -> State
  ) throws(SystemError) {
    let bell = Descriptor(
      adopting: try SystemError.check(wack_event_create(0), "open an event descriptor")
    )
    let shared = Shared(bell: bell)
    self.shared = shared
    self.capacity = capacity
    thread = Mutex(
      try Thread.start {
        ProcessName.set(name)
        var state = makeState()
        while true {
          let (jobs, closed) = shared.queue.withLock { queue in
            var taken: [Job] = []
            swap(&taken, &queue.jobs)
            return (taken, queue.closed)
          }
          for job in jobs { job(&state) }
          if jobs.isEmpty {
            if closed { return }
            Bell.silence(shared.bell)
          }
        }
      }
    )
  }

  /// Adds a job; returns false when the queue is full or closed, and the job is then not run.
  package func submit(_ job: @escaping Job) -> Bool {
    let accepted = shared.queue.withLock { queue in
      guard !queue.closed, queue.jobs.count < capacity else { return false }
      queue.jobs.append(job)
      return true
    }
    if accepted { Bell.ring(shared.bell) }
    return accepted
  }

  /// Refuses further jobs and returns when those accepted have run.
  package func finish() {
    shared.queue.withLock { $0.closed = true }
    Bell.ring(shared.bell)
    let waiting = thread.withLock { thread in
      defer { thread = nil }
      return thread
    }
    if let waiting { pthread_join(waiting, nil) }
  }

  /// Lets the thread run out without waiting for it.
  deinit {
    shared.queue.withLock { $0.closed = true }
    Bell.ring(shared.bell)
    thread.withLock { thread in
      if let thread { pthread_detach(thread) }
      thread = nil
    }
  }
}

/// A POSIX thread that runs a closure with all signals blocked.
enum Thread {
  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  static func start(_ run: @escaping @Sendable () -> Void) throws(SystemError) -> pthread_t {
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    let body = Unmanaged.passRetained(Body(run))
    var thread = pthread_t()
    let result = pthread_create(
      &thread,
      nil,
      { raw in
        guard let raw else { return nil }
        Unmanaged<Body>.fromOpaque(raw).takeRetainedValue().run()
        return nil
      },
      body.toOpaque()
    )
    guard result == 0 else {
      body.release()
      throw SystemError("start a thread", Errno(result))
    }
    return thread
  }
}
