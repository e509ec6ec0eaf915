// SPDX-License-Identifier: Apache-2.0

import GroupModel

/// What one member is to send in one run.
///
/// A class, since a message may be delivered within the call that submits it.
final class Sender {
  enum Pace {
    /// As fast as the window of own undelivered messages lets it, until a time.
    case window(Int, until: UInt64)
    /// `left` messages, one at `next` and at every interval after it.
    case interval(UInt64, next: UInt64, left: Int)
  }

  let run: UInt16
  let service: Service
  let length: Int
  /// The position of this member, and how many members send.
  let me: UInt8
  let senders: UInt8
  var pace: Pace
  private var sent: UInt64 = 0
  private var delivered: UInt64 = 0
  private var isDone = false

  init(run: UInt16, service: Service, length: Int, me: UInt8, senders: UInt8, pace: Pace) {
    (self.run, self.service, self.length) = (run, service, length)
    (self.me, self.senders, self.pace) = (me, senders, pace)
  }

  /// When the next message of a steady pace is due.
  var nextAt: UInt64? {
    guard !isDone, case .interval(_, let next, _) = pace else { return nil }
    return next
  }

  func noteDelivery() { delivered += 1 }

  /// Sends what is due through `submit`, which returns false if it was refused.
  func proceed(at now: UInt64, submit: (Service, [UInt8]) -> Bool) {
    while !isDone {
      let kind: Mark.Kind
      switch pace {
      case .window(let window, let end):
        guard sent - delivered < UInt64(window) else { return }
        kind = now < end ? .data : .last
      case .interval(_, let next, let left):
        guard next <= now else { return }
        kind = left > 0 ? .timed : .last
      }
      let mark = Mark(
        kind: kind,
        sender: me,
        run: run,
        senders: senders,
        number: sent,
        sentAt: now
      )
      guard submit(service, mark.message(length: length)) else { return }
      sent += 1
      isDone = kind == .last
      if case .interval(let interval, let next, let left) = pace {
        pace = .interval(interval, next: next + interval, left: left - 1)
      }
    }
  }
}
