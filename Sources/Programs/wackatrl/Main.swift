// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Control
import DaemonKit
import Glibc

@main
struct Main {
  static func main() {
    Terminal.reserveDescriptors()
    signal(SIGPIPE, SIG_IGN)
    exit(run(Array(CommandLine.arguments.dropFirst())).rawValue)
  }

  private static func run(_ arguments: [String]) -> ToolExit {
    do {
      let command = try Wackatrl.parseAsRoot(arguments)
      // What stands before a command would be parsed for the tool itself, and then be forgotten.
      if command is any Tool, !(command is Wackatrl), let first = arguments.first,
        first.hasPrefix("-")
      {
        Terminal.error("wackatrl: \(first) stands before the command: options follow it")
        return .failure
      }
      guard let tool = command as? any Tool else {
        var other = command
        try other.run()
        return .fine
      }
      return try tool.perform()
    } catch let exit as ToolExit {
      return exit
    } catch {
      let text = Wackatrl.fullMessage(for: error)
      guard Wackatrl.exitCode(for: error) == .success else {
        Terminal.error(text)
        return .failure
      }
      Terminal.output(text)
      return .fine
    }
  }
}
