// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Reactor

/// Why the kernel did not take a datagram.
package enum SendFailure: Sendable, Equatable, CaseIterable {
  /// The socket's buffer is full (EAGAIN).
  case wouldBlock
  /// The interface's queue is full (ENOBUFS).
  case noBuffers
  /// No route to the network or to the host, or the interface is down.
  case unreachable
  /// A firewall rule of this machine forbids it (EPERM, EACCES).
  case notPermitted
  /// Longer than UDP carries at all (EMSGSIZE).
  case tooLong
  /// The address the socket is bound to has gone (EADDRNOTAVAIL, EINVAL).
  case addressGone
  case other

  init(_ errno: Errno) {
    switch errno.rawValue {
    case EAGAIN: self = .wouldBlock
    case ENOBUFS, ENOMEM: self = .noBuffers
    case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN, ENODEV, ENXIO: self = .unreachable
    case EPERM, EACCES: self = .notPermitted
    case EMSGSIZE: self = .tooLong
    case EADDRNOTAVAIL, EINVAL: self = .addressGone
    default: self = .other
    }
  }
}

/// What a socket has carried and what it could not.
package struct UDPStatistics: Sendable, Equatable {
  package internal(set) var received: UInt64 = 0
  package internal(set) var bytesReceived: UInt64 = 0
  package internal(set) var sent: UInt64 = 0
  package internal(set) var bytesSent: UInt64 = 0
  /// Errors that receiving reported; the datagrams behind them were read.
  package private(set) var receiveFailures: UInt64 = 0
  /// The last of ``receiveFailures``.
  package private(set) var lastReceiveFailure: Errno?
  private var sendFailures = [UInt64](repeating: 0, count: SendFailure.allCases.count)

  /// How many datagrams were lost here for this reason.
  package subscript(failure: SendFailure) -> UInt64 { sendFailures[failure.index] }

  mutating func count(_ failure: SendFailure) { sendFailures[failure.index] &+= 1 }

  mutating func count(receiveFailure errno: Errno) {
    receiveFailures &+= 1
    lastReceiveFailure = errno
  }
}

extension SendFailure {
  fileprivate var index: Int {
    switch self {
    case .wouldBlock: 0
    case .noBuffers: 1
    case .unreachable: 2
    case .notPermitted: 3
    case .tooLong: 4
    case .addressGone: 5
    case .other: 6
    }
  }
}
