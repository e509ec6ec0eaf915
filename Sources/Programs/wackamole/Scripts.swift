// SPDX-License-Identifier: Apache-2.0

import Addresses
import Configuration
import GroupModel
import Health
import Logging
import Machine
import Reactor
import RunnerWire

/// Runs the configured scripts when VIFs come and go.
final class Scripts {
  /// How long a batch of changes may go on before scripts run for it.
  private static let quiet: Duration = .milliseconds(100)
  private static let longestBatch: Duration = .seconds(1)

  /// Changes in one direction that belong together.
  private struct Batch {
    var vifs: [VirtualInterface] = []
    var began: Instant?
    var changed: Instant?

    /// When scripts run for it.
    var due: Instant? {
      guard let began, let changed else { return nil }
      return min(changed + Scripts.quiet, began + Scripts.longestBatch)
    }
  }

  /// This node's name; `nil` while only the backend knows it.
  var node: NodeID?
  private let group: GroupName
  private let log: Logger
  private let runner: RunnerProcess
  private var scripts: [WackamoleConfiguration.Script] = []
  /// The VIFs on the interfaces, in ascending order.
  private var held: [VIFID] = []
  private var raised = Batch()
  private var lowered = Batch()
  private var number: UInt64 = 0
  private var running: [UInt64: String] = [:]
  private var finished: (() -> Void)?

  init(
    node: NodeID?,
    group: GroupName,
    runner: RunnerProcess,
    on loop: EventLoop,
    log: Logger
  ) {
    (self.node, self.group) = (node, group)
    (self.runner, self.log) = (runner, log)
    runner.ended = { [unowned self] in ended($0, $1) }
    loop.addAlarm(
      next: { [unowned self] in [raised.due, lowered.due].compactMap(\.self).min() },
      fire: { [unowned self] now in runBatches(at: now) }
    )
  }

  private var identity: [String] {
    (node.map { ["WACKAMOLE_NODE=\($0)"] } ?? []) + ["WACKAMOLE_GROUP=\(group)"]
  }

  func configure(_ scripts: [WackamoleConfiguration.Script]) { self.scripts = scripts }

  // MARK: - What happens to VIFs

  /// A VIF is on the interfaces.
  func up(_ vif: VirtualInterface) {
    guard !held.contains(vif.id) else { return }
    held = (held + [vif.id]).sorted()
    run(.onUp, for: [vif], lane: vif.id.description)
    note(vif, in: &raised)
  }

  /// A VIF has left the interfaces; nothing happens if it never was there.
  func down(_ vif: VirtualInterface) {
    guard held.contains(vif.id) else { return }
    held.removeAll { $0 == vif.id }
    run(.onDown, for: [vif], lane: vif.id.description)
    note(vif, in: &lowered)
  }

  /// Calls `done` once all scripts have ended.
  func finish(_ done: @escaping () -> Void) {
    runBatches(at: nil)
    guard !running.isEmpty else { return done() }
    finished = done
  }

  private func note(_ vif: VirtualInterface, in batch: inout Batch) {
    let now = BootClock.now
    batch.vifs.append(vif)
    (batch.began, batch.changed) = (batch.began ?? now, now)
  }

  /// Runs what is due, or everything if no time is given.
  private func runBatches(at now: Instant?) {
    func isDue(_ batch: Batch) -> Bool {
      guard let due = batch.due else { return false }
      return now.map { due <= $0 } ?? true
    }
    if isDue(lowered) {
      run(.postDown, for: lowered.vifs, lane: "post")
      lowered = Batch()
    }
    if isDue(raised) {
      run(.postUp, for: raised.vifs, lane: "post")
      raised = Batch()
    }
  }

  // MARK: - Running

  private func run(
    _ event: WackamoleConfiguration.ScriptEvent,
    for vifs: [VirtualInterface],
    lane: String
  ) {
    let word = event.rawValue.replacing(" ", with: "-")
    let names = vifs.map(\.id.description)
    let addresses = vifs.flatMap(\.addresses)
    for script in scripts where script.event == event {
      number += 1
      running[number] = "\(script.path) \(event.rawValue) \(names.joined(separator: " "))"
      let interfaces = addresses.map(\.interface.text).reduce(into: [String]()) {
        if !$0.contains($1) { $0.append($1) }
      }
      let environment = [
        "WACKAMOLE_EVENT=\(word)",
        "WACKAMOLE_VIFS=\(names.joined(separator: " "))",
        "WACKAMOLE_ADDRESSES=\(addresses.map(\.description).joined(separator: " "))",
        "WACKAMOLE_INTERFACES=\(interfaces.joined(separator: " "))",
        "WACKAMOLE_HELD=\(held.map(\.description).joined(separator: " "))",
      ]
      let program = Check.Program(
        path: script.path,
        arguments: [word] + addresses.map(\.description),
        user: script.user
      )
      runner.run(
        .init(
          number: number,
          lane: lane,
          program: program,
          environment: identity + environment,
          timeout: script.timeout
        )
      )
    }
  }

  private func ended(_ number: UInt64, _ failure: String?) {
    guard let what = running.removeValue(forKey: number) else { return }
    if let failure {
      log.error("script \(what): \(failure)")
    } else {
      log.debug("script \(what): done")
    }
    guard running.isEmpty, let finished else { return }
    self.finished = nil
    finished()
  }
}
