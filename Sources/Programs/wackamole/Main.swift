// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Configuration
import Control
import DaemonKit
import EmbeddedRing
import Glibc
import Logging
import Reactor

@main
struct Wackamole {
  static func main() {
    Terminal.reserveDescriptors()
    // A peer that goes away must not end the process.
    signal(SIGPIPE, SIG_IGN)
    exit(run(Array(CommandLine.arguments.dropFirst())))
  }

  private static func run(_ arguments: [String]) -> Int32 {
    let options: Options
    do {
      options = try Options.parse(arguments)
    } catch {
      let text = Options.fullMessage(for: error)
      guard Options.exitCode(for: error) == .success else {
        Terminal.error(text)
        return Exit.usage.rawValue
      }
      Terminal.output(text)
      return Exit.ok.rawValue
    }
    if options.version {
      Terminal.output("wackamole \(programVersion)")
      return Exit.ok.rawValue
    }
    do throws(Exit) {
      let configuration = try loadConfiguration(options)
      if !options.status { try checkKeys(configuration) }
      if options.check {
        try checkPrograms(configuration)
        Terminal.output("\(options.config): the configuration is good")
      } else if options.status {
        return StatusCommand(configuration: configuration, options: options).run().rawValue
      } else {
        try start(configuration, options)
      }
      return Exit.ok.rawValue
    } catch {
      return error.rawValue
    }
  }

  /// Runs the daemon here, or in the background once it has been seen to start.
  private static func start(
    _ configuration: WackamoleConfiguration,
    _ options: Options
  ) throws(Exit) {
    let isChild = Background.isChild
    guard options.foreground || options.debug || isChild else {
      guard Background.launch() else { throw .failure }
      return
    }
    let log = DaemonLog.make(
      label: "wackamole",
      target: isChild
        ? .syslog(identity: "wackamole", facility: configuration.logFacility.number)
        : .standardError,
      debug: options.debug
    )
    do {
      let load: Daemon.Load = { () throws(ConfigurationFile.Failure) in
        try ConfigurationFile.load(
          options.config,
          node: options.node,
          spread: options.spreadOverride
        )
      }
      Signal.holdBack()
      let daemon = try Daemon(configuration, load: load, log: log)
      Background.started()
      switch try daemon.run() {
      case .stopped: break
      case .restart: throw restart(log)
      }
    } catch {
      let text = (error as? Daemon.StartFailure)?.text ?? "\(error)"
      log.critical("\(text)")
      if isChild { Terminal.error("wackamole: \(text)") }
      throw .failure
    }
  }

  /// Becomes a fresh run of the same program, in the same process; returns why it could not.
  private static func restart(_ log: Logger) -> SystemError {
    var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) }
    arguments.append(nil)
    defer { for argument in arguments { free(argument) } }
    execv("/proc/self/exe", &arguments)
    return SystemError("start again", .last)
  }

  /// Reads and parses the configuration file; says on standard error what is wrong with it.
  private static func loadConfiguration(_ options: Options) throws(Exit) -> WackamoleConfiguration {
    do throws(ConfigurationFile.Failure) {
      return try ConfigurationFile.load(
        options.config,
        node: options.node,
        spread: options.spreadOverride
      )
    } catch {
      switch error {
      case .unreadable: Terminal.error("wackamole: \(error)")
      case .wrong: Terminal.error(error.description)
      }
      throw .usage
    }
  }

  /// Says which programs, users and groups of the configuration this machine does not have.
  private static func checkPrograms(_ configuration: WackamoleConfiguration) throws(Exit) {
    let problems =
      Operations.refusals(of: configuration) + Operations.unknownAccounts(of: configuration)
    for problem in problems { Terminal.error("wackamole: \(problem)") }
    if !problems.isEmpty { throw .usage }
  }

  /// Says on standard error what is wrong with the key file; the configuration is bad then.
  private static func checkKeys(_ configuration: WackamoleConfiguration) throws(Exit) {
    let key =
      switch configuration.backend {
      case .embedded(let engine): engine.key
      case .spread(let spread): spread.key
      }
    do throws(RingKeys.Failure) {
      _ = try RingKeys.load(key)
    } catch {
      Terminal.error("wackamole: \(error.text)")
      throw .usage
    }
  }
}
