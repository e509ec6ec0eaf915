// SPDX-License-Identifier: Apache-2.0

package import Ring

extension PacketLink {
  /// Goes along with what the ring engine made of the members proposed to it.
  package func follow(_ note: RingEngine.Note) {
    switch note {
    case .reconfigured: settle(areTaken: true)
    case .notReconfigured: settle(areTaken: false)
    case .gathering, .installed, .excluded, .leftOut, .sequenceNotStored, .stalled, .refused,
      .keptOut:
      break
    }
  }
}
