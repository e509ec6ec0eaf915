// SPDX-License-Identifier: Apache-2.0

import ConfigurationText

/// The words that begin a statement.
package enum StatementWord: String, Vocabulary {
  case spread = "Spread"
  case engine = "Engine"
  case group = "Group"
  case spreadRetryInterval = "SpreadRetryInterval"
  case stateDirectory = "StateDirectory"
  case backendLoss = "BackendLoss"
  case unsealed = "Unsealed"
  case control = "Control"
  case controlGroup = "ControlGroup"
  case logFacility = "LogFacility"
  case mature = "Mature"
  case arpCache = "Arp-Cache"
  case balance = "Balance"
  case notify = "Notify"
  case prefer = "Prefer"
  case weight = "Weight"
  case apart = "Apart"
  case check = "Check"
  case policy = "Policy"
  case quorum = "Quorum"
  case runScript = "RunScript"
  case virtualInterfaces = "VirtualInterfaces"
  case vifs = "VIFs"
  case vips = "VIPs"
  case guardian = "Guardian"
  case lease = "Lease"
  case announce = "Announce"
  case conflict = "Conflict"
  case process = "Process"
  case protocolVersion = "Protocol"
  case include = "Include"
}

/// Statements of the original that load code into the daemon, which this one never does.
package enum RemovedStatementWord: String, Vocabulary {
  case runDynamic = "RunDynamic"
  case perlUse = "PerlUse"
  case perlUseLib = "PerlUseLib"
  case moduleDirectory = "ModuleDir"
}

/// The parameters of `Engine`.
package enum EngineWord: String, Vocabulary {
  case node = "Node"
  case peers = "Peers"
  case port = "Port"
  case multicast = "Multicast"
  case mtu = "MTU"
  case key = "Key"
  case profile = "Profile"
  case state = "State"
  case tokenLoss = "TokenLoss"
  case tokenRetransmit = "TokenRetransmit"
  case idleHold = "IdleHold"
  case beacon = "Beacon"
  case join = "Join"
  case consensus = "Consensus"
  case commitLoss = "CommitLoss"
  case ringAnnouncement = "RingAnnouncement"
}

/// The parameters of `Balance`.
package enum BalanceWord: String, Vocabulary {
  case interval = "Interval"
  case acquisitionsPerRound = "AcquisitionsPerRound"
}

/// The parameters of `Check`.
package enum CheckWord: String, Vocabulary {
  case command = "Command"
  case tcp = "Tcp"
  case http = "Http"
  case host = "Host"
  case user = "User"
  case interval = "Interval"
  case timeout = "Timeout"
  case rise = "Rise"
  case fall = "Fall"
  case subject = "For"
}

/// The words that may follow what `Notify` and `RunScript` name.
package enum OptionWord: String, Vocabulary {
  case throttle = "Throttle"
  case ping = "Ping"
  case user = "User"
  case timeout = "Timeout"
}
