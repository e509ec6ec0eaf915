// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import Machine
package import Reactor

/// The kernel's addresses and links for a loop that must not wait for the kernel.
///
/// Requests run one after the other on a thread of their own, for the kernel's lock may be held for
/// seconds; completions and reports come back on the loop. The list of hosts that the kernel knows,
/// which may be long, has another thread and holds up no change.
package final class NetlinkService {
  package struct RequestID: Sendable, Hashable {
    fileprivate let number: UInt64
  }

  /// A request that has ended, with one outcome for each change, in order.
  package struct Completion: Sendable, Equatable {
    package let request: RequestID
    package let changes: [AddressChange]
    package let outcomes: [ChangeOutcome]
    /// Other addresses of ours that the kernel removed along with these and that could not be put
    /// back.
    package var lost: [NetlinkError] = []
  }

  private enum Result: Sendable {
    case completed(Completion)
    case snapshot([NetworkLink], [NetworkAddress])
    case neighbors([NetworkNeighbor])
    case neighborsUnknown(NetlinkError)
    case unknown(NetlinkError)
  }

  /// The most requests that wait for the kernel.
  package static let queueLimit = 256
  /// The most reports that wait for a snapshot; beyond them another snapshot is asked for.
  package static let heldLimit = 4_096
  /// How long after a failure the kernel is asked again for everything.
  package static let retry: Duration = .seconds(1)

  private let loop: EventLoop
  private let monitor: NetlinkMonitor
  private let results: Mailbox<Result>
  private let worker: Worker<AddressKeeper>
  /// Lists the hosts that the kernel knows, and changes nothing.
  private let asker: Worker<AddressKeeper>
  private let report: (NetworkEvent) -> Void
  private let complete: (Completion) -> Void
  private var watches: [EventLoop.Watch] = []
  private var alarm: EventLoop.Alarm?
  private var requests: UInt64 = 0
  private var isAsking = false
  private var askAgainAt: Instant?
  /// Reports that came while the kernel was asked for everything.
  ///
  /// They follow the snapshot, which may be older than they are.
  private var held: [NetworkEvent] = []

  /// Opens the sockets and asks for everything; the first report is a snapshot.
  ///
  /// `report` is called with what the kernel says of links and addresses, whoever changed them, and
  /// `complete` when a request has ended, both on the loop.
  package init(
    on loop: EventLoop,
    journal: (any AddressJournal)? = nil,
    report: @escaping (NetworkEvent) -> Void,
    complete: @escaping (Completion) -> Void
  ) throws {
    (self.loop, self.report, self.complete) = (loop, report, complete)
    monitor = try NetlinkMonitor()
    results = try Mailbox()
    worker = try Worker(name: "netlink", capacity: Self.queueLimit) {
      AddressKeeper(journal: journal)
    }
    asker = try Worker(name: "neighbours", capacity: 1) { AddressKeeper(journal: nil) }
    watches.append(try results.deliver(on: loop) { [weak self] in self?.take($0) })
    watches.append(try monitor.deliver(on: loop) { [weak self] in self?.take($0) })
    alarm = loop.addAlarm(
      next: { [weak self] in self?.askAgainAt },
      fire: { [weak self] _ in self?.askForEverything() }
    )
    askForEverything()
  }

  deinit {
    for watch in watches { loop.remove(watch) }
    if let alarm { loop.remove(alarm) }
  }

  /// Takes over addresses that an earlier run added; before any request concerns them.
  package func adopt(_ addresses: [InterfaceAddress]) {
    _ = worker.submit { $0.adopt(addresses) }
  }

  /// Asks for changes, which go to the kernel in one batch; a completion always follows.
  ///
  /// Removals are made whenever the kernel gets to them, everything else only before `limit`.
  @discardableResult
  package func submit(_ changes: [AddressChange], until limit: Instant? = nil) -> RequestID {
    requests += 1
    let id = RequestID(number: requests)
    let results = results
    let accepted = worker.submit { keeper in
      let outcomes = keeper.apply(changes, until: limit)
      var completion = Completion(request: id, changes: changes, outcomes: outcomes)
      completion.lost = keeper.takeLosses()
      results.post(.completed(completion))
    }
    if !accepted {
      let outcomes = changes.map { ChangeOutcome.failed(NetlinkError($0, .busy)) }
      results.post(.completed(Completion(request: id, changes: changes, outcomes: outcomes)))
    }
    return id
  }

  /// Asks which hosts the kernel knows, and reports the `most` that were heard last on these
  /// interfaces, or why it does not tell.
  package func askForNeighbors(on indices: Set<UInt32>, most: Int) {
    let results = results
    // If it is asked already and has not begun, that answer serves.
    _ = asker.submit { keeper in
      do throws(NetlinkError) {
        let all = try keeper.neighbors()
        results.post(.neighbors(Self.latest(most, of: all, on: indices)))
      } catch {
        results.post(.neighborsUnknown(error))
      }
    }
  }

  static func latest(
    _ most: Int,
    of all: [NetworkNeighbor],
    on indices: Set<UInt32>
  ) -> [NetworkNeighbor] {
    let there = all.filter { indices.contains($0.index) }
    guard there.count > most else { return there }
    return Array(there.sorted { $0.age < $1.age }.prefix(most))
  }

  /// Waits for all requests of changes and delivers their completions; nothing can be asked afterwards.
  package func finish() {
    worker.finish()
    for result in results.takeAll() { take(result) }
  }

  private func askForEverything() {
    guard !isAsking else {
      // What is under way may have been listed before the loss.
      askAgainAt = BootClock.now + Self.retry
      return
    }
    askAgainAt = nil
    let results = results
    isAsking = worker.submit { keeper in
      do throws(NetlinkError) {
        let (links, addresses) = try keeper.snapshot()
        results.post(.snapshot(links, addresses))
      } catch {
        results.post(.unknown(error))
      }
    }
    if !isAsking { askAgainAt = BootClock.now + Self.retry }
  }

  private func take(_ result: Result) {
    switch result {
    case .completed(let completion):
      complete(completion)
    case .snapshot(let links, let addresses):
      isAsking = false
      report(.snapshot(links: links, addresses: addresses))
      releaseHeld()
    case .neighbors(let neighbors): report(.neighbors(neighbors))
    case .neighborsUnknown(let error): report(.neighborsUnknown(error))
    case .unknown(let error):
      isAsking = false
      askAgainAt = BootClock.now + Self.retry
      report(.unknown(error))
      releaseHeld()
    }
  }

  private func releaseHeld() {
    var events: [NetworkEvent] = []
    swap(&events, &held)
    for event in events { report(event) }
  }

  private func take(_ seen: NetlinkMonitor.Report) {
    switch seen {
    case .event(let event):
      guard isAsking else {
        report(event)
        return
      }
      held.append(event)
      if held.count > Self.heldLimit {
        held.removeAll()
        askForEverything()
      }
    case .overrun:
      askForEverything()
    }
  }
}
