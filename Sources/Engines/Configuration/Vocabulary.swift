// SPDX-License-Identifier: Apache-2.0

import ConfigurationText

/// The words that begin a statement.
package enum StatementWord: String, Vocabulary {
  case spread = "Spread"
  case engine = "Engine"
  case group = "Group"
  case control = "Control"
  case mature = "Mature"
  case balance = "Balance"
  case prefer = "Prefer"
  case virtualInterfaces = "VirtualInterfaces"
  case vifs = "VIFs"
  case vips = "VIPs"
}

/// Statements that exist, but not in this version.
package enum LaterStatementWord: String, Vocabulary {
  case notify = "Notify"
  case arpCache = "Arp-Cache"
  case spreadRetryInterval = "SpreadRetryInterval"
  case logFacility = "LogFacility"
  case runScript = "RunScript"
  case check = "Check"
  case weight = "Weight"
  case apart = "Apart"
  case policy = "Policy"
  case quorum = "Quorum"
  case include = "Include"
  case lease = "Lease"
  case guardian = "Guardian"
  case announce = "Announce"
  case conflict = "Conflict"
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
