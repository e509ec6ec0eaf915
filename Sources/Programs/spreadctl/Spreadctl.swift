// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DaemonKit
import Glibc

/// The tool for the group-communication engine.
@main
struct Spreadctl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "spreadctl",
    abstract: "Manage the group-communication engine.",
    subcommands: [Keygen.self]
  )

  /// Ends with 2 for bad usage, as all programs here do, and 1 for what failed.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let failure as CommandFailure {
      Terminal.error("spreadctl: \(failure.text)")
      Glibc.exit(1)
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
  let text: String
}
