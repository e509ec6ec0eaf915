// SPDX-License-Identifier: Apache-2.0

/// A number with commas between groups of three digits.
package func grouped(_ value: Int64) -> String {
  var digits = String(value.magnitude)
  var place = digits.count - 3
  while place > 0 {
    digits.insert(",", at: digits.index(digits.startIndex, offsetBy: place))
    place -= 3
  }
  return (value < 0 ? "-" : "") + digits
}

/// A time as people say it: `312 us`, `2.1 ms`, `1.4 s`.
package func shortTime(microseconds: Int64) -> String {
  switch microseconds {
  case ..<1_000: "\(microseconds) us"
  case ..<1_000_000: "\(tenths(microseconds / 100)) ms"
  default: "\(tenths(microseconds / 100_000)) s"  // not ours: a number
  }
}

/// A number of tenths with its point.
package func tenths(_ value: Int64) -> String { "\(grouped(value / 10)).\(abs(value % 10))" }

/// The text, or its beginning and `...` where it is longer than `limit` characters.
package func shortened(_ text: String, to limit: Int) -> String {
  text.count <= limit ? text : text.prefix(max(0, limit - 3)) + "..."
}

/// As many of the words as fit `limit` characters, and how many more there are.
package func listed(_ words: [String], within limit: Int) -> String {
  let whole = words.joined(separator: " ")
  guard whole.count > limit else { return whole }
  var shown = 0
  var text = ""
  for word in words {
    let next = text + word + " "
    guard "\(next)and \(words.count - shown - 1) more".count <= limit else { break }
    (text, shown) = (next, shown + 1)
  }
  return "\(text)and \(words.count - shown) more"
}
