// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Bytes
import DaemonKit
import Glibc
import Machine
import Reactor
import SpreadReports

/// Shows a daemon at work.
struct Monitor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show a daemon at work, in the terminal.",
    discussion: """
      q ends it. Where standard output is no terminal, and with --json, one line is printed for \
      each interval.
      """
  )

  @OptionGroup var options: ControlOptions

  @Option(name: .shortAndLong, help: "Seconds between two looks, 1 to 3600.")
  var interval = 1

  @Option(help: "End after so many looks.")
  var count: Int?

  func validate() throws {
    guard (1...3_600).contains(interval) else { throw ValidationError("--interval is 1 to 3600") }
    if let count, count < 1 { throw ValidationError("--count must be 1 or more") }
  }

  func run() throws {
    let isLive = !options.json && isatty(STDOUT_FILENO) == 1
    var rates = Rates()
    rates.add(DaemonReport(try options.ask("status")), at: BootClock.now)
    let loop = try EventLoop()
    let screen = isLive ? Screen() : nil
    defer { screen?.close() }
    let signals = try SignalWatcher([.terminate, .interrupt], on: loop) { _ in loop.stop() }
    var keys: EventLoop.Watch?
    if isLive, isatty(STDIN_FILENO) == 1 {
      keys = try loop.watch(fileDescriptor: STDIN_FILENO, for: .readable) { _ in
        // q, Q, or Ctrl-C where the terminal does not make a signal of it.
        if let key = Screen.key(), [0x71, 0x51, 0x03, 0x04].contains(key) { loop.stop() }
      }
    }
    var (next, looks) = (BootClock.now + .seconds(interval), 0)
    var problem: CommandFailure?

    func draw() {
      guard let screen else { return }
      let size = Terminal.size ?? (columns: 80, rows: 24)
      let page = MonitorPage(
        rates,
        interval: interval,
        problem: problem?.text,
        width: size.columns,
        height: size.rows
      )
      screen.draw(page.lines)
    }

    draw()
    loop.addAlarm(
      next: { next },
      fire: { now in
        next = now + .seconds(interval)
        looks += 1
        do throws(CommandFailure) {
          rates.add(DaemonReport(try options.ask("status")), at: now)
          problem = nil
        } catch {
          problem = error
        }
        if isLive {
          draw()
        } else if let report = rates.last, problem == nil {
          Terminal.output(options.json ? report.json.compact : rates.line)
        } else {
          loop.stop()
        }
        if looks == count ?? .max { loop.stop() }
      }
    )
    try loop.run()
    if let keys { loop.remove(keys) }
    withExtendedLifetime(signals) {}
    if let problem {
      screen?.close()
      throw problem
    }
  }
}

/// The whole terminal, given back as it was.
final class Screen {
  private var before: termios?
  private var isOpen = true

  init() {
    var now = termios()
    if tcgetattr(STDIN_FILENO, &now) == 0 {
      before = now
      // Keys count at once, and are not shown; Ctrl-C still makes a signal.
      now.c_lflag &= ~tcflag_t(ICANON | ECHO)
      tcsetattr(STDIN_FILENO, TCSANOW, &now)
    }
    // The other screen, without a cursor.
    Terminal.output(bytes: "\u{1B}[?1049h\u{1B}[?25l".utf8)
  }

  deinit { close() }

  func close() {
    guard isOpen else { return }
    isOpen = false
    Terminal.output(bytes: "\u{1B}[?25h\u{1B}[?1049l".utf8)
    if var before { tcsetattr(STDIN_FILENO, TCSANOW, &before) }
  }

  /// Shows these lines, each cleared to its end, and nothing below them.
  func draw(_ lines: [String]) {
    let text = lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n")
    Terminal.output(bytes: "\u{1B}[H\(text)\u{1B}[J".utf8)
  }

  /// A key that was pressed; `nil` if there is none.
  static func key() -> UInt8? {
    var byte: UInt8 = 0
    return read(STDIN_FILENO, &byte, 1) == 1 ? byte : nil
  }
}
