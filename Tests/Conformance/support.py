# SPDX-License-Identifier: Apache-2.0
"""What the test classes share: a daemon of their own, and clients that are closed in the end."""

from __future__ import annotations

import os
import unittest
from typing import Any

from daemons import PORT, Alone, Daemon, Ring
from lab import namespaces
from wire import Client, opened


class AloneTest(unittest.TestCase):
    """Tests on one daemon, `dA`, which must survive each of them."""

    SETTINGS = ""
    DAEMONS = 1
    """How many daemons form the ring while these tests run."""
    daemon: Daemon
    addresses = (0x7F000001,)
    """The addresses of the ring's daemons, of which group ids have one."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.daemon = cls.enterClassContext(Alone(cls.SETTINGS))

    def tearDown(self) -> None:
        self.assertTrue(self.daemon.is_running, "the daemon is gone")

    def raw(self, tcp: bool = False) -> Client:
        """A connection without a handshake."""
        place = self.daemon.tcp if tcp else self.daemon.path
        return self.enterContext(Client(place))

    def client(self, name: bytes, membership: bool = True) -> Client:
        return opened(self.raw, name, membership)

    def pair(self, group: bytes) -> tuple[Client, Client]:
        """Two members of a group, who know of each other."""
        one, two = self.client(b"one"), self.client(b"two")
        one.joined(group, 1)
        two.joined(group, 2)
        one.receive()
        return one, two


def on_three(tests: type[AloneTest]) -> Any:
    """The same tests at one daemon of a ring of three, whose clients all come by TCP from its network."""

    @unittest.skipUnless(os.geteuid() == 0, "needs root for network namespaces")
    class OnThree(tests):  # type: ignore[misc,valid-type]
        DAEMONS = 3
        ring: Ring
        addresses = tuple(Ring.address(name) for name in Ring.NAMES)

        @classmethod
        def setUpClass(cls) -> None:
            cls.ring = cls.enterClassContext(Ring(cls.SETTINGS))
            cls.daemon = cls.ring["dA"]

        def tearDown(self) -> None:
            for name in Ring.NAMES:
                self.assertTrue(self.ring[name].is_running, f"{name} is gone")
            self.assertEqual(self.daemon.members, list(Ring.NAMES))

        def raw(self, tcp: bool = False) -> Client:
            host = self.ring.network.hosts["dA"]
            with namespaces.entered(host.namespace):
                return self.enterContext(Client((host.address, PORT)))

    OnThree.__name__ = OnThree.__qualname__ = tests.__name__ + "OnThree"
    OnThree.__module__ = tests.__module__
    return OnThree
