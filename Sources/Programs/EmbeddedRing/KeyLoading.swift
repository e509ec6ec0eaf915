// SPDX-License-Identifier: Apache-2.0

import Configuration
import ConfigurationText
import DaemonKit
package import GroupModel
import Reactor
import Seal

/// The keys of a ring, read from their file.
package enum KeyLoading {
  /// Why keys cannot be used; the text is for the operator.
  package struct Failure: Error {
    package let text: String
  }

  /// Reads a key file; every key must be one that this machine can use.
  ///
  /// The file may belong to `owner`, besides root and this user: to whom the daemon is going to be.
  package static func load(_ path: String, owner: UInt32? = nil) throws(Failure) -> [ClusterKey] {
    let text: [UInt8]
    do throws(SystemError) {
      text = try SmallFile.readSecret(path, limit: KeyFile.longestText, owner: owner)
    } catch {
      let hint =
        switch error.errno.name {
        case "ENOENT":
          "; copy it from another machine of the cluster, or make it: spreadctl keygen \(path)"
        case "EACCES": "; it must belong to the user that the daemon runs as"
        default: ""  // not ours: numbers of the kernel
        }
      throw Failure(text: "cannot use the key file: \(error)\(hint)")
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
