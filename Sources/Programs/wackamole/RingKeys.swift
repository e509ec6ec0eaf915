// SPDX-License-Identifier: Apache-2.0

import Configuration
import ConfigurationText
import DaemonKit
import GroupModel
import Reactor
import Seal

/// The keys of the ring as the configuration names them.
enum RingKeys {
  /// Why keys cannot be used; the text is for the operator.
  struct Failure: Error {
    let text: String
  }

  /// Reads the key file; `nil` where the configuration has none.
  static func load(_ key: EngineConfiguration.Key) throws(Failure) -> [ClusterKey]? {
    let path: String
    switch key {
    case .none: return nil
    case .file(let name): path = name
    }
    let text: [UInt8]
    do throws(SystemError) {
      text = try SmallFile.readSecret(path, limit: KeyFile.longestText)
    } catch {
      throw Failure(text: "cannot use the key file: \(error)")
    }
    let keys: [ClusterKey]
    do throws(Diagnostics) {
      keys = try KeyFile.parse(text: text, file: path).keys
    } catch {
      throw Failure(text: error.description)
    }
    for key in keys where !key.cipher.isAvailable {
      throw Failure(
        text: "\(path): this machine cannot do \(key.cipher.name) (key \(key.id)); "
          + "make a key with another cipher for the whole cluster"
      )
    }
    return keys
  }
}
