// SPDX-License-Identifier: Apache-2.0

import Configuration
import EmbeddedRing
import GroupModel

/// The keys of the ring, or of the group on a Spread daemon, as the configuration names them.
enum RingKeys {
  typealias Failure = KeyLoading.Failure

  /// Reads the key file; `nil` where the configuration has none.
  static func load(_ key: EngineConfiguration.Key) throws(Failure) -> [ClusterKey]? {
    switch key {
    case .none: nil
    case .file(let path): try KeyLoading.load(path)
    }
  }
}
