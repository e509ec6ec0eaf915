// SPDX-License-Identifier: Apache-2.0

import ConfigurationText

/// The words that begin a statement of `spread.conf`, in the spelling of the manual.
package enum Keyword: String, Vocabulary {
  // Those of Spread 4.
  case segment = "Spread_Segment"
  case debugFlags = "DebugFlags"
  case eventPriority = "EventPriority"
  case eventLogFile = "EventLogFile"
  case eventTimeStamp = "EventTimeStamp"
  case eventPreciseTimeStamp = "EventPreciseTimeStamp"
  case dangerousMonitor = "DangerousMonitor"
  case socketPortReuse = "SocketPortReuse"
  case runtimeDirectory = "RuntimeDir"
  case daemonUser = "DaemonUser"
  case daemonGroup = "DaemonGroup"
  case maxSessionMessages = "MaxSessionMessages"
  case allowedAuthMethods = "AllowedAuthMethods"
  case requiredAuthMethods = "RequiredAuthMethods"
  case accessControlPolicy = "AccessControlPolicy"
  case window = "Window"
  case personalWindow = "PersonalWindow"
  case acceleratedRing = "AcceleratedRing"
  case acceleratedWindow = "AcceleratedWindow"
  case tokenTimeout = "TokenTimeout"
  case hurryTimeout = "HurryTimeout"
  case aliveTimeout = "AliveTimeout"
  case joinTimeout = "JoinTimeout"
  case repTimeout = "RepTimeout"
  case segTimeout = "SegTimeout"
  case gatherTimeout = "GatherTimeout"
  case formTimeout = "FormTimeout"
  case lookupTimeout = "LookupTimeout"
  case debugInitialSequence = "DebugInitialSequence"
  case linkProtocol = "LinkProtocol"
  case routeMatrix = "RouteMatrix"

  // Ours.
  case mtu = "MTU"
  case cluster = "Cluster"
  case key = "Key"
  case profile = "Profile"
  case tokenLoss = "TokenLoss"
  case tokenRetransmit = "TokenRetransmit"
  case idleHold = "IdleHold"
  case beacon = "Beacon"
  case join = "Join"
  case consensus = "Consensus"
  case commitLoss = "CommitLoss"
  case ringAnnouncement = "RingAnnouncement"
  case stateDirectory = "StateDir"
  case control = "ControlSocket"
  case clientListen = "ClientListen"
  case unixSocket = "UnixSocket"
  case unixSocketMode = "UnixSocketMode"
  case accessFile = "AccessFile"
  case maxSessions = "MaxSessions"
  case maxSessionsPerAddress = "MaxSessionsPerAddress"
  case maxSessionBytes = "MaxSessionBytes"
  case maxWaitingBytes = "MaxWaitingBytes"
  case maxSessionGroups = "MaxSessionGroups"
  case maxMessageSize = "MaxMessageSize"
  case slowSession = "SlowSession"
  case handshakeTimeout = "HandshakeTimeout"

  /// The nine time-outs of Spread, which are given together or not at all.
  package static let membershipTimeouts: [Self] = [
    .tokenTimeout, .hurryTimeout, .aliveTimeout, .joinTimeout, .repTimeout, .segTimeout,
    .gatherTimeout, .formTimeout, .lookupTimeout,
  ]

  /// The time-outs of our ring.
  package static let ringTimers: [Self] = [
    .tokenLoss, .tokenRetransmit, .idleHold, .beacon, .join, .consensus, .commitLoss,
    .ringAnnouncement,
  ]
}

/// The classes of events that `DebugFlags` knows.
enum DebugFlag: String, Vocabulary {
  case debug = "DEBUG"
  case exit = "EXIT"
  case print = "PRINT"
  case dataLink = "DATA_LINK"
  case network = "NETWORK"
  case `protocol` = "PROTOCOL"
  case session = "SESSION"
  case configuration = "CONFIGURATION"
  case membership = "MEMBERSHIP"
  case flowControl = "FLOW_CONTROL"
  case status = "STATUS"
  case events = "EVENTS"
  case groups = "GROUPS"
  case memory = "MEMORY"
  case skipList = "SKIPLIST"
  case accessControl = "ACM"
  case security = "SECURITY"
  case all = "ALL"
  case none = "NONE"
}
