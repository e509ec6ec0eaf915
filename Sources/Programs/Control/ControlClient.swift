// SPDX-License-Identifier: Apache-2.0

import DaemonKit
import Glibc
import Reactor
import Transport

/// How a tool ends.
package enum ToolExit: Int32, Error {
  case fine = 0
  /// It could not be done; bad usage too.
  case failure = 1
  /// It was answered, and something is wrong with the cluster.
  case degraded = 2
  /// There is no running daemon to ask.
  case notRunning = 3
}

/// A tool's side of the control socket.
package struct ControlClient {
  /// The path of the socket.
  package let path: String
  /// The program that asks, for messages.
  package let program: String

  package init(path: String, program: String) { (self.path, self.program) = (path, program) }

  /// Asks, and says on standard error why there is no answer.
  ///
  /// A daemon that has to tell others may take some seconds.
  package func ask(_ request: ControlRequest) throws(ToolExit) -> ControlReply {
    let bytes: [UInt8]
    do throws(SystemError) {
      bytes = try LineClient.request(request.line, at: path, timeout: .seconds(12))
    } catch {
      // A reset connection is that of a daemon which ended while it was asked.
      if [ENOENT, ECONNREFUSED, ECONNRESET].contains(error.errno.rawValue) {
        Terminal.error("\(program): the daemon is not running: \(error)")
        throw .notRunning
      }
      Terminal.error("\(program): cannot ask the daemon: \(error)")
      throw .failure
    }
    guard !bytes.isEmpty else {
      Terminal.error("\(program): the daemon at \(path) closed the connection")
      throw .failure
    }
    guard let reply = ControlReply(decoding: String(decoding: bytes, as: UTF8.self)) else {
      Terminal.error(
        "\(program): what answers at \(path) speaks another version of the control protocol"
      )
      throw .failure
    }
    return reply
  }

  /// Asks and prints the answer: on standard error if it is a refusal.
  package func run(_ request: ControlRequest) -> ToolExit {
    do throws(ToolExit) {
      let reply = try ask(request)
      switch reply.outcome {
      case .fine, .degraded:
        if !reply.text.isEmpty { Terminal.output(reply.text) }
        return reply.outcome == .fine ? .fine : .degraded
      case .failed:
        Terminal.error("\(program): \(reply.text)")
        return .failure
      }
    } catch {
      return error
    }
  }
}

/// The terminal that standard output is.
package enum Screen {
  /// Its width in columns; `nil` if standard output is no terminal.
  package static var width: Int? { Terminal.size.map { max(40, $0.columns) } }

  /// Moves to the top left and clears.
  package static let clear = "\u{1B}[H\u{1B}[2J"
}

/// Shows the status again and again until the program is interrupted.
package enum Watch {
  package static func status(of client: ControlClient, every seconds: UInt32 = 1) -> Never {
    while true {
      let width = Screen.width
      let reply = try? client.ask(.status(.text(width: width)))
      // What went wrong stands on standard error.
      if let reply { Terminal.output((width == nil ? "" : Screen.clear) + reply.text) }
      sleep(seconds)
    }
  }
}
