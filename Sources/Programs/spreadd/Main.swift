// SPDX-License-Identifier: Apache-2.0

import Addresses
import ArgumentParser
import ConfigurationText
import DaemonKit
import Glibc
import GroupModel
import Logging
import Netlink
import Reactor
import SpreadConfiguration
import Transport

/// The version this source tree builds.
let programVersion = "0.1.0"

@main
struct Spreadd {
  static func main() {
    Terminal.reserveDescriptors()
    // A client that goes away must not end the process.
    signal(SIGPIPE, SIG_IGN)
    exit(run(Array(CommandLine.arguments.dropFirst())).rawValue)
  }

  private static func run(_ arguments: [String]) -> Exit {
    let options: Options
    do {
      options = try Options.parse(arguments)
    } catch {
      let text = Options.fullMessage(for: error)
      guard Options.exitCode(for: error) == .success else {
        Terminal.error(text)
        return .usage
      }
      Terminal.output(text)
      return .ok
    }
    if options.version {
      Terminal.output("spreadd \(programVersion)")
      return .ok
    }
    do throws(Exit) {
      let configuration = try load(options)
      let me = try identify(configuration, options)
      try check(configuration)
      if options.check {
        for notice in configuration.notices { Terminal.error("\(notice)") }
        Terminal.output("\(options.config): the configuration is good; this is \(me.node)")
      } else {
        try start(configuration, me, options)
      }
      return .ok
    } catch {
      return error
    }
  }

  /// Runs the daemon here, or in the background once it has been seen to start.
  private static func start(
    _ configuration: SpreadConfiguration,
    _ me: SpreadConfiguration.Daemon,
    _ options: Options
  ) throws(Exit) {
    let isChild = Background.isChild
    guard options.foreground || options.debug || isChild else {
      guard Background.launch() else { throw .failure }
      return
    }
    let logbook: Logbook
    do {
      logbook = try Logbook(configuration.log) {
        try makeLog($0, isChild: isChild, debug: options.debug)
      }
    } catch {
      Terminal.error("spreadd: cannot \(error)")
      throw .failure
    }
    let log = logbook.log
    for notice in configuration.notices { log.warning("\(notice)") }
    var configuration = configuration
    OpenFiles.fit(&configuration.sessions, log)
    do {
      let file = try settle(options.config, isChild: isChild)
      Signal.holdBack()
      let daemon = try Daemon(configuration, me: me, logbook: logbook) { present in
        do throws(Problem) {
          // The ring must not wait for a look-up: names have the addresses that were found before.
          return try read(file) { name in
            present.daemons.first { "\($0.node)" == name }?.endpoint.address
          }
        } catch {
          logbook.log.error("\(error.text)")
          return nil
        }
      }
      Daemon.warnOfUnreadable(configuration, file: file, log)
      Background.started()
      try daemon.run()
    } catch {
      let text = Daemon.text(error)
      logbook.log.critical("\(text)")
      if isChild { Terminal.error("spreadd: \(text)") }
      throw .failure
    }
  }

  /// Leaves the directory in which the program was started, which must not be kept from being
  /// unmounted; returns the path of the configuration from there on.
  private static func settle(_ file: String, isChild: Bool) throws(SystemError) -> String {
    guard isChild else { return file }
    guard let directory = getcwd(nil, 0) else { throw SystemError("find the directory", .last) }
    defer { free(directory) }
    try SystemError.check(chdir("/"), "go to /")
    return file.hasPrefix("/") ? file : String(cString: directory) + "/" + file
  }

  /// The log where the configuration wants it, from the priority on that it names.
  private static func makeLog(
    _ settings: SpreadConfiguration.Log,
    isChild: Bool,
    debug: Bool
  ) throws(SystemError) -> Logger {
    let time = LogTime(format: settings.timeFormat, isPrecise: settings.preciseTime)
    var target: LogTarget = isChild ? .syslog(identity: "spreadd", facility: 3) : .standardError
    if let path = settings.file, !debug {
      target = .chosen(try LogFile(path: path), time)
    } else if time != LogTime(), !isChild {
      target = .chosen(nil, time)
    }
    var log = DaemonLog.make(label: "spreadd", target: target, debug: debug)
    if !debug { log.logLevel = settings.priority.level }
    return log
  }

  /// What is wrong with the configuration file.
  private struct Problem: Error {
    let text: String
  }

  private static func load(_ options: Options) throws(Exit) -> SpreadConfiguration {
    do throws(Problem) {
      return try read(options.config, resolve: HostName.address)
    } catch {
      Terminal.error(error.text)
      throw .usage
    }
  }

  private static func read(
    _ path: String,
    resolve: (String) -> IPAddress?
  ) throws(Problem) -> SpreadConfiguration {
    let text: [UInt8]
    do {
      text = try SmallFile.read(path, limit: SpreadConfiguration.longestText + 1)
    } catch {
      throw Problem(text: "spreadd: cannot read the configuration: \(error)")
    }
    do throws(Diagnostics) {
      return try .parse(text: text, file: path, resolve: resolve)
    } catch {
      throw Problem(text: error.description)
    }
  }

  /// Sees whether what the configuration names besides itself is there and good.
  private static func check(_ configuration: SpreadConfiguration) throws(Exit) {
    do {
      let identity = try Daemon.identity(configuration.process)
      _ = try Daemon.keys(configuration.ring.key, for: identity)
      _ = try Daemon.accessList(configuration.sessions)
    } catch {
      Terminal.error("spreadd: \(Daemon.text(error))")
      throw .usage
    }
  }

  /// Which of the daemons this is: the named one, or the one with an address of this machine.
  private static func identify(
    _ configuration: SpreadConfiguration,
    _ options: Options
  ) throws(Exit) -> SpreadConfiguration.Daemon {
    let names = configuration.daemons.map { "\($0.node)" }.joined(separator: " ")
    if let name = options.name {
      guard let me = NodeID(text: name).flatMap(configuration.daemon) else {
        Terminal.error(
          "spreadd: --name \(name): \(options.config) has no such daemon, but: \(names)"
        )
        throw .usage
      }
      return me
    }
    let addresses: [IPAddress]
    do {
      addresses = try AddressKeeper(journal: nil).snapshot().addresses.map(\.prefix.address)
    } catch {
      Terminal.error("spreadd: cannot list this machine's addresses: \(error)")
      throw .failure
    }
    guard let me = configuration.daemon(at: Set(addresses)) else {
      Terminal.error(
        "spreadd: no daemon of \(options.config) has an address of this machine: correct the "
          + "addresses, or name one of its daemons with --name: \(names)"
      )
      throw .usage
    }
    return me
  }
}

extension SpreadConfiguration.Priority {
  fileprivate var level: Logger.Level {
    switch self {
    case .debug: .debug
    case .info: .info
    case .warning: .warning
    case .error: .error
    case .critical, .fatal: .critical
    }
  }
}
