# SPDX-License-Identifier: Apache-2.0
"""ARP packets (RFC 826) and the forms an announcement of an address takes."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

BROADCAST = "ff:ff:ff:ff:ff:ff"
REQUEST = 1
REPLY = 2

_LAYOUT = struct.Struct("!6s6sHHHBBH6s4s6s4s")


@dataclass(frozen=True)
class Packet:
    """One ARP packet for IPv4 on Ethernet, with the Ethernet addresses of its frame."""

    destination: str
    source: str
    operation: int
    sender_mac: str
    sender_ip: str
    target_mac: str
    target_ip: str

    @property
    def announces(self) -> str | None:
        """The address that this packet announces in a form a Linux client takes at any time."""
        return self.sender_ip if self.is_gratuitous_request or self.is_gratuitous_reply else None

    @property
    def is_gratuitous_request(self) -> bool:
        """A broadcast request with sender IP = target IP."""
        return (
            self.operation == REQUEST
            and self.sender_ip == self.target_ip != "0.0.0.0"
            and self.destination == BROADCAST
        )

    @property
    def is_gratuitous_reply(self) -> bool:
        """A broadcast reply with sender IP = target IP and sender MAC = target MAC."""
        return (
            self.operation == REPLY
            and self.sender_ip == self.target_ip
            and self.sender_mac == self.target_mac
            and self.destination == BROADCAST
        )


def parse(frame: bytes) -> Packet | None:
    """Reads an Ethernet frame; None when it is not ARP for IPv4 on Ethernet."""
    if len(frame) < _LAYOUT.size:
        return None
    fields = _LAYOUT.unpack_from(frame)
    destination, source, kind, hardware, protocol, hlen, plen, operation, *addresses = fields
    if (kind, hardware, protocol, hlen, plen) != (0x0806, 1, 0x0800, 6, 4):
        return None
    sender_mac, sender_ip, target_mac, target_ip = addresses
    return Packet(
        _mac(destination),
        _mac(source),
        operation,
        _mac(sender_mac),
        str(ipaddress.IPv4Address(sender_ip)),
        _mac(target_mac),
        str(ipaddress.IPv4Address(target_ip)),
    )


def _mac(octets: bytes) -> str:
    return octets.hex(":")
