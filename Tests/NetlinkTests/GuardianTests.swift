// SPDX-License-Identifier: Apache-2.0

import Addresses
import Glibc
import Machine
import Namespaces
import Reactor
import Testing

@testable import Netlink

@Suite("Guardian", .enabled(if: Namespace.isAllowed, "needs root"))
struct GuardianTests {
  private let lockPath =
    "\(temporaryFolder)/wack-guardian-\(getpid())-\(UInt32.random(in: 0 ... .max))"

  /// The addresses on eth0 that are in 10.0.0.0/8.
  private func listed() throws -> [String] {
    try NetlinkConnection().addresses().map(\.prefix)
      .filter { prefix in
        switch prefix.address {
        case .v4(let address): address.rawValue >> 24 == 10
        case .v6: false
        }
      }
      .sorted().map(\.description)
  }

  private func waitUntil(_ done: () throws -> Bool) rethrows {
    let limit = BootClock.now + .seconds(5)
    while try !done(), BootClock.now < limit { usleep(500) }
  }

  @Test("kill -9 of the daemon takes all its addresses away, at once, and nobody else's")
  func killedDaemon() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    try Namespace.ip("addr add 10.1.0.1/24 dev eth0")
    let table = try OwnedAddressTable()
    let keeper = AddressKeeper(journal: table)
    let vips = (1...10).map { address("10.0.0.\($0)/32") }
    #expect(keeper.apply(vips.map { .add($0, AddressOptions()) }).allSatisfy { $0 == .done })

    // The one process with the connection's near end is killed; it stands for the daemon.
    var handover: Handover? = try Handover()
    let near = handover?.near.rawValue ?? -1
    let far = handover?.far.rawValue ?? -1
    let daemon = try ChildProcess("/bin/sleep", arguments: ["600"], descriptors: [near])
    let memory = table.withDescriptor { $0 }
    let guardian = try ChildProcess(
      Guardian.installedExecutable,
      descriptors: [far, memory],
      blocking: Guardian.ignoredSignals
    )
    handover = nil
    usleep(100_000)
    // Nothing but the daemon's death moves it.
    for number in [SIGTERM, SIGINT, SIGHUP] { guardian.signal(number) }
    usleep(50_000)
    #expect(guardian.reap() == nil)
    #expect(try listed().count == 11)

