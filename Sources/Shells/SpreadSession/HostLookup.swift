// SPDX-License-Identifier: Apache-2.0

import Addresses
import Glibc
import Reactor

/// Looks up names of hosts on a thread of its own, since that may take as long as it likes.
final class HostLookup {
  /// What was found for which question.
  private struct Answer: Sendable {
    let number: UInt64
    let addresses: [IPAddress]
    /// Why there are none.
    let problem: String
  }

  private struct Nothing: Sendable {}

  private let worker: Worker<Nothing>
  private let mailbox: Mailbox<Answer>
  private var asked: UInt64 = 0
  private var waiting: ((Result<[IPAddress], LookupFailure>) -> Void)?

  init(on loop: EventLoop) throws(SystemError) {
    worker = try Worker(name: "host-lookup", capacity: 4) { Nothing() }
    mailbox = try Mailbox()
    try mailbox.deliver(on: loop) { [weak self] in self?.take($0) }
  }

  /// Asks for a host's addresses; the answer to an earlier question is forgotten.
  func find(_ host: String, _ done: @escaping (Result<[IPAddress], LookupFailure>) -> Void) {
    asked += 1
    waiting = done
    let (number, mailbox) = (asked, mailbox)
    let isTaken = worker.submit { _ in
      let (addresses, problem) = Self.addresses(of: host)
      mailbox.post(Answer(number: number, addresses: addresses, problem: problem))
    }
    if !isTaken {
      mailbox.post(Answer(number: number, addresses: [], problem: "earlier look-ups still hang"))
    }
  }

  /// Forgets the question that is open.
  func cancel() { waiting = nil }

  private func take(_ answer: Answer) {
    guard answer.number == asked, let done = waiting else { return }
    waiting = nil
    done(
      answer.addresses.isEmpty
        ? .failure(LookupFailure(text: answer.problem)) : .success(answer.addresses)
    )
  }

  private static func addresses(of host: String) -> ([IPAddress], String) {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    let result = getaddrinfo(host, nil, &hints, &list)
    guard result == 0 else { return ([], String(cString: gai_strerror(result))) }
    defer { freeaddrinfo(list) }
    var found: [IPAddress] = []
    var entry = list
    while let current = entry {
      if let address = IPAddress(current.pointee), !found.contains(address) {
        found.append(address)
      }
      entry = current.pointee.ai_next
    }
    return (found, "it has no address")
  }
}

/// Why a host has no address; the text is for the operator.
struct LookupFailure: Error {
  let text: String
}

extension IPAddress {
  fileprivate init?(_ info: addrinfo) {
    guard let form = info.ai_addr else { return nil }
    let raw = UnsafeRawPointer(form)
    switch info.ai_family {
    case AF_INET where info.ai_addrlen >= socklen_t(MemoryLayout<sockaddr_in>.size):
      let address = raw.loadUnaligned(as: sockaddr_in.self).sin_addr.s_addr
      self = .v4(IPv4Address(UInt32(bigEndian: address)))
    case AF_INET6 where info.ai_addrlen >= socklen_t(MemoryLayout<sockaddr_in6>.size):
      let address = raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr
      let value = withUnsafeBytes(of: address) { $0.loadUnaligned(as: UInt128.self) }
      self = .v6(IPv6Address(UInt128(bigEndian: value)))
    default: return nil  // not ours: families of the kernel
    }
  }
}
