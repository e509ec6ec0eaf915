// SPDX-License-Identifier: Apache-2.0

import Addresses

func address(_ text: String, on interface: String = "eth0") -> InterfaceAddress {
  let parts = text.split(separator: "/")
  guard parts.count == 2, let ip = IPAddress(text: parts[0]), let length = Int(parts[1]),
    let prefix = IPPrefix(address: ip, length: length), let name = InterfaceName(interface)
  else { preconditionFailure("bad address in a test: \(text)") }
  return InterfaceAddress(interface: name, prefix: prefix)
}
