// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// What the hosts of a world say to each other: drawn once for each world.
package struct Traffic: Sendable, Equatable {
  /// The time between two messages of one host, on average.
  package let interval: Span
  /// How likely each service is, relative to the others, by raw value.
  private let weights: [Int]
  /// Messages in a hundred that are long, and how long they may be.
  private let longPercent: Int
  private let longest: Int
  private let usual: Int

  package init(climate: Climate, drawing chance: inout Chance) {
    let unit = climate.tokenLoss
    interval = chance.pick([unit / 4, unit / 10, unit / 30]) ?? unit
    weights = Service.allCases.map { service in
      switch service {
      case .agreed: chance.within(1...6)
      case .safe: chance.within(0...6)
      case .unreliable, .reliable, .fifo, .causal: chance.within(0...2)
      }
    }
    longPercent = chance.pick([0, 0, 1, 5]) ?? 0
    longest = chance.pick([3_000, 12_000, 60_000]) ?? 0
    usual = chance.pick([20, 100, 400, 1_300]) ?? 0
  }

  /// Draws the service and the length in bytes of a message.
  package func draw(_ chance: inout Chance) -> (service: Service, length: Int) {
    var draw = chance.below(weights.reduce(0, +))
    var service = Service.agreed
    for candidate in Service.allCases {
      let weight = weights[Int(candidate.rawValue)]
      if draw < weight {
        service = candidate
        break
      }
      draw -= weight
    }
    let isLong = chance.happens(percent: longPercent)
    return (service, chance.within(isLong ? usual...longest : 15...usual))
  }
}
