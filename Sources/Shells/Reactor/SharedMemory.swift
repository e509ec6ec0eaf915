// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// Memory that a child process can map too, of a size that is fixed for ever.
package struct SharedMemory: ~Copyable {
  package let descriptor: Descriptor
  package let bytes: UnsafeMutableRawBufferPointer

  /// Makes zeroed memory; `name` is shown in /proc.
  package init(name: String, size: Int) throws(SystemError) {
    let attempt = "make shared memory of \(size) bytes"
    let made = Descriptor(adopting: try SystemError.check(wack_memfd(name), attempt))
    try SystemError.check(ftruncate(made.rawValue, size), attempt)
    try SystemError.check(wack_memfd_seal(made.rawValue), attempt)
    let mapped = try Self.map(made.rawValue, size: size, PROT_READ | PROT_WRITE)
    bytes = mapped
    descriptor = made
  }

  /// Maps memory that another process made, to read.
  ///
  /// - Throws: `EINVAL` if it is no shared memory, or of a size that could still change.
  package init(inherited descriptor: consuming Descriptor) throws(SystemError) {
    var status = stat()
    try SystemError.check(fstat(descriptor.rawValue, &status), "inspect shared memory")
    guard wack_memfd_is_sealed(descriptor.rawValue) != 0, status.st_size > 0 else {
      throw SystemError("map shared memory", Errno(EINVAL))
    }
    let mapped = try Self.map(descriptor.rawValue, size: Int(status.st_size), PROT_READ)
    bytes = mapped
    self.descriptor = descriptor
  }

  deinit { munmap(bytes.baseAddress, bytes.count) }

  private static func map(
    _ fd: CInt,
    size: Int,
    _ access: CInt
  ) throws(SystemError) -> UnsafeMutableRawBufferPointer {
    let address = mmap(nil, size, access, MAP_SHARED, fd, 0)
    guard let address, address != UnsafeMutableRawPointer(bitPattern: -1) else {
      throw SystemError("map shared memory", .last)
    }
    return UnsafeMutableRawBufferPointer(start: address, count: size)
  }
}
