// SPDX-License-Identifier: Apache-2.0

import GroupModel

/// A line on the standard input, its words as in `scripts/bench/cpg.c`.
enum Command {
  /// `flood RUN SERVICE LENGTH SENDERS WINDOW MILLISECONDS`
  case flood(run: UInt16, Service, length: Int, senders: UInt8, window: Int, milliseconds: UInt64)
  /// `beat RUN SERVICE LENGTH COUNT MICROSECONDS`: one sender at a steady pace.
  case beat(run: UInt16, Service, length: Int, count: Int, microseconds: UInt64)
  /// `statistics`: what the engine and the link counted.
  case statistics

  init?(_ line: String) {
    let words = line.split(separator: " ").map(String.init)
    let numbers = words.map { UInt64($0) ?? 0 }
    switch (words.first, words.count) {
    case ("flood", 7):
      guard let run = UInt16(words[1]), let service = Self.service(words[2]),
        let senders = UInt8(words[4]), numbers[3] <= 1 << 20, (1...1 << 20).contains(numbers[5])
      else { return nil }
      self = .flood(
        run: run,
        service,
        length: Int(numbers[3]),
        senders: senders,
        window: Int(numbers[5]),
        milliseconds: numbers[6]
      )
    case ("beat", 6):
      guard let run = UInt16(words[1]), let service = Self.service(words[2]),
        numbers[3] <= 1 << 20, numbers[4] <= 1 << 20, numbers[5] > 0
      else { return nil }
      self = .beat(
        run: run,
        service,
        length: Int(numbers[3]),
        count: Int(numbers[4]),
        microseconds: numbers[5]
      )
    case ("statistics", 1): self = .statistics
    default: return nil
    }
  }

  private static func service(_ word: String) -> Service? {
    switch word {
    case "agreed": .agreed
    case "safe": .safe
    default: nil
    }
  }
}
