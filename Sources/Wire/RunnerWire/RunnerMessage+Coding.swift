// SPDX-License-Identifier: Apache-2.0

internal import Addresses
package import Bytes
internal import Health

/// The layout: version, kind, then the fields of the kind in order; texts and lists with their counts
/// in front.
extension RunnerMessage {
  /// The version of the layout.
  package static let version: UInt8 = 1
  /// The most bytes of one message.
  package static let longest = 1 << 17
  /// The most bytes of a text, and the most elements of a list.
  private static let longestText = 8_192
  private static let mostElements = 4_096

  private enum Kind {
    static let checks: UInt8 = 1
    static let run: UInt8 = 2
    static let state: UInt8 = 3
    static let ended: UInt8 = 4
    static let alive: UInt8 = 5
  }

  package func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.write(Self.version)
    switch self {
    case .checks(let setups):
      writer.write(Kind.checks)
      writer.write(UInt16(clamping: setups.count))
      for setup in setups {
        Self.write(setup.check, to: &writer)
        writer.write(setup.state.rawValue)
      }
    case .run(let job):
      writer.write(Kind.run)
      writer.write(job.number)
      Self.write(job.lane, to: &writer)
      Self.write(job.program, to: &writer)
      Self.write(job.environment, to: &writer)
      Self.write(job.timeout, to: &writer)
    case .state(let report):
      writer.write(Kind.state)
      Self.write(report.name, to: &writer)
      writer.write(report.state.rawValue)
      Self.write(report.reason, to: &writer)
    case .ended(let outcome):
      writer.write(Kind.ended)
      writer.write(outcome.number)
      writer.write(UInt8(outcome.failure == nil ? 0 : 1))
      if let failure = outcome.failure { Self.write(failure, to: &writer) }
    case .alive: writer.write(Kind.alive)
    }
    return writer.bytes
  }

  package init(decoding bytes: ArraySlice<UInt8>) throws(WireError) {
    var reader = ByteReader(bytes)
    let version = try reader.read(UInt8.self)
    guard version == Self.version else { throw .unknown(field: "version", value: UInt64(version)) }
    let kind = try reader.read(UInt8.self)
    switch kind {
    case Kind.checks:
      var setups: [Setup] = []
      for _ in 0..<(try Self.count(&reader)) {
        let check = try Self.check(&reader)
        setups.append(Setup(check: check, state: try Self.state(&reader)))
      }
      self = .checks(setups)
    case Kind.run:
      let number = try reader.read(UInt64.self)
      let lane = try Self.text(&reader)
      let program = try Self.program(&reader)
      let environment = try Self.texts(&reader)
      let timeout = try Self.duration(&reader)
      self = .run(
        Job(
          number: number,
          lane: lane,
          program: program,
          environment: environment,
          timeout: timeout
        )
      )
    case Kind.state:
      let name = try Self.text(&reader)
      let state = try Self.state(&reader)
      self = .state(CheckReport(name: name, state: state, reason: try Self.text(&reader)))
    case Kind.ended:
      let number = try reader.read(UInt64.self)
      let failed = try Self.flag(&reader)
      self = .ended(Outcome(number: number, failure: failed ? try Self.text(&reader) : nil))
    case Kind.alive: self = .alive
    default: throw .unknown(field: "kind", value: UInt64(kind))  // not ours: a number
    }
    try reader.finish()
  }

  // MARK: - Checks

  private static func write(_ check: Check, to writer: inout ByteWriter) {
    write(check.name, to: &writer)
    switch check.probe {
    case .command(let program):
      writer.write(UInt8(0))
      write(program, to: &writer)
    case .tcp(let endpoint):
      writer.write(UInt8(1))
      write(endpoint, to: &writer)
    case .http(let request):
      writer.write(UInt8(2))
      write(request.endpoint, to: &writer)
      write(request.target, to: &writer)
      write(request.host, to: &writer)
    }
    write(check.timing.interval, to: &writer)
    write(check.timing.timeout, to: &writer)
    writer.write(UInt16(clamping: check.timing.rise))
    writer.write(UInt16(clamping: check.timing.fall))
    // Whom it is for is the daemon's own affair.
  }

  private static func check(_ reader: inout ByteReader) throws(WireError) -> Check {
    let name = try text(&reader)
    let probe: Check.Probe
    let kind = try reader.read(UInt8.self)
    switch kind {
    case 0: probe = .command(try program(&reader))
    case 1: probe = .tcp(try endpoint(&reader))
    case 2:
      let endpoint = try endpoint(&reader)
      let target = try text(&reader)
      probe = .http(.init(endpoint: endpoint, target: target, host: try text(&reader)))
    default: throw .unknown(field: "probe", value: UInt64(kind))  // not ours: a number
    }
    let interval = try duration(&reader)
    let timeout = try duration(&reader)
    let rise = Int(try reader.read(UInt16.self))
    let fall = Int(try reader.read(UInt16.self))
    guard rise > 0, fall > 0 else { throw .malformed(field: "rise, fall") }
    let timing = Check.Timing(interval: interval, timeout: timeout, rise: rise, fall: fall)
    return Check(name: name, probe: probe, timing: timing)
  }

  private static func state(_ reader: inout ByteReader) throws(WireError) -> CheckState {
    let value = try reader.read(UInt8.self)
    guard let state = CheckState(rawValue: value) else {
      throw .unknown(field: "state", value: UInt64(value))
    }
    return state
  }

  private static func write(_ program: Check.Program, to writer: inout ByteWriter) {
    write([program.path] + program.arguments, to: &writer)
    write(program.user ?? "", to: &writer)
  }

  private static func program(_ reader: inout ByteReader) throws(WireError) -> Check.Program {
    let words = try texts(&reader)
    guard let path = words.first else { throw .malformed(field: "program") }
    let user = try text(&reader)
    let arguments = Array(words.dropFirst())
    return Check.Program(path: path, arguments: arguments, user: user.isEmpty ? nil : user)
  }

  private static func write(_ endpoint: Endpoint, to writer: inout ByteWriter) {
    writer.write(UInt8(clamping: endpoint.address.octets.count))
    writer.write(endpoint.address.octets)
    writer.write(endpoint.port)
  }

  private static func endpoint(_ reader: inout ByteReader) throws(WireError) -> Endpoint {
    let address: IPAddress
    let length = try reader.read(UInt8.self)
    switch length {
    case 4: address = .v4(IPv4Address(try reader.read(UInt32.self)))
    case 16: address = .v6(IPv6Address(try reader.read(UInt128.self)))
    default: throw .unknown(field: "family", value: UInt64(length))  // not ours: a number
    }
    return Endpoint(address: address, port: try reader.read(UInt16.self))
  }

  // MARK: - Texts, lists, times

  private static func write(_ text: String, to writer: inout ByteWriter) {
    let bytes = text.utf8.prefix(longestText)
    writer.write(UInt16(clamping: bytes.count))
    writer.write(bytes)
  }

  private static func text(_ reader: inout ByteReader) throws(WireError) -> String {
    let count = try reader.read(UInt16.self)
    guard count <= longestText else {
      throw .excessive(field: "text", value: UInt64(count), limit: UInt64(longestText))
    }
    let bytes = try reader.readSlice(count: Int(count))
    guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
      throw .malformed(field: "text")
    }
    return text
  }

  private static func write(_ texts: [String], to writer: inout ByteWriter) {
    writer.write(UInt16(clamping: texts.count))
    for text in texts { write(text, to: &writer) }
  }

  private static func texts(_ reader: inout ByteReader) throws(WireError) -> [String] {
    var texts: [String] = []
    for _ in 0..<(try count(&reader)) { texts.append(try text(&reader)) }
    return texts
  }

  private static func count(_ reader: inout ByteReader) throws(WireError) -> Int {
    let count = try reader.read(UInt16.self)
    guard count <= mostElements else {
      throw .excessive(field: "count", value: UInt64(count), limit: UInt64(mostElements))
    }
    return Int(count)
  }

  private static func flag(_ reader: inout ByteReader) throws(WireError) -> Bool {
    let value = try reader.read(UInt8.self)
    guard value <= 1 else { throw .unknown(field: "flag", value: UInt64(value)) }
    return value == 1
  }

  /// In milliseconds; never 0.
  private static func write(_ duration: Duration, to writer: inout ByteWriter) {
    let (seconds, attoseconds) = duration.components
    let milliseconds = seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    writer.write(UInt64(clamping: max(1, milliseconds)))
  }

  private static func duration(_ reader: inout ByteReader) throws(WireError) -> Duration {
    let milliseconds = try reader.read(UInt64.self)
    let limit: UInt64 = 366 * 86_400_000
    guard milliseconds > 0, milliseconds <= limit else {
      throw .excessive(field: "time", value: milliseconds, limit: limit)
    }
    return .milliseconds(Int64(milliseconds))
  }
}
