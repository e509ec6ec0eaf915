// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Bytes
import ConfigurationText
import DaemonKit
import Glibc
import Reactor
import SpreadConfiguration
import SpreadReports
import TextLayout
import Transport

/// How a spreadd on this machine is asked.
struct ControlOptions: ParsableArguments {
  @Option(name: .shortAndLong, help: "The daemon's configuration, which names its control socket.")
  var config: String?

  @Option(help: "The daemon's control socket.")
  var control: String?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if config != nil, control != nil {
      throw ValidationError("--config and --control exclude each other")
    }
  }

  private static let standard = SpreadConfiguration.usualRuntimeDirectory + "/control"

  /// The daemon's answer to a request.
  func ask(_ request: String) throws(CommandFailure) -> JSONValue {
    let path = try socket()
    let reply: [UInt8]
    do throws(SystemError) {
      reply = try LineClient.request(request, at: path)
    } catch {
      // A reset connection is that of a daemon which ended while it was asked.
      if [ENOENT, ECONNREFUSED, ECONNRESET].contains(error.errno.rawValue) {
        throw CommandFailure(text: "spreadd is not running: \(error)", code: 3)
      }
      throw CommandFailure(text: "cannot ask spreadd: \(error)")
    }
    guard let answer = try? JSONValue(parsing: reply) else {
      throw CommandFailure(text: "what answers at \(path) is not a spreadd of this version")
    }
    if let problem = answer["error"]?.string { throw CommandFailure(text: problem) }
    return answer
  }

  private func socket() throws(CommandFailure) -> String {
    guard let config else { return control ?? Self.standard }
    let text: [UInt8]
    do throws(SystemError) {
      text = try SmallFile.read(config, limit: SpreadConfiguration.longestText + 1)
    } catch {
      throw CommandFailure(text: "\(error)", code: 2)
    }
    do throws(Diagnostics) {
      return try SpreadConfiguration.parse(text: text, file: config, resolve: HostName.address)
        .process.control
    } catch {
      throw CommandFailure(text: error.description, code: 2)
    }
  }
}

/// Shows the ring, the sessions and the counters of a daemon.
struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show a daemon's ring, sessions and counters.",
    discussion: "Ends with 2 if a configured daemon is missing from the ring."
  )

  @OptionGroup var options: ControlOptions

  @Flag(name: .shortAndLong, help: "Show 1000 sessions, and counters that are zero.")
  var all = false

  func run() throws {
    let report = DaemonReport(try options.ask("status"))
    Terminal.output(options.json ? report.json.indented : report.text(all: all))
    if report.isDegraded { throw CommandFailure(text: "", code: 2) }
  }
}

/// Lists the process groups.
struct Groups: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the process groups and how many members each has."
  )

  @OptionGroup var options: ControlOptions

  func run() throws {
    // The daemon answers in pages, so that a long list does not hold up the ring.
    var groups: [JSONValue] = []
    var page = try options.ask("groups").elements
    while let last = page.last?["name"]?.string, last != groups.last?["name"]?.string {
      groups += page
      page = try options.ask("groups \(last)").elements
    }
    guard !options.json else { return Terminal.output(JSONValue.array(groups).indented) }
    guard !groups.isEmpty else { return }
    var table = TextTable(header: ["GROUP", "MEMBERS"], rightAligned: [1])
    for group in groups {
      table.add([group["name"]?.string ?? "", grouped(group["members"]?.integer ?? 0)])
    }
    Terminal.output(table.lines(width: nil).joined(separator: "\n"))
  }
}

/// Lists the members of a group.
struct Members: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "List the members of a group.")

  @OptionGroup var options: ControlOptions

  @Argument(help: "The name of the group.")
  var group: String

  func run() throws {
    // In pages, as groups are.
    var members: [JSONValue] = []
    var page = try options.ask("members \(group)").elements
    while let last = page.last?.string, last != members.last?.string {
      members += page
      page = try options.ask("members \(group) \(last)").elements
    }
    guard !options.json else { return Terminal.output(JSONValue.array(members).indented) }
    for member in members { Terminal.output(member.string ?? "") }
    if members.isEmpty { throw CommandFailure(text: "\(group) has no members") }
  }
}
