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
        if Screen.isToEnd() { loop.stop() }
      }
    }
    var (next, looks) = (BootClock.now + .seconds(interval), 0)
    var problem: CommandFailure?

    func draw() {
      guard let screen else { return }
      let size = screen.measure()
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
      next: { screen?.nextMeasure },
      fire: { _ in if screen?.isOfOtherSize() == true { draw() } }
    )
    loop.addAlarm(
      next: { next },
      fire: { now in
        looks += 1
        do throws(CommandFailure) {
          rates.add(DaemonReport(try options.ask("status")), at: now)
          problem = nil
        } catch {
          problem = error
        }
        // A daemon that lets one wait must not keep one from the keys.
        next = max(now + .seconds(interval), BootClock.now + .milliseconds(100))
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
  private var size = (columns: 0, rows: 0)
  /// When to see whether the terminal has another size.
  private(set) var nextMeasure = BootClock.now

  init() {
    var now = termios()
    if tcgetattr(STDIN_FILENO, &now) == 0 {
      before = now
      // Keys count at once, and are not shown; Ctrl-C still makes a signal.
      now.c_lflag &= ~tcflag_t(ICANON | ECHO)
      // Stopped by Ctrl-Z it would leave the other screen, without a cursor, to the shell.
      withUnsafeMutableBytes(of: &now.c_cc) { $0[Int(VSUSP)] = 0 }
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

  /// How large the terminal is, which is what is drawn next.
  func measure() -> (columns: Int, rows: Int) {
    size = Terminal.size ?? (columns: 80, rows: 24)
    nextMeasure = BootClock.now + .milliseconds(500)
    return size
  }

  /// Whether the terminal has another size than what was drawn last.
  func isOfOtherSize() -> Bool {
    let before = size
    return measure() != before
  }

  /// Shows these lines, each cleared to its end, and nothing below them.
  func draw(_ lines: [String]) {
    let text = lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n")
    Terminal.output(bytes: "\u{1B}[H\(text)\u{1B}[J".utf8)
  }

  /// Whether a key was pressed that ends the program, or no key will come any more.
  static func isToEnd() -> Bool {
    var byte: UInt8 = 0
    let count = read(STDIN_FILENO, &byte, 1)
    // The terminal may be gone while its hang-up is ignored.
    guard count == 1 else { return count == 0 || ![EAGAIN, EINTR].contains(errno) }
    // q, Q, or Ctrl-C and Ctrl-D, of which the terminal does not make more.
    return [0x71, 0x51, 0x03, 0x04].contains(byte)
  }
}
