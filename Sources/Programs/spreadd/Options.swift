// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// The command line of spreadd(8).
struct Options: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "spreadd",
    abstract: "Order the messages of process groups among the machines of a cluster."
  )

  @Option(name: [.short, .long], help: "Read the configuration from FILE.")
  var config = "/etc/spread.conf"

  @Option(
    name: [.customShort("n"), .long],
    help: "Be this daemon of the file; otherwise the one that has an address of this machine."
  )
  var name: String?

  @Flag(name: [.short, .long], help: "Stay in the foreground and log to standard error.")
  var foreground = false

  @Flag(name: [.short, .long], help: "Log every event; stays in the foreground.")
  var debug = false

  @Flag(name: [.customShort("t"), .long], help: "Check the configuration and exit.")
  var check = false

  @Flag(name: [.short, .long], help: "Print the version and exit.")
  var version = false

  func validate() throws {
    if check, version { throw ValidationError("--check and --version exclude each other") }
  }
}

/// How the program ends, as in spreadd(8) EXIT STATUS.
enum Exit: Int32, Error {
  case ok = 0
  /// Something failed while it ran.
  case failure = 1
  /// Bad usage or configuration.
  case usage = 2
}
