// SPDX-License-Identifier: Apache-2.0

import Bytes
import Configuration
import Control
import DaemonKit

/// `wackamole -s`: asks the running daemon and prints its answer.
struct StatusCommand {
  let configuration: WackamoleConfiguration
  let options: Options

  func run() -> ToolExit {
    let client = ControlClient(path: configuration.control, program: "wackamole")
    if options.watch { Watch.status(of: client) }
    let form: ControlRequest.Form = options.json ? .json : .text(width: Screen.width)
    let result = client.run(.status(form))
    guard result == .notRunning else { return result }
    // What is left to be seen is what stands on the interfaces.
    do {
      let found = try OfflineStatus(configuration)
      Terminal.output(options.json ? found.json.indented : found.text(width: Screen.width))
    } catch {
      Terminal.error("wackamole: cannot look at the interfaces: \(error)")
    }
    return result
  }
}
