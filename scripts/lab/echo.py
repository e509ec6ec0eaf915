# SPDX-License-Identifier: Apache-2.0
"""The service of the lab: answers UDP datagrams with the server's name.

The answer leaves from the address that was asked (IP_PKTINFO), so a client of a virtual address gets its
answer from that address.

    python3 -m lab.echo NAME PORT
"""

from __future__ import annotations

import socket
import struct
import sys

PORT = 7007
IP_PKTINFO = 8
_PKTINFO = struct.Struct("=I4s4s")


def main() -> None:
    name = sys.argv[1].encode()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    server.bind(("0.0.0.0", int(sys.argv[2])))
    while True:
        question, ancillary, _flags, client = server.recvmsg(64, socket.CMSG_SPACE(_PKTINFO.size))
        for level, kind, data in ancillary:
            if (level, kind) != (socket.IPPROTO_IP, IP_PKTINFO):
                continue
            _interface, _local, asked = _PKTINFO.unpack(data[: _PKTINFO.size])
            source = _PKTINFO.pack(0, asked, b"\0" * 4)
            try:
                server.sendmsg(
                    [question + b" " + name], [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, client
                )
            except OSError:
                pass  # the address went away between question and answer, or the link is down


if __name__ == "__main__":
    main()
