// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DaemonKit
import Glibc

let programVersion = "0.1.0"

/// The tool for the group-communication engine.
@main
struct Spreadctl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "spreadctl",
    abstract: "Look at and use group communication.",
    discussion: """
      join, send, log and flood are clients of any Spread 4 daemon. status, groups, members and \
      monitor ask a spreadd on this machine.
      """,
    subcommands: [
      Status.self, Groups.self, Members.self, Monitor.self, Join.self, Send.self, LogLines.self,
      Flood.self, Keygen.self,
    ]
  )

  @Flag(name: .shortAndLong, help: "Print the version and exit.")
  var version = false

  func run() throws {
    guard version else { throw CleanExit.helpRequest(self) }
    Terminal.output("spreadctl \(programVersion)")
  }

  /// Ends with 2 for bad usage, as all programs here do, and 1 for what failed.
  static func main() {
    Terminal.reserveDescriptors()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let failure as CommandFailure {
      if !failure.text.isEmpty { Terminal.error("spreadctl: \(failure.text)") }
      Glibc.exit(failure.code)
    } catch {
      let text = fullMessage(for: error)
      guard exitCode(for: error) == .success else {
        Terminal.error(text)
        Glibc.exit(2)
      }
      Terminal.output(text)
    }
  }
}

/// A command that could not do its work; the text is for the operator.
struct CommandFailure: Error {
  /// Nothing if all has been said.
  let text: String
  /// 1, 2 for bad configuration or a degraded ring, or 3 if no daemon is running.
  let code: Int32

  init(text: String, code: Int32 = 1) { (self.text, self.code) = (text, code) }
}
