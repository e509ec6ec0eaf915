// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import Reactor

@Suite("Programs that may be run")
struct TrustedProgramTests {
  private func refusal(_ path: String) -> String? {
    do throws(TrustedProgram.Refusal) {
      try TrustedProgram.check(path)
      return nil
    } catch {
      return error.description
    }
  }

  @Test("Programs of the system are, through links too")
  func system() {
    #expect(refusal("/bin/sh") == nil)
    #expect(refusal("/usr/bin/../bin/./env") == nil)
  }

  @Test("What others could replace is not, nor what is no program")
  func others() throws {
    // Below a folder that all may write nothing is trusted, so this one is root's own.
    var name = Array("/var/lib/trusted-XXXXXX".utf8CString)
    guard geteuid() == 0, mkdtemp(&name) != nil else { return }
    let folder = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer {
      for file in ["program", "link", "loop"] { unlink("\(folder)/\(file)") }
      rmdir(folder)
    }
    let program = "\(folder)/program"
    let created = open(program, O_CREAT | O_WRONLY | O_CLOEXEC, 0o700)
    #expect(created >= 0)
    close(created)
    #expect(refusal(program) == nil)
    #expect(symlink(program, "\(folder)/link") == 0)
    #expect(refusal("\(folder)/link") == nil)
    chmod(program, 0o722)
    #expect(refusal(program)?.contains("can be written by others") == true)
    #expect(refusal("\(folder)/link")?.contains("can be written by others") == true)
    chmod(program, 0o600)
    #expect(refusal(program)?.contains("not executable") == true)
    chmod(program, 0o755)
    chmod(folder, 0o777)
    #expect(refusal(program)?.contains("\(folder) can be written by others") == true)
    chmod(folder, 0o755)
    #expect(chown(folder, 65_534, 65_534) == 0)
    #expect(refusal(program)?.contains("\(folder) belongs to user 65534") == true)
    #expect(chown(folder, 0, 0) == 0)
    #expect(symlink("\(folder)/loop", "\(folder)/loop") == 0)
    #expect(refusal("\(folder)/loop")?.contains("too many links") == true)
    #expect(refusal(folder)?.contains("is a folder") == true)
    #expect(refusal("\(folder)/none")?.contains("No such file") == true)
    #expect(refusal("program")?.contains("no absolute path") == true)
    #expect(refusal("/tmp/x")?.contains("/tmp can be written by others") == true)
    #expect(refusal("/dev/null")?.contains("is no program") == true)
  }
}
