// SPDX-License-Identifier: Apache-2.0

/// Words with a meaning, written in any case; the raw value is the spelling of the manual.
package protocol Vocabulary: RawRepresentable<String>, CaseIterable, Sendable {}

extension Vocabulary {
  package init?(word: String) {
    let lowered = asciiLowercased(word)
    guard let match = Self.allCases.first(where: { asciiLowercased($0.rawValue) == lowered })
    else { return nil }
    self = match
  }
}

/// Lower case for the letters A to Z alone, so that no other character turns into a keyword.
package func asciiLowercased(_ text: String) -> String {
  String(
    decoding: text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 },
    as: UTF8.self
  )
}

/// The candidate that `word` was probably meant to be; `nil` if none is near.
package func nearest(to word: String, among candidates: [String]) -> String? {
  let wanted = Array(asciiLowercased(word).utf8)
  guard (2...40).contains(wanted.count) else { return nil }
  var best: (distance: Int, candidate: String)?
  for candidate in candidates {
    let distance = editDistance(wanted, Array(asciiLowercased(candidate).utf8))
    guard distance <= max(1, (wanted.count + 1) / 3), distance < best?.distance ?? .max else {
      continue
    }
    best = (distance, candidate)
  }
  return best?.candidate
}

/// The fewest insertions, deletions, replacements and swaps of neighbours that turn one into the
/// other (optimal string alignment).
func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
  var (older, previous) = ([Int](), Array(0...right.count))
  for row in left.indices {
    var current = [row + 1]
    for column in right.indices {
      let replaced = previous[column] + (left[row] == right[column] ? 0 : 1)
      var cost = min(replaced, previous[column + 1] + 1, current[column] + 1)
      if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
        cost = min(cost, older[column - 1] + 1)
      }
      current.append(cost)
    }
    (older, previous) = (previous, current)
  }
  return previous[right.count]
}
