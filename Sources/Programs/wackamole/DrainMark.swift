// SPDX-License-Identifier: Apache-2.0

import DaemonKit
import Glibc
import Logging
import Reactor

/// Whether this node is drained, kept in the state directory beyond a restart; written off the loop.
final class DrainMark {
  /// Whether the node was drained when the mark was opened.
  let isSet: Bool

  private let path: String?
  private let worker: Worker<Void>?
  private let log: Logger

  init(directory: String?, log: Logger) throws(SystemError) {
    self.log = log
    guard let directory else {
      (path, worker, isSet) = (nil, nil, false)
      return
    }
    let path = directory + "/drained"
    self.path = path
    isSet = access(path, F_OK) == 0
    worker = try Worker(name: "drain", capacity: 64) { () }
    if isSet { log.notice("this node is drained, until wackatrl resume") }
  }

  func keep(_ isDrained: Bool) {
    guard let path, let worker else {
      log.warning("no State directory: this node will not be drained after a restart")
      return
    }
    let accepted = worker.submit { [log] _ in
      if isDrained {
        do throws(SystemError) {
          try SmallFile.write([], to: path)
        } catch {
          log.error("this node will not be drained after a restart: \(error)")
        }
      } else if unlink(path) != 0, errno != ENOENT {
        log.error("this node will be drained after a restart: \(Errno.last) (\(path))")
      }
    }
    if !accepted { log.error("the state directory takes nothing") }
  }
}
