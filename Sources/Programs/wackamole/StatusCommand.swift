// SPDX-License-Identifier: Apache-2.0

import Configuration
import DaemonKit
import Glibc
import Reactor
import Transport

/// `wackamole -s`: asks the running daemon and prints its answer.
struct StatusCommand {
  let configuration: WackamoleConfiguration
  let json: Bool

  func run() throws(Exit) {
    let reply: [UInt8]
    do throws(SystemError) {
      reply = try LineClient.request(json ? "status json" : "status", at: configuration.control)
    } catch {
      // A reset connection is that of a daemon which ended while it was asked.
      if [ENOENT, ECONNREFUSED, ECONNRESET].contains(error.errno.rawValue) {
        Terminal.error("wackamole: the daemon is not running: \(error)")
        throw .notRunning
      }
      Terminal.error("wackamole: cannot ask the daemon: \(error)")
      throw .failure
    }
    guard !reply.isEmpty else {
      Terminal.error("wackamole: the daemon at \(configuration.control) closed the connection")
      throw .failure
    }
    Terminal.output(String(decoding: reply, as: UTF8.self))
  }
}
