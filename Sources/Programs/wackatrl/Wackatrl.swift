// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Configuration
import Control
import DaemonKit

/// A command of the tool; what it throws that is no ``ToolExit`` is bad usage.
protocol Tool: ParsableCommand {
  func perform() throws -> ToolExit
}

/// Where the daemon is asked.
struct Place: ParsableArguments {
  @Option(name: [.short, .long], help: "Take the control socket from the configuration FILE.")
  var config = ConfigurationFile.standardPath

  @Option(name: .long, help: "Ask at the control socket PATH, whatever is configured.")
  var control: String?

  /// Says on standard error why there is no place to ask.
  func client() throws(ToolExit) -> ControlClient {
    if let control { return ControlClient(path: control, program: "wackatrl") }
    do throws(ConfigurationFile.Failure) {
      // Who this machine is makes no difference here.
      let configuration = try ConfigurationFile.load(config)
      return ControlClient(path: configuration.control, program: "wackatrl")
    } catch {
      Terminal.error("wackatrl: \(error)")
      Terminal.error("wackatrl: --control PATH asks without a configuration")
      throw .failure
    }
  }
}

/// The command line of wackatrl(8).
struct Wackatrl: Tool {
  static let configuration = CommandConfiguration(
    commandName: "wackatrl",
    abstract: "Look at and control the wackamole daemon of this machine.",
    subcommands: [
      Status.self, List.self, Balance.self, Drain.self, Resume.self, Move.self, Prefer.self,
      Announce.self, Reload.self, History.self,
    ]
  )

  @OptionGroup var place: Place

  @Flag(name: [.customShort("l"), .long], help: "Show who holds what.")
  var list = false

  @Flag(name: [.customShort("f"), .customLong("fail")], help: "Hand everything over, then -l.")
  var fail = false

  @Flag(name: [.customShort("s"), .customLong("start")], help: "Come back after -f, then -l.")
  var start = false

  @Flag(name: [.short, .long], help: "Print the version and exit.")
  var version = false

  func validate() throws {
    if [list, fail, start, version].filter({ $0 }).count > 1 {
      throw ValidationError("-l, -f, -s and -v exclude each other")
    }
  }

  func perform() throws -> ToolExit {
    if version {
      Terminal.output("wackatrl \(programVersion)")
      return .fine
    }
    guard list || fail || start else {
      Terminal.error(Self.helpMessage())
      return .failure
    }
    let client = try place.client()
    if fail || start {
      let done = client.run(fail ? .drain : .resume)
      guard done == .fine else { return done }
    }
    return client.run(.list)
  }
}

extension Wackatrl {
  struct Status: Tool {
    static let configuration = CommandConfiguration(
      abstract: "Show who holds what, the members, and how the engine is."
    )

    @OptionGroup var place: Place
    @Flag(name: .long, help: "Write JSON.") var json = false
    @Flag(name: .long, help: "Show it anew every second.") var watch = false

    func validate() throws {
      if json, watch { throw ValidationError("--json and --watch exclude each other") }
    }

    func perform() throws -> ToolExit {
      let client = try place.client()
      if watch { Watch.status(of: client) }
      return client.run(.status(json ? .json : .text(width: Screen.width)))
    }
  }

  struct List: Tool {
    static let configuration = CommandConfiguration(
      abstract: "Show who holds what, in the lines of the original."
    )

    @OptionGroup var place: Place

    func perform() throws -> ToolExit { try place.client().run(.list) }
  }

  struct Balance: Tool {
    static let configuration = CommandConfiguration(abstract: "Even out the load now.")

    @OptionGroup var place: Place

    func perform() throws -> ToolExit { try place.client().run(.balance) }
  }

  struct Drain: Tool {
    static let configuration = CommandConfiguration(
      abstract: "Hand over everything that another node can hold; lasts until resume."
    )

    @OptionGroup var place: Place

    func perform() throws -> ToolExit { try place.client().run(.drain) }
  }

  struct Resume: Tool {
    static let configuration = CommandConfiguration(abstract: "Hold VIFs again after drain.")

    @OptionGroup var place: Place

    func perform() throws -> ToolExit { try place.client().run(.resume) }
  }

  struct Move: Tool {
    static let configuration = CommandConfiguration(
      abstract: "Give a VIF to a node, and keep it there while that can hold it."
    )

    @Argument(help: "The first address of the VIF.") var vif: String
    @Argument(help: "The name of the node.") var node: String
    @OptionGroup var place: Place

    func perform() throws -> ToolExit {
      let request = ControlRequest.move(try named(vif), to: try named(node))
      return try place.client().run(request)
    }
  }

  struct Prefer: Tool {
    static let configuration = CommandConfiguration(
      abstract: "Let a VIF go to a node with the next round of balance."
    )

    @Argument(help: "The first address of the VIF.") var vif: String
    @Argument(help: "The name of the node; without it the configuration counts again.")
    var node: String?
    @OptionGroup var place: Place

    func perform() throws -> ToolExit {
      let request = ControlRequest.prefer(try named(vif), try node.map { try named($0) })
      return try place.client().run(request)
    }
  }

  struct Announce: Tool {
    static let configuration = CommandConfiguration(
      abstract: "Tell the neighbours again where a VIF is."
    )

    @Argument(help: "The first address of the VIF.") var vif: String
    @OptionGroup var place: Place

    func perform() throws -> ToolExit { try place.client().run(.announce(try named(vif))) }
  }

  struct Reload: Tool {
    static let configuration = CommandConfiguration(
      abstract: "Read the configuration again, as SIGHUP does, and say what came of it."
    )

    @OptionGroup var place: Place

    func perform() throws -> ToolExit { try place.client().run(.reload) }
  }

  struct History: Tool {
    static let configuration = CommandConfiguration(
      abstract: "Show the latest changes of holder in the whole group."
    )

    @OptionGroup var place: Place
    @Flag(name: .long, help: "Write JSON.") var json = false

    func perform() throws -> ToolExit {
      try place.client().run(.history(json ? .json : .text(width: Screen.width)))
    }
  }
}