    let killed = BootClock.now
    daemon.signal(SIGKILL)
    try waitUntil { try listed() == ["10.1.0.1/24"] }
    let spent = BootClock.now - killed
    #expect(try listed() == ["10.1.0.1/24"])
    #expect(guardian.wait(until: killed + .seconds(5)) == .exited(status: 0))
    #expect(spent < .milliseconds(500))
    print("SIGKILL to 10 addresses gone: \(spent)")
  }

  @Test("A clean end leaves nothing to do, and no process")
  func cleanEnd() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    defer { unlink(lockPath) }
    let loop = try EventLoop()
    var notices: [Guardian.Notice] = []
    let guardian = try Guardian(lockPath: lockPath, on: loop) { notices.append($0) }
    let process = try #require(guardian.process)
    #expect(notices == [.started(process: process)])
    let keeper = AddressKeeper(journal: guardian.table)
    let vip = address("10.0.0.1/32")
    #expect(keeper.apply([.add(vip, AddressOptions())]) == [.done])
    #expect(guardian.table.count == 1)
    #expect(keeper.apply([.remove(vip)]) == [.done])
    #expect(guardian.finish())
    #expect(kill(process, 0) == -1)
  }

  @Test("A daemon that gives up before it has an address leaves its guardian nothing to say")
  func failedStart() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    defer { unlink(lockPath) }
    let loop = try EventLoop()
    var guardian: Guardian? = try Guardian(lockPath: lockPath, on: loop) { _ in }
    let table = try #require(guardian?.table)
    #expect(try !isClean(table))
    guardian = nil
    #expect(try isClean(table))
  }

  private func isClean(_ table: OwnedAddressTable) throws -> Bool {
    let memory = try SharedMemory(inherited: Descriptor(adopting: table.withDescriptor { dup($0) }))
    return try OwnedAddressTable.contents(of: UnsafeRawBufferPointer(memory.bytes)).isClean
  }

  @Test("A daemon that ends with addresses left is told so, and the guardian removes them")
  func uncleanEnd() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    defer { unlink(lockPath) }
    let loop = try EventLoop()
    let guardian = try Guardian(lockPath: lockPath, on: loop) { _ in }
    let keeper = AddressKeeper(journal: guardian.table)
    #expect(keeper.apply([.add(address("10.0.0.1/32"), AddressOptions())]) == [.done])
    #expect(!guardian.finish())
    #expect(try listed() == [])
  }

  @Test("A guardian that is killed is replaced, and the new one knows the addresses")
  func replaced() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    defer { unlink(lockPath) }
    let loop = try EventLoop()
    var notices: [Guardian.Notice] = []
    let guardian = try Guardian(lockPath: lockPath, on: loop) { notices.append($0) }
    let keeper = AddressKeeper(journal: guardian.table)
    #expect(keeper.apply([.add(address("10.0.0.1/32"), AddressOptions())]) == [.done])
    let first = try #require(guardian.process)
    var ends: [CInt] = [-1, -1]
    #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
    defer { close(ends[1]) }
    #expect(guardian.keepOpen(ends[0]))
    kill(first, SIGKILL)
    let limit = BootClock.now + .seconds(5)
    while notices.count < 3, BootClock.now < limit { try loop.turn(until: limit) }
    let second = try #require(guardian.process)
    close(ends[0])
    usleep(50_000)
    var ready = pollfd(fd: ends[1], events: Int16(POLLIN), revents: 0)
    #expect(poll(&ready, 1, 0) == 0, "the second keeps it open too")
    #expect(
      notices == [
        .started(process: first), .died(process: first, .killed(signal: SIGKILL)),
        .started(process: second),
      ]
    )
    #expect(!guardian.finish())
    #expect(try listed() == [])
  }

  @Test("What a guardian keeps open ends only after it has removed the addresses, or on demand")
  func keptSession() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    defer { unlink(lockPath) }
    func isEnded(_ end: CInt) -> Bool {
      var ready = pollfd(fd: end, events: Int16(POLLIN), revents: 0)
      return poll(&ready, 1, 0) == 1
    }
    func session() throws -> (own: CInt, others: CInt) {
      var ends: [CInt] = [-1, -1]
      let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
      try #require(socketpair(AF_UNIX, type, 0, &ends) == 0)
      return (ends[0], ends[1])
    }
    let loop = try EventLoop()
    let guardian = try Guardian(lockPath: lockPath, on: loop) { _ in }
    let keeper = AddressKeeper(journal: guardian.table)
    #expect(keeper.apply([.add(address("10.0.0.1/32"), AddressOptions())]) == [.done])
    let (first, second, third) = (try session(), try session(), try session())
    defer { for end in [first, second, third] { close(end.others) } }
    #expect(guardian.keepOpen(first.own))
    close(first.own)
    usleep(50_000)
    #expect(!isEnded(first.others))
    #expect(guardian.keepOpen(nil))
    waitUntil { isEnded(first.others) }
    #expect(isEnded(first.others))
    #expect(guardian.keepOpen(second.own) && guardian.keepOpen(third.own))
    close(second.own)
    waitUntil { isEnded(second.others) }
    #expect(isEnded(second.others), "the next takes its place")

    // The guardian stands still, so its work is not done.
    let process = try #require(guardian.process)
    kill(process, SIGSTOP)
    close(third.own)
    #expect(!guardian.finish(patience: .milliseconds(50)))
    #expect(!isEnded(third.others))
    kill(process, SIGCONT)
    waitUntil { isEnded(third.others) }
    #expect(isEnded(third.others))
    #expect(try listed() == [])
  }

  @Test("The next daemon waits for the guardian of the last, and no longer than it is told to")
  func lock() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    defer { unlink(lockPath) }
    let loop = try EventLoop()
    let first = try Guardian(lockPath: lockPath, on: loop) { _ in }
    #expect(
      throws: SystemError(
        "wait for the guardian of an earlier daemon (\(lockPath))",
        Errno(EBUSY)
      )
    ) {
      try Guardian(lockPath: lockPath, patience: .milliseconds(50), on: loop) { _ in }
    }
    #expect(first.finish())
  }

  @Test("A guardian that is not installed is an error with its path")
  func missing() throws {
    let loop = try EventLoop()
    defer { unlink(lockPath) }
    #expect(throws: SystemError("start /nonexistent/guardian", Errno(ENOENT))) {
      try Guardian(executable: "/nonexistent/guardian", lockPath: lockPath, on: loop) { _ in }
    }
  }

  @Test("A last will is read whole, the latest or none, and never a damaged one")
  func lastWill() throws {
    let will = try LastWill()
    func read() throws -> LastWill.Contents? {
      let copy = dup(will.descriptor)
      return try InheritedWill(Descriptor(adopting: copy)).contents
    }
    #expect(try read() == nil)
    let source = try #require(IPAddress(text: "10.0.0.1"))
    let other = try #require(IPAddress(text: "2001:db8::2"))
    for size in [1, 100, LastWill.longestDatagram] {
      let contents = LastWill.Contents(
        datagram: (0..<size).map { UInt8(truncatingIfNeeded: $0) },
        source: source,
        recipients: [
          Endpoint(address: source, port: 4_813), Endpoint(address: other, port: 4_813),
        ]
      )
      #expect(will.write(contents))
      #expect(try read() == contents)
    }
    let tooLong = [UInt8](repeating: 0, count: LastWill.longestDatagram + 1)
    #expect(!will.write(LastWill.Contents(datagram: tooLong, source: source, recipients: [])))
    #expect(try read()?.datagram.count == LastWill.longestDatagram)
    will.write(nil)
    #expect(try read() == nil)
  }

  @Test("Bytes that are no will say nothing, whatever they are")
  func damagedWill() throws {
    let will = try LastWill()
    let source = try #require(IPAddress(text: "10.0.0.1"))
    will.write(LastWill.Contents(datagram: [1, 2, 3], source: source, recipients: []))
    let memory = try SharedMemory(inherited: Descriptor(adopting: dup(will.descriptor)))
    let good = [UInt8](UnsafeRawBufferPointer(memory.bytes))
    func contents(_ bytes: [UInt8]) -> LastWill.Contents? {
      bytes.withUnsafeBytes { LastWill.contents(of: $0) }
    }
    #expect(contents(good) != nil)
    #expect(contents([]) == nil)
    #expect(contents(Array(good.dropLast())) == nil)
    for offset in [0, 8, 64, 68, 70, 72, 76, 96, 97] {
      var bad = good
      bad[offset] ^= 0x41
      #expect(contents(bad) == nil, "byte \(offset)")
    }
  }
}
