// SPDX-License-Identifier: Apache-2.0

import Configuration
import DaemonKit
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
      Terminal.error("wackamole: no daemon answers at \(configuration.control): \(error)")
      throw .notRunning
    }
    guard !reply.isEmpty else {
      Terminal.error("wackamole: the daemon at \(configuration.control) closed the connection")
      throw .failure
    }
    Terminal.output(String(decoding: reply, as: UTF8.self))
  }
}
