// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// A signal the daemons act on.
package enum Signal: Sendable, Hashable, CaseIterable {
  case terminate
  case interrupt
  case hangUp
  case user1

  package var number: CInt {
    switch self {
    case .terminate: SIGTERM
    case .interrupt: SIGINT
    case .hangUp: SIGHUP
    case .user1: SIGUSR1
    }
  }

  package var name: String {
    switch self {
    case .terminate: "SIGTERM"
    case .interrupt: "SIGINT"
    case .hangUp: "SIGHUP"
    case .user1: "SIGUSR1"
    }
  }
}

extension Signal {
  /// Holds signals back until a ``SignalWatcher`` takes them.
  ///
  /// To be called on the main thread before any other thread, so that all threads inherit the mask,
  /// and before anything is made that has to be taken down again.
  package static func holdBack(_ signals: [Signal] = allCases) {
    // Fails only for what is no mask.
    _ = hold(signals)
  }

  /// Holds signals back; gives their mask, and 0 or an error number.
  fileprivate static func hold(_ signals: [Signal]) -> (mask: sigset_t, result: CInt) {
    var mask = sigset_t()
    sigemptyset(&mask)
    for signal in signals { sigaddset(&mask, signal.number) }
    return (mask, pthread_sigmask(SIG_BLOCK, &mask, nil))
  }
}

/// Turns signals into calls on the loop.
///
/// Created on the main thread before any other thread, so that all threads inherit the mask that
/// keeps these signals from interrupting anything. SIGPIPE is ignored: a peer that went away is
/// the result of a write, not a reason to die.
package final class SignalWatcher {
  private let descriptor: Descriptor
  private let loop: EventLoop
  private var watch: EventLoop.Watch?

  package init(
    _ signals: [Signal] = Signal.allCases,
    on loop: EventLoop,
    handler: @escaping (Signal) -> Void
  ) throws(SystemError) {
    self.loop = loop
    var (mask, result) = Signal.hold(signals)
    try SystemError.check(-result, "block signals")
    signal(SIGPIPE, SIG_IGN)
    descriptor = Descriptor(
      adopting: try SystemError.check(wack_signal_create(&mask), "open a signal descriptor")
    )
    let fd = descriptor.rawValue
    watch = try loop.watch(descriptor, for: .readable) { _ in
      while true {
        let number = wack_signal_next(fd)
        guard number > 0 else { return }
        if let signal = signals.first(where: { $0.number == number }) { handler(signal) }
      }
    }
  }

  deinit { if let watch { loop.remove(watch) } }
}
