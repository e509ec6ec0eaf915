// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText
import SpreadConfiguration

/// A file as Spread 4 wants it: blanks around `=`, nothing behind a number, upper and lower case.
let genuine = """
  # Three machines
  Spread_Segment  10.0.0.255:4913 {
  \tweb1\t\t10.0.0.1
  \tweb2\t\t10.0.0.2 {
  \t\tD 10.0.0.2
  \t\tC 192.168.7.2
  \t\tC 127.0.0.1
  \t}
  \tweb3\t\t10.0.0.3
  }
  Key = none
  DebugFlags = { PRINT EXIT !MEMORY }
  EventPriority = WARNING
  EventLogFile = /var/log/spread_%h.log
  EventTimeStamp = "[%a %d %b %Y %H:%M:%S]"
  EventPreciseTimeStamp
  DangerousMonitor = false
  SocketPortReuse = AUTO
  RuntimeDir = /run/spread4
  DaemonUser = nobody
  DaemonGroup = nogroup
  MaxSessionMessages = 5000
  AllowedAuthMethods = "NULL IP"
  RequiredAuthMethods = "IP"
  AccessControlPolicy = "PERMIT"
  Window = 160
  PersonalWindow = 20
  AcceleratedRing = True
  AcceleratedWindow = 15
  TokenTimeout = 5000
  HurryTimeout = 1500
  AliveTimeout = 250
  JoinTimeout = 250
  RepTimeout = 1250
  SegTimeout = 500
  GatherTimeout = 2500
  FormTimeout = 2500
  LookupTimeout = 45000
  LinkProtocol = Hop
  RouteMatrix {
  0 10
  10 0
  }

  """

/// A file with all of our own statements.
let own = """
  Spread_Segment [ff15::7]:4803 { a [2001:db8::1] "b" [2001:db8::2] }
  Cluster = backstage Key = "/etc/spread/ring key" Profile=fast
  TokenLoss=60ms TokenRetransmit = 10ms # behind it a comment
  IdleHold = 4ms Beacon = 15ms Join = 5ms Consensus = 80ms CommitLoss = 70ms
  RingAnnouncement = 200ms StateDir = /srv/spread ControlSocket = /run/spread/c
  ClientListen = any ClientListen = any:4000 ClientListen = [::1]:4803 ClientListen = 127.0.0.1
  UnixSocket = /run/a UnixSocket = '/run/b' UnixSocketMode = 0660 AccessFile = /etc/a
  MaxSessions = 900 MaxSessionsPerAddress = 30 MaxSessionBytes = 4M MaxMessageSize = 1M
  MaxSessionGroups = 50 MaxWaitingBytes = 2G
  SlowSession = drop-oldest HandshakeTimeout = 3s MTU = 9000
  """

/// The smallest file.
let smallest = "Spread_Segment 127.0.0.255 { localhost 127.0.0.1 }"

func parse(
  _ text: String,
  resolve: (String) -> IPAddress? = { _ in nil }
) throws(Diagnostics) -> SpreadConfiguration {
  try SpreadConfiguration.parse(text: Array(text.utf8), file: "s", resolve: resolve)
}

/// What is wrong with `text`, each as `LINE:COLUMN: PROBLEM; ADVICE`.
func problems(in text: String) -> [String] {
  do throws(Diagnostics) {
    _ = try parse(text)
    return []
  } catch {
    return error.list.map { String($0.description.dropFirst("s:".count)) }
  }
}

func address(_ text: String) throws -> IPAddress {
  guard let address = IPAddress(text: text) else { throw NoAddress() }
  return address
}

struct NoAddress: Error {}
