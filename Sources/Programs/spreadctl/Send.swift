// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DaemonKit
import GroupModel
import Reactor
import SessionClient
import SessionWire

/// The services by the names of the manual.
extension Service: ExpressibleByArgument {
  public init?(argument: String) {
    switch argument {
    case "unreliable": self = .unreliable
    case "reliable": self = .reliable
    case "fifo": self = .fifo
    case "causal": self = .causal
    case "agreed": self = .agreed
    case "safe": self = .safe
    default: return nil
    }
  }
}

extension Service {
  public static var allValueStrings: [String] { allCases.map { "\($0)" } }
}

/// A destination of a message: the name of a group, or a private name.
func destination(_ text: String) throws -> InlineName {
  guard let name = GroupName(destination: Array(text.utf8)) else {
    throw ValidationError(
      "'\(text)' is not the name of a group: use 1 to 31 ASCII characters but blank, !, \", and #"
    )
  }
  return name.name
}

/// Sends one message.
struct Send: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Send one message to groups or private names.",
    discussion: """
      The message is what FILE holds, or standard input. The last argument is FILE if it is - or \
      begins with / or ./ .
      """
  )

  @OptionGroup var options: SessionOptions

  @Option(help: "unreliable, reliable, fifo, causal, agreed or safe.")
  var service = Service.agreed

  @Option(parsing: .unconditional, help: "The message's own mark, -32768 to 32767.")
  var tag: Int16 = 0

  @Flag(help: "Wait until the message has come back in its place in the order.")
  var wait = false

  @Flag(help: "Print JSON.")
  var json = false

  @Argument(help: ArgumentHelp("The groups, and perhaps FILE.", valueName: "group | file"))
  var arguments: [String]

  private var file: String? {
    guard let last = arguments.last, arguments.count > 1,
      last == "-" || last.hasPrefix("/") || last.hasPrefix("./")
    else { return nil }
    return last
  }

  private var groups: [String] { file == nil ? arguments : Array(arguments.dropLast()) }

  func validate() throws {
    for group in groups { _ = try destination(group) }
    guard groups.count <= ClientMessage.mostGroups - 1 else {
      throw ValidationError("a message has at most \(ClientMessage.mostGroups - 1) groups")
    }
  }

  func run() throws {
    let names = try groups.map(destination)
    var content: [UInt8] = []
    var input: StandardInput?
    var conversation: Conversation?
    var isRead = false
    var isSent = false

    func say() {
      guard isRead, !isSent, let conversation, !conversation.isEnding,
        let own = conversation.privateName
      else { return }
      // One's own private name among the destinations brings the message back.
      let message = SessionMulticast(
        service: service,
        tag: tag,
        groups: wait ? names + [own] : names,
        data: content[...]
      )
      do throws(GroupRefusal) {
        try conversation.send(.multicast(message))
        isSent = true
        if !wait { conversation.end() }
      } catch {
        conversation.fail("the message is not sent: \(error.text)")
      }
    }

    func read(_ piece: StandardInput.Piece) {
      switch piece {
      case .bytes(let bytes):
        content += bytes
        guard content.count <= 8 << 20 else {
          conversation?.fail("the message is longer than 8 MiB")
          return
        }
        input?.next(read)
      case .end:
        isRead = true
        say()
      case .failed(let text): conversation?.fail("cannot read the message: \(text)")
      }
    }

    let made = try Conversation(options, wantsMembership: false, reconnects: false) { notice in
      switch notice {
      case .opened: say()
      case .message(.regular(let sender, _)) where sender == conversation?.privateName:
        conversation?.end()
      case .message(.rejected): conversation?.fail("the daemon refuses the message")
      case .message, .writable, .closed, .failed: break
      }
    }
    conversation = made
    do throws(SystemError) {
      input = try StandardInput(file == "-" ? nil : file, on: made.loop)
    } catch {
      throw CommandFailure(text: "cannot \(error)")
    }
    input?.next(read)
    try made.run()
    guard isSent else { throw CommandFailure(text: "interrupted before the message was sent") }
    try made.confirmSent()
    if json {
      Terminal.output("{\"bytes\":\(content.count),\"groups\":\(names.count),\"sent\":true}")
    }
  }
}

extension GroupRefusal {
  /// The refusal in words.
  var text: String {
    switch self {
    case .disconnected: "there is no session"
    case .congested: "too much waits to be sent"
    case .tooLong(let limit): "it is longer than \(limit) bytes"
    case .destinations(let limit): "a message goes to 1 to \(limit) groups"
    case .privateName: "nobody joins or leaves a private name"
    case .unsupported: "the daemon cannot do that"
    }
  }
}
