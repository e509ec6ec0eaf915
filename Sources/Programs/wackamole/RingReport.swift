// SPDX-License-Identifier: Apache-2.0

import Bytes
import EmbeddedRing
import GroupModel
import Ring

/// What the ring engine counted, for `wackamole -s --json`.
struct RingReport {
  let engine: RingEngine
  /// Datagrams that never reached the engine.
  let linkDrops: [(reason: String, count: UInt64)]

  init?(_ ring: EmbeddedRing) {
    guard let engine = ring.engine else { return nil }
    (self.engine, linkDrops) = (engine, ring.linkDrops)
  }

  var json: JSONValue {
    let statistics = engine.statistics
    return .object([
      .init("phase", .string(engine.phaseName.rawValue)),
      .init("id", .text(engine.ring?.description)),
      .init("members", .array(engine.members.nodes.map { .string($0.description) })),
      .init("rotation_us", Self.microseconds(statistics.rotation)),
      .init("longest_rotation_us", Self.microseconds(statistics.longestRotation)),
      .init("window", .integer(Int64(statistics.window))),
      .init("backlog", .integer(Int64(engine.backlog))),
      .init("messages_submitted", Self.count(statistics.messagesSubmitted)),
      .init("messages_delivered", Self.count(statistics.messagesDelivered)),
      .init("packets_sent", Self.count(statistics.packetsSent)),
      .init("retransmissions", Self.count(statistics.retransmissions)),
      .init("rebroadcasts", Self.count(statistics.rebroadcasts)),
      .init("tokens", Self.count(statistics.tokens)),
      .init("tokens_repeated", Self.count(statistics.tokensRepeated)),
      .init("configurations", Self.count(statistics.configurations)),
      .init("stalls", Self.count(statistics.stalls)),
      .init("voted_out", Self.count(statistics.votedOut)),
      .init(
        "configuration_changes",
        Self.counts(
          RingEngine.GatherReason.allCases.map {
            ("\($0)", statistics.gathered(because: $0))
          }
        )
      ),
      .init(
        "dropped",
        Self.counts(
          RingEngine.DropReason.allCases.map { ("\($0)", statistics.dropped($0)) }
        )
      ),
      .init("datagrams_dropped", Self.counts(linkDrops.map { ($0.reason, $0.count) })),
    ])
  }

  private static func microseconds(_ duration: Duration) -> JSONValue {
    .integer(Int64(duration / .microseconds(1)))
  }

  private static func count(_ value: UInt64) -> JSONValue { .integer(Int64(clamping: value)) }

  private static func counts(_ pairs: [(String, UInt64)]) -> JSONValue {
    .object(pairs.map { .init(underscored($0.0), count($0.1)) })
  }

  /// The name of a case as a key: `tokenLost` is `token_lost`.
  private static func underscored(_ name: String) -> String {
    name.reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
  }
}
