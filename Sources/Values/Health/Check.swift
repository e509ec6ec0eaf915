// SPDX-License-Identifier: Apache-2.0

package import Addresses

/// A health check: what is asked again and again, and how its answers are judged.
package struct Check: Sendable, Hashable {
  /// 1 to 31 bytes of printable text, unique in a configuration.
  package var name: String
  package var probe: Probe
  package var timing: Timing
  package var subject: Subject

  package init(name: String, probe: Probe, timing: Timing = Timing(), subject: Subject = .node) {
    (self.name, self.probe, self.timing, self.subject) = (name, probe, timing, subject)
  }

  /// What is asked.
  package enum Probe: Sendable, Hashable {
    /// Run a program; it is well when that exits with status 0.
    case command(Program)
    /// Open a connection, and close it again.
    case tcp(Endpoint)
    /// Ask for a page; it is well when the status of the answer is 200 to 299.
    case http(Request)
  }

  /// A program to run.
  package struct Program: Sendable, Hashable {
    /// An absolute path.
    package var path: String
    /// What follows the path; no shell takes part.
    package var arguments: [String]
    /// The name of the user it runs as; `nil` for the daemon's own.
    package var user: String?

    package init(path: String, arguments: [String] = [], user: String? = nil) {
      (self.path, self.arguments, self.user) = (path, arguments, user)
    }
  }

  /// A request of HTTP.
  package struct Request: Sendable, Hashable {
    package var endpoint: Endpoint
    /// Begins with `/`; printable ASCII without blanks.
    package var target: String
    /// The value of the Host field; printable ASCII without blanks.
    package var host: String

    package init(endpoint: Endpoint, target: String, host: String) {
      (self.endpoint, self.target, self.host) = (endpoint, target, host)
    }
  }

  package struct Timing: Sendable, Hashable {
    /// From the start of one run to that of the next; longer than 0.
    package var interval: Duration
    /// How long one run may take before it counts as failed; longer than 0.
    package var timeout: Duration
    /// How many runs in a row must go well before a failed check counts as passed; at least 1.
    package var rise: Int
    /// How many runs in a row must fail before a passed check counts as failed; at least 1.
    package var fall: Int

    package init(
      interval: Duration = .seconds(1),
      timeout: Duration? = nil,
      rise: Int = 2,
      fall: Int = 2
    ) {
      (self.interval, self.timeout) = (interval, timeout ?? interval)
      (self.rise, self.fall) = (rise, fall)
    }
  }

  /// Who is not eligible while the check has not passed.
  package enum Subject: Sendable, Hashable {
    /// This node, for every VIF.
    case node
    /// This node, for these VIFs: in ascending order, at least one.
    case vifs([VIFID])
  }
}

/// What is known by a check.
package enum CheckState: UInt8, Sendable, Hashable, CaseIterable {
  /// It has not ended once; counts as not passed.
  case unknown = 0
  case passed = 1
  case failed = 2
}

extension CheckState: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unknown: "not known yet"
    case .passed: "passed"
    case .failed: "failed"
    }
  }
}
