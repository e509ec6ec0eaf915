// SPDX-License-Identifier: Apache-2.0

import Configuration
import ConfigurationText

/// The smallest configuration of three servers.
let smallest = """
  Spread = embedded
  Engine {
      Node = web1                       # this machine's name in Peers
      Peers { web1:10.0.0.1 web2:10.0.0.2 web3:10.0.0.3 }
      Port = 4813                       # not spreadd's 4803
      Key = none
      Profile = lan
      State = /var/lib/wackamole
  }
  Group = wack1
  Control = /run/wackamole/control
  VirtualInterfaces { eth0:10.0.0.101/32 eth0:10.0.0.102/32 { eth0:10.0.0.103/32 eth1:192.168.1.1/32 } }
  """

func parse(
  _ text: String,
  node: WackamoleConfiguration.NodeOverride? = nil,
  spread: WackamoleConfiguration.SpreadOverride? = nil
) throws(Diagnostics) -> WackamoleConfiguration {
  try WackamoleConfiguration.parse(
    text: Array(text.utf8),
    file: "w.conf",
    node: node,
    spread: spread
  )
}

extension WackamoleConfiguration {
  /// The embedded engine's part, of a configuration that has one.
  var engine: EngineConfiguration {
    guard case .embedded(let engine) = backend else { preconditionFailure("no engine: \(backend)") }
    return engine
  }
}

/// What is wrong with `text`, each as `LINE:COLUMN: PROBLEM; ADVICE`.
func problems(
  in text: String,
  node: WackamoleConfiguration.NodeOverride? = nil,
  spread: WackamoleConfiguration.SpreadOverride? = nil
) -> [String] {
  problems(in: Array(text.utf8), node: node, spread: spread)
}

func problems(
  in text: [UInt8],
  node: WackamoleConfiguration.NodeOverride? = nil,
  spread: WackamoleConfiguration.SpreadOverride? = nil
) -> [String] {
  do throws(Diagnostics) {
    _ = try WackamoleConfiguration.parse(
      text: text,
      file: "w.conf",
      node: node,
      spread: spread
    )
    return []
  } catch {
    return error.list.map { String($0.description.dropFirst("w.conf:".count)) }
  }
}
