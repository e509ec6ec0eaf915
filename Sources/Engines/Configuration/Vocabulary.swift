// SPDX-License-Identifier: Apache-2.0

/// Words with a meaning, written in any case; the raw value is the spelling of the manual.
protocol Vocabulary: RawRepresentable<String>, CaseIterable, Sendable {}

extension Vocabulary {
  init?(word: String) {
    let lowered = asciiLowercased(word)
    guard let match = Self.allCases.first(where: { asciiLowercased($0.rawValue) == lowered })
    else { return nil }
    self = match
  }
}

/// The words that begin a statement.
package enum StatementWord: String, Vocabulary {
  case spread = "Spread"
  case engine = "Engine"
  case group = "Group"
  case control = "Control"
  case mature = "Mature"
  case balance = "Balance"
  case prefer = "Prefer"
  case virtualInterfaces = "VirtualInterfaces"
  case vifs = "VIFs"
  case vips = "VIPs"
}

/// Statements that exist, but not in this version.
package enum LaterStatementWord: String, Vocabulary {
  case notify = "Notify"
  case arpCache = "Arp-Cache"
  case spreadRetryInterval = "SpreadRetryInterval"
  case logFacility = "LogFacility"
  case runScript = "RunScript"
  case check = "Check"
  case weight = "Weight"
  case apart = "Apart"
  case policy = "Policy"
  case quorum = "Quorum"
  case include = "Include"
  case lease = "Lease"
  case guardian = "Guardian"
  case announce = "Announce"
  case conflict = "Conflict"
}

/// Statements of the original that load code into the daemon, which this one never does.
package enum RemovedStatementWord: String, Vocabulary {
  case runDynamic = "RunDynamic"
  case perlUse = "PerlUse"
  case perlUseLib = "PerlUseLib"
  case moduleDirectory = "ModuleDir"
}

/// The parameters of `Engine`.
package enum EngineWord: String, Vocabulary {
  case node = "Node"
  case peers = "Peers"
  case port = "Port"
  case multicast = "Multicast"
  case key = "Key"
  case profile = "Profile"
  case state = "State"
  case tokenLoss = "TokenLoss"
  case tokenRetransmit = "TokenRetransmit"
  case idleHold = "IdleHold"
  case beacon = "Beacon"
  case join = "Join"
  case consensus = "Consensus"
  case commitLoss = "CommitLoss"
  case ringAnnouncement = "RingAnnouncement"
}

/// The parameters of `Balance`.
package enum BalanceWord: String, Vocabulary {
  case interval = "Interval"
  case acquisitionsPerRound = "AcquisitionsPerRound"
}

/// Lower case for the letters A to Z alone, so that no other character turns into a keyword.
func asciiLowercased(_ text: String) -> String {
  String(
    decoding: text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 },
    as: UTF8.self
  )
}

/// The candidate that `word` was probably meant to be; `nil` if none is near.
func nearest(to word: String, among candidates: [String]) -> String? {
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
