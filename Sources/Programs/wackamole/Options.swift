// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Configuration
import Control

/// The command line of wackamole(8).
struct Options: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wackamole",
    abstract: "Keep every public address of a cluster on exactly one live server."
  )

  @Option(name: [.short, .long], help: "Read the configuration from FILE.")
  var config = ConfigurationFile.standardPath

  @Flag(name: [.short, .long], help: "Stay in the foreground and log to standard error.")
  var foreground = false

  @Flag(name: [.short, .long], help: "Log every event; stays in the foreground.")
  var debug = false

  @Flag(name: [.customShort("t"), .long], help: "Check the configuration and exit.")
  var check = false

  @Flag(
    name: [.customShort("s"), .long],
    help: "Show who holds what, as the running daemon sees it, and exit."
  )
  var status = false

  @Flag(name: .long, help: "With --status: write JSON.")
  var json = false

  @Flag(name: .long, help: "With --status: show it anew every second.")
  var watch = false

  @Option(name: .long, help: "This machine's name in Peers; wins over Node in the file.")
  var node: String?

  @Option(
    name: .long,
    help: "embedded, or where the Spread daemon is; wins over Spread in the file."
  )
  var spread: String?

  /// ``spread`` as it is meant; ``validate()`` has refused what means nothing.
  var spreadOverride: WackamoleConfiguration.SpreadOverride? {
    spread.flatMap(WackamoleConfiguration.SpreadOverride.init(text:))
  }

  @Flag(name: [.short, .long], help: "Print the version and exit.")
  var version = false

  @Argument(help: .hidden)
  var operands: [String] = []

  func validate() throws {
    if status, let operand = operands.first {
      throw ValidationError(
        "-s takes no operand ('\(operand)'): it shows the state of the running daemon. To name a Spread "
          + "daemon, as the -s of other versions does, write --spread \(operand)."
      )
    }
    if let spread, spreadOverride == nil {
      throw ValidationError(
        "--spread '\(spread)' is not embedded, PORT, PORT@HOST, or the path of a socket"
      )
    }
    if let operand = operands.first { throw ValidationError("unexpected operand '\(operand)'") }
    if watch, !status { throw ValidationError("--watch goes with --status") }
    if watch, json { throw ValidationError("--watch and --json exclude each other") }
    if json, !status { throw ValidationError("--json goes with --status") }
    if [check, status, version].filter({ $0 }).count > 1 {
      throw ValidationError("--check, --status and --version exclude each other")
    }
  }
}

/// How the program ends unless it shows the status, as in wackamole(8) EXIT STATUS.
enum Exit: Int32, Error {
  case ok = 0
  /// Something failed while it ran.
  case failure = 1
  /// Bad usage or configuration.
  case usage = 2
}
