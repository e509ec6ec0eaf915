// SPDX-License-Identifier: Apache-2.0

extension Sequence {
  /// The smallest elements in ascending order, at most so many.
  ///
  /// A few of many cost one comparison for nearly each, and room for the few alone, where sorting all
  /// would hold up whoever waits.
  package func smallest(
    _ limit: Int,
    by precedes: (Element, Element) -> Bool
  ) -> [Element] {
    guard limit > 0 else { return [] }
    var kept: [Element] = []
    // Once there are enough: the last of them, which others must precede.
    var bound: Element?
    for element in self {
      if let bound, !precedes(element, bound) { continue }
      kept.append(element)
      if kept.count >= 2 * limit {
        kept.sort(by: precedes)
        kept.removeSubrange(limit...)
        bound = kept.last
      }
    }
    kept.sort(by: precedes)
    return Array(kept.prefix(limit))
  }
}
