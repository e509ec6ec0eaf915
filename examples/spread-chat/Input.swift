// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A line of standard input, or `nil` at its end.
///
/// Only the task waits, not a thread that other tasks need.
func nextLine() async -> String? {
  await withCheckedContinuation { continuation in
    let thread = Pending(continuation)
    var id = pthread_t()
    let raw = Unmanaged.passRetained(thread).toOpaque()
    let result = pthread_create(&id, nil, { readOneLine($0) }, raw)
    guard result == 0 else {
      Unmanaged<Pending>.fromOpaque(raw).release()
      continuation.resume(returning: nil)
      return
    }
    pthread_detach(id)
  }
}

func exit(_ code: Int32) -> Never { Glibc.exit(code) }

private final class Pending: Sendable {
  let continuation: CheckedContinuation<String?, Never>

  init(_ continuation: CheckedContinuation<String?, Never>) { self.continuation = continuation }
}

private func readOneLine(_ raw: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let raw else { return nil }
  Unmanaged<Pending>.fromOpaque(raw).takeRetainedValue().continuation.resume(returning: readLine())
  return nil
}
