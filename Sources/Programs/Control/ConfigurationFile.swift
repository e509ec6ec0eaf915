// SPDX-License-Identifier: Apache-2.0

package import Configuration
package import ConfigurationText
import DaemonKit
import Glibc
package import Reactor

/// `wackamole.conf` on the disk, with the files it includes.
package enum ConfigurationFile {
  /// Where the file is looked for unless it is named.
  package static let standardPath = "/etc/wackamole/wackamole.conf"

  /// Why there is no configuration; the description is for the operator.
  package enum Failure: Error, CustomStringConvertible {
    case unreadable(SystemError)
    case wrong(Diagnostics)

    package var description: String {
      switch self {
      case .unreadable(let error): "cannot read the configuration: \(error)"
      case .wrong(let diagnostics): diagnostics.description
      }
    }
  }

  /// Reads and parses the file.
  ///
  /// `node` is this machine's name where the command line gave it; the environment's comes next.
  /// `spread` is what the command line gave in place of the statement `Spread`.
  package static func load(
    _ path: String,
    node: String? = nil,
    spread: WackamoleConfiguration.SpreadOverride? = nil
  ) throws(Failure) -> WackamoleConfiguration {
    let text: [UInt8]
    do throws(SystemError) {
      text = try SmallFile.read(path, limit: WackamoleConfiguration.longestText + 1)
    } catch {
      throw .unreadable(error)
    }
    do throws(Diagnostics) {
      return try .parse(
        text: text,
        file: path,
        node: override(node),
        spread: spread,
        include: files(named:from:)
      )
    } catch {
      throw .wrong(error)
    }
  }

  /// The name given outside the file: the option wins over the environment.
  private static func override(_ option: String?) -> WackamoleConfiguration.NodeOverride? {
    if let option { return .init(name: option, origin: "--node") }
    guard let name = Environment.value("WACKAMOLE_NODE"), !name.isEmpty else { return nil }
    return .init(name: name, origin: "WACKAMOLE_NODE")
  }

  /// Reads the files that a path or a pattern names, seen from the folder of the including file.
  ///
  /// A pattern may match nothing; a path without one must be there.
  private static func files(
    named name: String,
    from including: String
  ) throws(WackamoleConfiguration.IncludeFailure) -> [WackamoleConfiguration.IncludedFile] {
    var found: [WackamoleConfiguration.IncludedFile] = []
    for path in try paths(named: name, from: including) {
      do throws(SystemError) {
        let text = try SmallFile.read(path, limit: WackamoleConfiguration.longestText + 1)
        found.append(.init(path: path, text: text))
      } catch {
        throw .init("\(error)")
      }
    }
    return found
  }

  private static func paths(
    named name: String,
    from including: String
  ) throws(WackamoleConfiguration.IncludeFailure) -> [String] {
    var path = name
    if !name.hasPrefix("/"), let slash = including.lastIndex(of: "/") {
      path = including[...slash] + name
    }
    guard path.contains(where: { "*?[".contains($0) }) else { return [path] }
    var matches = glob_t()
    defer { globfree(&matches) }
    switch glob(path, 0, nil, &matches) {
    case 0: break
    case GLOB_NOMATCH: return []
    default: throw .init("the folder cannot be read")  // not ours: error numbers of the C library
    }
    return (0..<Int(matches.gl_pathc)).compactMap { index in
      matches.gl_pathv[index].map { String(cString: $0) }
    }
  }
}
