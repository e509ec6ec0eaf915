// SPDX-License-Identifier: Apache-2.0

import SpreadClient

/// A chat over a Spread daemon: lines of standard input go to a group, and what others say there is
/// printed.
@main
struct Chat {
  static func main() async {
    let arguments = CommandLine.arguments.dropFirst()
    guard let group = arguments.first else {
      print("use: spread-chat GROUP [PORT | PORT@HOST | PATH]")
      exit(2)
    }
    do throws(SpreadError) {
      let spread = try await SpreadConnection.connect(to: arguments.dropFirst().first ?? "")
      try await spread.join(group)
      let listener = Task { await listen(to: spread.events) }
      while let line = await nextLine() { await say(line, in: group, over: spread) }
      await spread.close()
      await listener.value
    } catch {
      print("spread-chat: \(error)")
      exit(1)
    }
  }

  /// Prints what comes for as long as the session lasts.
  private static func listen(to events: SpreadEvents) async {
    var iterator = events.makeAsyncIterator()
    do throws(SpreadError) {
      while let event = try await iterator.next() { show(event) }
    } catch {
      print("* the end: \(error)")
    }
  }

  private static func show(_ event: SpreadEvent) {
    switch event {
    case .connected(let name): print("* connected as \(name)")
    case .message(let message): print("\(message.sender): \(message.text ?? "(not text)")")
    case .view(let view): print("* in \(view.group): \(view.members.joined(separator: " "))")
    case .transitional(let group): print("* \(group) is about to lose members")
    case .left(let group): print("* left \(group)")
    case .rejected(let groups): print("* refused: \(groups.joined(separator: " "))")
    case .disconnected(let reason): print("* disconnected: \(reason)")
    }
  }

  private static func say(_ line: String, in group: String, over spread: SpreadConnection) async {
    do throws(SpreadError) {
      try await spread.send(Array(line.utf8), to: [group], selfDiscard: true)
    } catch {
      print("* not sent: \(error)")
    }
  }
}
