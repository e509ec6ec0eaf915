// SPDX-License-Identifier: Apache-2.0

internal import FailoverWire
internal import GroupModel
internal import Machine

/// What changed in the table while one event was handled, for log and status.
struct Journal: Sendable, Equatable {
  var view: ViewID
  let now: Instant
  private(set) var notes: [FailoverEngine.Note] = []

  init(view: ViewID, now: Instant) { (self.view, self.now) = (view, now) }

  mutating func note(_ note: FailoverEngine.Note) { notes.append(note) }

  mutating func takeNotes() -> [FailoverEngine.Note] {
    defer { notes = [] }
    return notes
  }
}
